"""Influence: what it costs, and whether training again without points confirms it."""
