"""Pictures: reading uploads, and the places where pictures are kept."""
