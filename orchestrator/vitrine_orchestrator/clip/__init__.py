"""The CLIP family: how well a picture fits a prompt."""
