"""The constants of the Helmholtz equation's bound, against quadrature and separated solutions."""

import math

import numpy as np
import pytest

from pinnkit.certificate.elliptic import _even_or_odd, transfer


@pytest.mark.parametrize("k2", [-70.0, -9.0, -1e-3, 1e-3, 4.0, 900.0])
def test_constants_are_integrals_of_separated_solutions(k2):
    L = 1.3
    x, w = np.polynomial.legendre.leggauss(200)
    k, s = np.sqrt(complex(k2)), L * x / 2
    shapes = [np.cosh(k * s) / np.cosh(k * L / 2), np.sinh(k * s) / np.sinh(k * L / 2)]
    true = max(float((w * abs(v) ** 2).sum()) * L / 2 for v in shapes)
    assert _even_or_odd(k2, L) == pytest.approx(true, rel=1e-6)


def test_the_transfer_holds_for_every_wave_along_a_face():
    a, sides, c = (1.0, 2.0), (1.0, 0.7), 60.0
    S = transfer(a, sides, c, 0)
    sizes = [_even_or_odd((a[1] * (math.pi * m / sides[1]) ** 2 - c) / a[0], sides[0]) for m in range(1, 40)]
    assert math.sqrt(max(sizes)) <= S <= math.sqrt(max(sizes)) * 1.001
