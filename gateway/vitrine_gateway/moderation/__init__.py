"""Moderation: an operator's judge of what goes into a job and of what comes out."""
