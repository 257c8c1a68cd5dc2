"""The part of Vitrine that uses torch: networks, checkpoints, training on paper dolls, export."""
