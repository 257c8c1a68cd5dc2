"""Reading the files of pictures that callers send: what they are, and what Pillow alone does not do."""
