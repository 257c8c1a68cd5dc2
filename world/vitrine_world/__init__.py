"""The drawn worlds: code that draws pictures and knows every right answer. numpy and Pillow alone."""
