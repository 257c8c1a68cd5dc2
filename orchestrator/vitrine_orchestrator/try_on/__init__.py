"""The IDM-VTON family: its part of the denoiser, its facts and its request."""
