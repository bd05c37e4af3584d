"""The constants of the Helmholtz equation's bound, against quadrature and separated solutions."""

import math

import numpy as np
import pytest

import pinnkit as pk
from pinnkit.certificate.theorem.elliptic import _even_or_odd, critical, transfer
from pinnkit.certificate.theorem.form import form


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


def test_what_is_near_resonance_or_hardly_decays_is_not_enclosed():
    x, y, t = pk.coordinates("x y t")
    u, w = pk.field("u", x, t), pk.field("w", x, y)
    for c, why in ((2 * math.pi**2 * (1 + 3e-6), "it is close to resonance"), (30.0, None)):
        equation = w.diff(x, 2) + w.diff(y, 2) + c * w
        problem = pk.Problem("drum", w, equation, pk.Box(x=(0, 1), y=(0, 1)), [pk.Dirichlet(w, 0)])
        assert critical(form(problem)) == why
    rod, ends = pk.Box(x=(0, 1), t=(0, 1)), [pk.Initial(u, 0), pk.Dirichlet(u, 0)]
    for c, why in ((math.pi**2 * (1 - 1e-7), "it hardly decays"), (9.0, None), (-9.0, None)):
        problem = pk.Problem("rod", u, u.diff(t) - u.diff(x, 2) - c * u, rod, ends)
        assert critical(form(problem)) == why
        net = pk.MLP(2, 3, 1)
        if why:
            with pytest.raises(ValueError, match=f"rod is not enclosed: {why}"):
                pk.certify(
                    pk.Solution(pk.Model(problem, net, False), net.initial(rod, 0), pk.Points({})), enclosed=True
                )
