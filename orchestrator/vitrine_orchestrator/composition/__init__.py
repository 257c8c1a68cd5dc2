"""Composition: cut-out products become part of a scene: placed, with shadows, in its colours."""
