"""Theorems, one a file: a match with an equation's form, and the bound, with its proof."""
