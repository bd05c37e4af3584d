"""What is to be solved, in SymPy: fields, equations, conditions, references; the checks that it is well-posed.

In comes the paper's line; out go residuals as programs on tensors. Rooms from below: `symbolic`, `singular` (data
that are not smooth), this one, `ansatz` (hard constraints).
Extension points: conditions (`symbolic.boundary_conditions`), problems.
"""
