"""Adaptive collocation: new points by scores of candidates."""
