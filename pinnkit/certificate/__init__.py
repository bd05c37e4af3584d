"""Upper bounds of a solution's error, with the theorems behind them."""
