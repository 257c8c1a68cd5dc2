"""How well texts are set on pictures: nothing covered, contrast, every glyph, and read back by OCR."""
