"""Stored bounds looked at again in rational arithmetic, by code that shares nothing with what made them."""
