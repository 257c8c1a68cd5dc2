"""What the transformers of Z-Image and FLUX share: rotary positions, masked attention, LoRA by row."""
