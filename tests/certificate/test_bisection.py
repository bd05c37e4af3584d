"""Cells are halved where bounds are loose: around a peak, not beside it, and never more than allowed."""

import math

import numpy as np
import pytest

from pinnkit.certificate.norms.bisection import CELLS, halved, norm

WIDTH = 1e-3


def peak(left, right):
    """1 / (1 + (x / w)^2): bounds by its values at the ends, and a further row."""
    low, middle, high = (1 / (1 + (v / WIDTH) ** 2) for v in (left, (left + right) / 2, right))
    return np.where((left <= 0) & (right >= 0), 1.0, np.maximum(low, high)), middle, left + right


def test_cells_gather_where_bounds_are_loose():
    rows = halved(peak, (-1.0, 2.0), 1e-9, 20_000)
    width, _, _, left, right, more = rows
    assert left[0] == -1 and right[-1] == 2 and (left[1:] == right[:-1]).all()  # they cover the interval, in order
    assert np.array_equal(width, right - left) and np.array_equal(more, left + right)
    assert width.min() < WIDTH / 5 and width.max() == pytest.approx(3 / CELLS)
    found = norm(rows, -1.0, swing=0.5)
    true = math.sqrt(WIDTH * sum(math.atan(a / WIDTH) + a / WIDTH / (1 + (a / WIDTH) ** 2) for a in (1, 2)) / 2)
    assert found.sup == 1 and true <= found.l2 <= 1.05 * true and found.swing == 0.5
    assert found.envelope[0, 0] == 0 and found.envelope[-1, 1] == 3


def test_the_budget_and_the_floor_are_kept():
    assert halved(peak, (-1.0, 2.0), 1e-9, 100).shape[1] <= 100
    assert halved(peak, (-1.0, 2.0), 100.0, 20_000).shape[1] == CELLS

    def unknown(left, right):
        return np.full(len(left), np.inf), np.zeros(len(left))

    assert halved(unknown, (0.0, 1.0), 1e-9, 1000).shape[1] <= 1000
