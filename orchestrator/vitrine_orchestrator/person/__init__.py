"""Person stages in numpy, OpenCV and Pillow: network inputs, decoding, masks, paste-back. No torch."""
