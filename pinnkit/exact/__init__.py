"""Exact solutions: Lie symmetries found from the equation, and superpositions of solutions.

In comes a problem; out go generators, flows, closed forms, and solutions made of them.
"""
