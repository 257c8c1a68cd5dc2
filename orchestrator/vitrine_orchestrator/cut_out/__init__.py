"""Cut-out: finds the product of a picture, and gives its soft alpha and its own colours."""
