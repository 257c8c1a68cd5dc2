"""Text on pictures: fonts, lines, sizes, places and paint. `overlay.py` joins them; no network is used."""
