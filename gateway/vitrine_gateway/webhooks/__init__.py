"""Webhooks: an outbox, a guard against calls into the private network, and the sender."""
