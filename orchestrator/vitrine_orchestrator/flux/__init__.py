"""The FLUX.1 family (dev, schnell): pictures from a prompt, or from a picture and a prompt."""
