"""The flow that the sharp cavity's ansatz holds at the lid's corners."""

import sympy as sp

from problems.cavity import scraper

A, E = sp.symbols("a e", positive=True)


def test_the_scraper_solves_stokes():
    """Laplace u = grad p and div u = 0, symbolically."""
    psi, p = scraper(A, E)
    u, v = -psi.diff(E), psi.diff(A)
    for velocity, slope in ((u, p.diff(A)), (v, p.diff(E))):
        assert sp.simplify(velocity.diff(A, 2) + velocity.diff(E, 2) - slope) == 0
    assert sp.simplify(u.diff(A) + v.diff(E)) == 0


def test_the_scraper_meets_its_walls():
    """On the wall that slides, down = 0, the velocity is 1, 0; on the one at rest, along = 0, it is 0, 0."""
    psi, _ = scraper(A, E)
    u, v = -psi.diff(E), psi.diff(A)
    assert [sp.simplify(f.subs(E, 0)) for f in (psi, u, v)] == [0, 1, 0]
    assert [sp.limit(f, A, 0, "+") for f in (psi, u, v)] == [0, 0, 0]


def test_it_is_of_order_one_at_the_corner():
    """psi is homogeneous of degree 1, p of degree -1."""
    r = sp.Symbol("r", positive=True)
    psi, p = scraper(A, E)
    far, p_far = scraper(r * A, r * E)
    assert sp.simplify(far - r * psi) == 0 and sp.simplify(p_far - p / r) == 0
