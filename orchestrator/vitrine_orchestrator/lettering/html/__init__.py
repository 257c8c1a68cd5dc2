"""Text as HTML: our own templates with escaped text, and where the operator allows it a caller's own page."""
