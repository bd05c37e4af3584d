"""What each training point, through each loss term, did to any quantity of interest.

In comes a trained solution; out go attributions, indicators, comparisons with training again.
"""
