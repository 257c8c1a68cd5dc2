"""LoRA adapters of every family: a registry in a folder, and the slots in which a graph takes them."""
