"""Flows: exact ones, the cavity, the cylinder."""
