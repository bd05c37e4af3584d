"""Influence functions: what each training point, through each loss term, did to any quantity of interest."""
