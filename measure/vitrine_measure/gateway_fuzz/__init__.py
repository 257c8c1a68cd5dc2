"""Hostile and generated requests against a gateway on the client's fake."""
