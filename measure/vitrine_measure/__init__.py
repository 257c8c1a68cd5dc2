"""What is measured: speed, load, scores, counted work, and the demo."""
