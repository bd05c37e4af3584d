"""Estimated errors, corrections, verdicts and error bars against true errors."""
