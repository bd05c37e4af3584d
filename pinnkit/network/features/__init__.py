"""Feature maps: what a network sees instead of the coordinates."""
