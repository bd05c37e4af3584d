"""Norms of what a solution misses, which theorems ask for: sampled, or enclosed."""
