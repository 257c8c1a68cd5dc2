"""The Z-Image family: pictures from a prompt, or from a picture and a prompt."""
