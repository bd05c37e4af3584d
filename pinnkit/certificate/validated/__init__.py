"""Arithmetic that keeps its promise: intervals, Taylor models, series, running error bounds."""
