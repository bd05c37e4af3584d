"""Rigorous upper bounds of the norms of a function on an interval, a rectangle or a box."""
