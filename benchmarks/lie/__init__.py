"""Lie symmetries and superposition: published dimensions, published cases, the catalogue."""
