"""Curvatures against dense references; an indefinite one, and refusals."""

from dataclasses import replace

import pytest
import torch
from trained import dense

import pinnkit as pk
from pinnkit.model import curvature as curvatures


def test_all_curvatures_are_the_dense_ones(solution, monkeypatch):
    stack, theta, b = solution.stack, solution.theta, torch.randn(len(solution.theta), dtype=torch.float64)
    eye = torch.eye(len(theta), dtype=theta.dtype)
    for kind, exact in [("gauss-newton", False), ("explicit", True), ("exact", True)]:
        found = pk.curvature(stack, theta, kind, 0.1)
        C = dense(solution, exact)[0] + found.damping * eye
        assert found.damping == 0.1, found.notes
        torch.testing.assert_close(found.solve(b), torch.linalg.solve(C, b), rtol=1e-7, atol=1e-9)
        B = torch.randn(len(theta), 5, dtype=torch.float64)
        torch.testing.assert_close(found.solve(B), torch.linalg.solve(C, B), rtol=1e-7, atol=1e-9)
    chosen = pk.curvature(stack, theta, "gauss-newton").damping
    monkeypatch.setattr(curvatures, "DENSE", 1)
    assert pk.curvature(stack, theta, "gauss-newton").damping == pytest.approx(chosen, rel=0.2)
    low = pk.curvature(stack, theta, "gauss-newton", 0.1)
    assert "rank" in low.kind and not low.notes
    C, J, *_ = dense(solution, False)
    C, rows = C + 0.1 * eye, J.T @ torch.randn(len(J), dtype=torch.float64)
    for right, most in [(rows, 1e-4), (b, 0.1)]:  # what is left out is below a tenth of the damping
        exact = torch.linalg.solve(C, right)
        assert float((low.solve(right) - exact).norm()) < most * float(exact.norm())


def test_primal_and_dual_agree_on_value_and_damping(burgers):
    few = replace(burgers, points=burgers.points.replace(pde=burgers.points["pde"].X[:20]))
    assert few.stack.rows < len(few.theta) < burgers.stack.rows + 1
    dual = pk.curvature(few.stack, few.theta, "gauss-newton")
    assert "dual" in dual.kind
    C, J, a, r = dense(few, False)
    from pinnkit.tools.damped_solve import path

    line = path(None, C, few.theta, a.sqrt() * r, False, J.T @ (a * r))
    assert line.choose() == pytest.approx(dual.damping, rel=0.5)
    b, x = J[0], pk.curvature(few.stack, few.theta, "gauss-newton", 1e-6).solve(J[0])
    assert float((C @ x + 1e-6 * x - b).norm()) < 1e-6 * float(b.norm())


def test_an_indefinite_hessian_is_damped_until_a_minimum_exists_and_reported():
    untrained = pk.solve(
        pk.problem("burgers"), pk.MLP(2, 6, 6, 1), {"pde": 40}, stages=[pk.Adam(1)], resample=None, progress=False
    )
    lowest = float(torch.linalg.eigvalsh(dense(untrained)[0]).min())
    assert lowest < -1e-4
    for kind in ("explicit", "exact"):
        found = pk.curvature(untrained.stack, untrained.theta, kind, 1e-9)
        assert found.damping > -lowest and any("indefinite" in note for note in found.notes)


def test_curvature_refuses_with_a_sentence(burgers):
    with pytest.raises(ValueError, match="choose one of auto"):
        pk.curvature(burgers.stack, burgers.theta, "kfac")
    with pytest.raises(ValueError, match="positive number"):
        pk.curvature(burgers.stack, burgers.theta, damping=-1.0)
    with pytest.raises(ValueError, match="not finite"):
        pk.curvature(burgers.stack, burgers.theta * torch.nan)
