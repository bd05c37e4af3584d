"""A statement times a network: the stack of weighted residuals, the solution, quantities of interest, curvature.

In come a problem, a network and points; out go losses, gradients, Jacobians, values.
Extension point: `quantity.Functional`.
"""
