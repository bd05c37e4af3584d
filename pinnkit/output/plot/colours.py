"""Colours of all pictures: lines that colour-blind people tell apart, and colour maps."""

BLUE, ORANGE, GREEN, RED, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9"  # Okabe, Ito 2008
SEQUENTIAL, DIVERGING, ERRORS = "viridis", "RdBu_r", "magma"
