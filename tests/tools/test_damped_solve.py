"""Damped solves against dense inverses; the damping path against ridge fits; conjugate gradients."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnkit.tools.damped_solve import Dual, Primal, Spectral, cholesky, conjugate_gradients, path

pytestmark = pytest.mark.portable
EYE = torch.eye


def rows(M, P, decades=5, seed=0):
    """W (M, P) with singular values over some decades."""
    torch.manual_seed(seed)
    U, _, Vh = torch.linalg.svd(torch.randn(M, P, dtype=torch.float64), full_matrices=False)
    return (U * torch.logspace(0, -decades, min(M, P), dtype=torch.float64)) @ Vh


def factors(W, damping):
    C = W.T @ W
    found = [Primal.of(C, damping), Spectral(*torch.linalg.eigh(C), damping), Dual.of(W, W @ W.T, damping)]
    U, s, Vh = torch.linalg.svd(W, full_matrices=False)
    return [*found, Spectral(s**2, Vh.T, damping)]


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 30), st.integers(3, 30), st.floats(-6, 0), st.integers(0, 10**6))
def test_every_factor_inverts(M, P, exponent, seed):
    W, damping = rows(M, P, 3, seed), 10.0**exponent
    inverse = torch.linalg.inv(W.T @ W + damping * EYE(P, dtype=W.dtype))
    J, b = torch.randn(7, P, dtype=W.dtype), torch.randn(P, dtype=W.dtype)
    for factor in factors(W, damping):
        scale = float(inverse.norm())
        assert float((factor.solve(b) - inverse @ b).norm()) < 1e-8 * scale * float(b.norm())
        torch.testing.assert_close(factor.solve(J.T.contiguous()), inverse @ J.T, rtol=1e-7, atol=1e-8 * scale)
        E = factor.whiten(J)
        torch.testing.assert_close(E @ E.T, J @ inverse @ J.T, rtol=1e-7, atol=1e-7 * scale)
        torch.testing.assert_close(factor.leverage(J), (J @ inverse @ J.T).diagonal(), rtol=1e-7, atol=1e-7 * scale)


def test_dual_refinement_keeps_digits_at_small_damping():
    W = rows(20, 50, 4)
    b, damping = W.T @ torch.randn(20, dtype=W.dtype), 1e-10
    exact = W.T @ torch.linalg.solve(W @ W.T + damping * EYE(20, dtype=W.dtype), torch.linalg.lstsq(W.T, b).solution)
    assert float((Dual.of(W, W @ W.T, damping).solve(b) - exact).norm() / exact.norm()) < 1e-7


def test_a_truncated_spectrum_drops_what_it_does_not_span():
    s, V = torch.linalg.eigh(rows(30, 10).T @ rows(30, 10))
    top = Spectral(s[-3:], V[:, -3:], 1e-3, truncate=True)
    assert float(top.solve(V[:, 0]).norm()) < 1e-12
    torch.testing.assert_close(top.solve(V[:, -1]), V[:, -1] / (s[-1] + 1e-3))


def test_cholesky_says_why_it_fails():
    with pytest.raises(ValueError, match="not positive definite"):
        cholesky(-EYE(3), 0.5)
    with pytest.raises(ValueError, match="not finite"):
        cholesky(EYE(3) * math.nan, 0.5)


@pytest.mark.parametrize(("M", "P"), [(60, 25), (25, 60)])
@pytest.mark.parametrize("damping", [1e-9, 1e-6, 1e-3, 1.0])
def test_the_path_is_the_ridge_fit(M, P, damping):
    W = rows(M, P, 3)
    d, rho = torch.randn(P, dtype=W.dtype), 1e-2 * torch.randn(M, dtype=W.dtype)
    y = W @ d - rho
    x = torch.linalg.solve(W.T @ W + damping * EYE(P, dtype=W.dtype), W.T @ y)
    misfit, s = float((y - W @ x).square().sum()), torch.linalg.eigvalsh(W.T @ W)
    lines = [path(W, W.T @ W, d, rho, False), path(W, W @ W.T, d, rho, True)]
    for line in lines:
        if misfit > 1e-12:
            assert line.fit(damping)[0] == pytest.approx(misfit, rel=1e-4)
            assert line.fit(damping)[1] == pytest.approx(misfit + damping * float(x @ x), rel=1e-4)
        assert line.freedom(damping) == pytest.approx(float((s / (s + damping)).clamp_min(0).sum()), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("rule", ["gcv", "evidence"])
def test_the_damping_found_is_as_good_as_the_best(rule):
    """Noise on rows of a known ridge problem: the choice predicts the noiseless rows nearly as well as any damping."""
    W = rows(200, 40, 4, seed=3)
    d = 10 * torch.randn(40, dtype=W.dtype)
    y = W @ d + 0.05 * torch.randn(200, dtype=W.dtype)
    line = path(W, W.T @ W, d, W @ d - y, False)

    def risk(damping):
        x = torch.linalg.solve(W.T @ W + damping * EYE(40, dtype=W.dtype), W.T @ y)
        return float((W @ (x - d)).square().sum())

    assert risk(line.choose(rule)) < 1.5 * min(risk(10.0**e) for e in torch.linspace(-8, 0, 33).tolist())


def test_an_unknown_rule_and_rows_without_parameters_are_refused():
    W = rows(10, 5)
    line = path(W, W.T @ W, W[0], W[:, 0], False)
    with pytest.raises(ValueError, match="'gcv' or 'evidence'"):
        line.choose("best")
    Z = torch.zeros(10, 5, dtype=torch.float64)
    with pytest.raises(ValueError, match="do not depend"):
        path(Z, Z.T @ Z, W[0], W[:, 0], False).choose()


def test_conjugate_gradients():
    C = rows(40, 20, 4).T @ rows(40, 20, 4) + 1e-6 * EYE(20, dtype=torch.float64)
    b = torch.randn(20, dtype=torch.float64)
    near = C + 1e-7 * torch.diag(torch.rand(20, dtype=torch.float64))
    inverse = torch.linalg.inv(near)
    found = conjugate_gradients(lambda v: C @ v, b, lambda v: inverse @ v, 1e-12)
    assert not found.negative and found.products < 20
    torch.testing.assert_close(C @ found.x, b, rtol=1e-6, atol=1e-6)
    assert conjugate_gradients(lambda v: -v, b, lambda v: v).negative
    assert float(conjugate_gradients(lambda v: C @ v, 0 * b, lambda v: v).x.norm()) == 0
