"""Shares the memory among models that do not all fit: who may stay, who is loaded next, who must go."""
