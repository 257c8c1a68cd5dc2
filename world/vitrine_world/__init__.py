"""The drawn worlds: code that draws pictures with the exact answer of every stage, in numpy and Pillow."""
