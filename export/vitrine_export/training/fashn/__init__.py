"""Training of the small FASHN VTON checkpoint on paper dolls."""
