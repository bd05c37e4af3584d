"""Pictures of certificates: lines below their bounds, bars of what every misfit alone makes of the bounds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

import pinnkit as pk
from pinnkit.certificate.contributions import contributions
from pinnkit.certificate.misfits import sampled
from pinnkit.output.plot.certificate import plot_certificate

x, t = pk.coordinates("x t")
u = pk.field("u", x, t)


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    monkeypatch.setattr(sampled, "POINTS", 5_000)


@pytest.fixture(scope="module")
def superposition():
    return pk.solve_lie(pk.problem("heat", initial="gauss"), tolerance=1e-3)


def random_network(problem, hard=False):
    net = pk.MLP(2, 6, 1)
    return pk.Solution(pk.Model(problem, net, hard), net.initial(problem.domain, 1), pk.Points({}))


def test_lines_stay_below_the_norms_and_bars_add_up(superposition):
    found = pk.certify(superposition)
    figure = plot_certificate(superposition, found)
    space, time, bars = figure.axes
    assert (space.get_xlabel(), time.get_xlabel()) == ("x", "t")
    assert [ax.get_yscale() for ax in (space, time)] == ["log", "log"] and bars.get_xscale() == "log"
    drawn = {line.get_label(): np.asarray(line.get_ydata()) for ax in (space, time) for line in ax.lines}
    for name, norm in found.misfits.items():
        assert 0.9 * norm.sup <= drawn[name].max() <= norm.sup * (1 + 1e-9)
    by_norm, _ = contributions(superposition, found)
    widths = [bar.get_width() for bar in bars.patches]
    assert widths == [v for b in found.bounds for v in (b.value, *by_norm[b.norm].values())]
    for b in found.bounds:
        parts = by_norm[b.norm].values()
        assert max(parts) <= b.value * (1 + 1e-9) and b.value <= sum(parts) * (1 + 1e-6)
    sup = by_norm["sup"]  # of a maximum principle: each is its own largest misfit
    assert all(sup[name] == pytest.approx(found.misfits[name].sup) for name in sup)


def test_every_misfit_of_a_wave_with_slopes_is_drawn():
    zero = [pk.Initial(u, 0), pk.Initial(u, 0, order=1), pk.Dirichlet(u, 0, on="x")]
    box = pk.Box(x=(0, 1), t=(0, 1))
    problem = pk.Problem("string", u, u.diff(t, 2) - u.diff(x, 2), box, zero, reference=pk.Exact({u: sp.S.Zero}))
    solution = random_network(problem)
    found = pk.certify(solution, slopes=True, corrected=False)
    assert "H1(t)" in [b.norm for b in found.bounds]
    by_norm, parts = contributions(solution, found)
    assert set(parts) == set(found.misfits) and {"pde", "u initial, by x"} <= set(parts)
    assert all(max(v.values()) > 0 for v in by_norm.values())
    assert len(plot_certificate(solution, found).axes) == 3


def test_burgers_and_a_steady_equation_are_drawn():
    solution = random_network(pk.problem("burgers"))
    found = pk.certify(solution, corrected=False)
    by_norm, _ = contributions(solution, found)
    assert all(math.isfinite(v) for v in by_norm["L1(t)"].values())
    assert len(plot_certificate(solution).axes) == 3
    a, b = pk.coordinates("x y")
    v = pk.field("v", a, b)
    still = pk.Problem("still", v, v.diff(a, 2) + v.diff(b, 2), pk.Box(x=(0, 1), y=(0, 2)), [pk.Dirichlet(v, a * b)])
    *panels, _ = plot_certificate(random_network(still)).axes
    assert [ax.get_xlabel() for ax in panels] == ["x", "y"]


def test_a_misfit_alone_may_be_bounded_by_another_theorem():
    solution = random_network(pk.problem("burgers"), hard=True)  # without its residual the map of Cole and Hopf holds
    found = pk.certify(solution, corrected=False)
    (bound,) = found.bounds
    alone = contributions(solution, found)[0]["L1(t)"]
    assert alone.pop("pde") == pytest.approx(bound.value)
    assert len(alone) == 3 and all(0 <= value < 1e-9 for value in alone.values())


def test_a_certificate_of_another_problem_is_refused(superposition):
    with pytest.raises(ValueError, match="the certificate is of heat, expected one of burgers"):
        plot_certificate(random_network(pk.problem("burgers")), pk.certify(superposition))


def test_the_command_draws(call, superposition):
    pk.save(superposition, "run.h5")
    code, text, _ = call("certify", "run.h5", "--picture", "pictures/cert.png")
    assert (
        code == 0
        and text.splitlines()[-1] == "picture in pictures/cert.png"
        and Path("pictures/cert.png").stat().st_size
    )
    code, text, _ = call("certify", "run.h5", "--picture", "cert.svg", "--json")
    assert code == 0 and json.loads(text)["files"] == {"picture": "cert.svg"}
    code, _, complaint = call("certify", "run.h5", "--picture", "cert")
    assert code != 0 and "give a file with its format" in complaint
