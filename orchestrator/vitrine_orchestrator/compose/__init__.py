"""The stage `compose`: reads a scene, products and settings, and gives the composition."""
