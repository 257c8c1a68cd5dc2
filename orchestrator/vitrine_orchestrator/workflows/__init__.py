"""Workflows as data: a graph of nodes, each a model of the server or a small step between them."""
