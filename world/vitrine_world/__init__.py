"""Synthetic data: draws pictures together with the exact output of every stage, with numpy and Pillow."""
