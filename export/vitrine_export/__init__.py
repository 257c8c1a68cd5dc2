"""Vitrine's torch side: models, checkpoints, training on paper dolls, export."""
