"""Lie point symmetries: found from the equation, exponentiated to flows, and the exact solutions that they move."""
