"""How wrong a solution is, without a reference: error map, correction, error bars, verdict.

In comes a solution; out go its estimated error, a corrected solution, intervals of coefficients.
"""
