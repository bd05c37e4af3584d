"""Upper bounds of a solution's error, with the theorems behind them.

In come a solution and what it misses, sampled or enclosed; out go bounds and proofs that can be checked again.
Extension point: `theorem`, one file a theorem.
"""
