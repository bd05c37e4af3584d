"""Certificates against true errors."""
