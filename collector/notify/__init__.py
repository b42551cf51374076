"""Tells people what happened, by e-mail and webhooks, each event once."""
