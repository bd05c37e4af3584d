"""Point loads and jumping coefficients: closed forms meet what is stated; what is not solved is refused."""

import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.statement.ansatz.initial_layer import initial_layers

x, y, t = pk.coordinates("x y t")
u1, u2, ut = pk.field("u", x), pk.field("u", x, y), pk.field("u", x, t)
Q = sp.Rational
D, H = sp.DiracDelta, sp.Heaviside
LINE, PLANE, TIME = pk.Box(x=(0, 1)), pk.Box(x=(0, 1), y=(0, 1)), pk.Box(x=(0, 1), t=(0, 1))
LAYERS = sp.Piecewise((1, x < Q(2, 5)), (10, True))
A = Q(1488, 460)  # the flux at 0 of (k u')' = -4, u(0) = 0, u(1) = 1


by_value = pk.function(lambda s: torch.where(s < 0.4, 1.0, 10.0), "k")  # the same layers
around = pk.function(lambda a, b: torch.where(a**2 + b**2 < 0.5, 1.0, 3.0), "k")


def tent(a: sp.Expr) -> sp.Expr:
    """-u'' = DiracDelta(x - a), u(0) = u(1) = 0."""
    return sp.Piecewise((x * (1 - a), x < a), (a * (1 - x), True))


def above(s: sp.Expr) -> sp.Expr:
    return sp.Piecewise((s, s > 0), (0, True))


CLOSED = {
    "load": (u1, u1.diff(x, 2) + D(x - Q(1, 2)), tent(Q(1, 2)), LINE),
    "loads with strengths": (
        u1, u1.diff(x, 2) + 3 * D(x - Q(1, 4)) + 8 * x * D(4 * x - 3), 3 * tent(Q(1, 4)) + Q(3, 2) * tent(Q(3, 4)), LINE
    ),
    "zeros of a polynomial": (
        u1, u1.diff(x, 2) + D((x - Q(1, 4)) * (x - Q(3, 4))), 2 * tent(Q(1, 4)) + 2 * tent(Q(3, 4)), LINE
    ),
    "delta potential": (u1, u1.diff(x, 2) + 4 * u1 * D(x - Q(1, 2)), tent(Q(1, 2)), LINE),
    "beam": (u1, u1.diff(x, 4) - 12 * D(x - Q(1, 3)), 2 * above(x - Q(1, 3)) ** 3, LINE),
    "layers": (
        u1, pk.divergence(LAYERS, u1) + 4,
        sp.Piecewise((A * x - 2 * x**2, x < Q(2, 5)), (1 - (A * (1 - x) - 2 * (1 - x**2)) / 10, True)), LINE,
    ),
    "layers by Heaviside": (
        u1, ((1 + 9 * H(x - Q(2, 5))) * u1.diff(x)).diff(x) + 4,
        sp.Piecewise((A * x - 2 * x**2, x < Q(2, 5)), (1 - (A * (1 - x) - 2 * (1 - x**2)) / 10, True)), LINE,
    ),
    "layers by a function": (
        u1, pk.divergence(by_value(x), u1) + 4,
        sp.Piecewise((A * x - 2 * x**2, x < Q(2, 5)), (1 - (A * (1 - x) - 2 * (1 - x**2)) / 10, True)), LINE,
    ),
    "a load between layers": (
        u1, -pk.divergence(LAYERS, u1) - 2 * D(x - Q(2, 5)), -2 * above(Q(2, 5) - x), LINE
    ),
    "a line in the plane": (
        u2, u2.diff(x, 2) + u2.diff(y, 2) + 2 * (1 + y) * D(x - Q(1, 3)), -(1 + y) * abs(x - Q(1, 3)) + x * y, PLANE
    ),
    "an oblique line": (u2, u2.diff(x, 2) + u2.diff(y, 2) + 10 * D(x + 2 * y - 1), -abs(x + 2 * y - 1), PLANE),
    "oblique layers": (
        u2, pk.divergence(sp.Piecewise((1, x + y < 1), (3, True)), u2),
        sp.Piecewise((3, x + y < 1), (1, True)) * (x + y - 1) + 2 * (x - y), PLANE,
    ),
    "a moving load": (
        ut, ut.diff(t) - ut.diff(x, 2) - D(x - t / 2 - Q(1, 4)), -2 * above(1 - sp.exp((t - 2 * x + Q(1, 2)) / 4)), TIME
    ),
    "an impulse in time": (
        ut, ut.diff(t) - ut.diff(x, 2) - sp.sin(sp.pi * x) * D(t - Q(1, 2)),
        H(t - Q(1, 2)) * sp.exp(-sp.pi**2 * (t - Q(1, 2))) * sp.sin(sp.pi * x), TIME,
    ),
    "layers in time": (
        ut, ut.diff(t) - pk.divergence(LAYERS, ut), t + sp.Piecewise(
            ((x - Q(2, 5)) ** 2 / 2 + 10 * (x - Q(2, 5)), x < Q(2, 5)), ((x - Q(2, 5)) ** 2 / 20 + x - Q(2, 5), True)
        ), TIME,
    ),
}  # fmt: skip


def stated(name: str, extra: sp.Expr = sp.S.Zero) -> pk.Problem:
    u, e, exact, domain = CLOSED[name]
    conditions = [pk.Dirichlet(u, exact), *([pk.Initial(u, exact)] if domain is TIME else [])]
    if name == "beam":
        conditions += [pk.Neumann(u, 0, on="x_min"), pk.Neumann(u, exact.diff(x), on="x_max")]
    return pk.Problem(name, u, e, domain, conditions, reference=pk.Exact({u: exact + extra}))


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_meet_what_is_stated_across_and_a_kink_more_is_seen(name: str) -> None:
    problem = stated(name)
    found = problem.verify()
    assert max(found.values()) < 1e-9, found
    for key, kink in zip(problem.interface_problem.planes, problem.interface_problem.kinks, strict=True):
        s = sum(sp.Float(w) * v for w, v in zip(kink.plane.normal, problem.variables, strict=True)) - kink.plane.offset
        wrong = stated(name, 0.01 * H(s, 1) * s**kink.power).verify()
        assert wrong[f"pde on {key}"] > 1e-3
        assert all(wrong[f"pde on {k}"] < 1e-9 for k in problem.interface_problem.planes if k != key)


REFUSED = {
    "dipole": (u1, u1.diff(x, 2) + D(x - Q(1, 2), 1), LINE, "mixed form"),
    "point": (u2, u2.diff(x, 2) + u2.diff(y, 2) + D(x - Q(1, 2)) * D(y - Q(1, 2)), PLANE, "narrow Gaussian"),
    "circle": (u2, u2.diff(x, 2) + u2.diff(y, 2) + D(x**2 + y**2 - Q(1, 4)), PLANE, "narrow Gaussian"),
    "nonlinear": (u1, u1.diff(x, 2) + sp.exp(D(x - Q(1, 2))), LINE, "narrow Gaussian"),
    "square": (u1, u1.diff(x, 2) + D(x - Q(1, 2)) ** 2, LINE, "narrow Gaussian"),
    "times a slope": (u1, u1.diff(x, 2) + u1.diff(x) * D(x - Q(1, 2)), LINE, "which jumps"),
    "times a jump": (u1, u1.diff(x, 2) + H(x - Q(1, 2)) * D(x - Q(1, 2)), LINE, "strength .* jumps"),
    "at the end": (u1, u1.diff(x, 2) + D(x), LINE, "Neumann"),
    "at a field's value": (u1, u1.diff(x, 2) + D(u1 - Q(1, 2)), LINE, "depends on a field"),
    "touching": (u1, u1.diff(x, 2) + D((x - Q(1, 2)) ** 2), LINE, "single planes"),
    "along a characteristic": (ut, ut.diff(t) + ut.diff(x) - D(x - t), TIME, "carries jumps along it"),
    "differentiated Piecewise": (u1, (LAYERS * u1.diff(x)).diff(x), LINE, r"pk\.divergence\(k, u\(x\)\)"),
    "jumping stiffness": (u1, ((1 + H(x - Q(1, 2))) * u1.diff(x, 2)).diff(x, 2), LINE, "mixed form"),
    "curved layers": (u2, pk.divergence(sp.Piecewise((1, x**2 + y**2 < Q(1, 2)), (3, True)), u2), PLANE, "no plane"),
    "curved layers by a function": (u2, pk.divergence(around(x, y), u2), PLANE, "a jump near .*state one problem"),
    "a differentiated function": (u1, (by_value(x) * u1.diff(x)).diff(x), LINE, r"pk\.divergence\(k, u\(x\)\)"),
    "coefficient of the field": (u1, pk.divergence(1 + H(u1 - 1), u1), LINE, "depends on a field"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_solved_is_refused_with_a_cure(name: str) -> None:
    u, e, domain, cure = REFUSED[name]
    with pytest.raises(ValueError, match=cure):
        pk.Problem(name, u, e, domain, [pk.Dirichlet(u, 0)])


def test_a_load_in_a_condition_or_at_an_unknown_place_is_refused() -> None:
    a = sp.Symbol("a")
    with pytest.raises(ValueError, match="no value at points"):
        pk.Problem("p", ut, ut.diff(t) - ut.diff(x, 2), TIME, [pk.Dirichlet(ut), pk.Initial(ut, D(x - Q(1, 2)))])
    with pytest.raises(ValueError, match="unknown a"):
        pk.Problem("p", u1, u1.diff(x, 2) + D(x - a), LINE, [pk.Dirichlet(u1)], unknowns={"a": 0.3})
    known = pk.Problem("p", u1, u1.diff(x, 2) + D(x - a), LINE, [pk.Dirichlet(u1)], {"a": 0.3})
    assert list(known.interface_problem.planes) == ["x=0.3"]


def test_a_divergence_of_smooth_things_is_the_product_rule() -> None:
    k = (1 + x * y) * (1 + u2**2)
    product = (k * u2.diff(x)).diff(x) + (k * u2.diff(y)).diff(y)
    assert sp.expand(pk.divergence(k, u2).doit() - product) == 0
    assert sp.expand(pk.divergence(k, u2, x).doit() - (k * u2.diff(x)).diff(x)) == 0
    smooth = pk.Problem("p", u2, pk.divergence(k, u2), PLANE, [pk.Dirichlet(u2, x)])
    assert not smooth.interface_problem.planes and "nabla" in smooth.latex()
    joined = sp.Piecewise((1, x < Q(1, 2)), (x + Q(1, 2), True))  # a kink, no jump
    assert not pk.Problem("p", u2, pk.divergence(joined, u2), PLANE, [pk.Dirichlet(u2, x)]).interface_problem.planes
    with pytest.raises(ValueError, match="no field"):
        pk.divergence(k, x)


def test_loads_and_layers_are_solved_and_judged() -> None:
    problem = stated("layers")
    stages = [pk.Adam(50), pk.SSBroyden(250)]
    s = pk.solve(problem, pk.MLP(1, 12, 12, 1), {"pde": 100}, stages=stages, resample=None, progress=False)
    error = s.errors()["u"]["relative_l2"]
    m = pk.error_map(s)
    assert error < 1e-4 and m.trusted and m.interval["u"][0] <= 1.01 * error <= 1.02 * m.interval["u"][1]
    slopes = s.jet(torch.tensor([[0.4 - 1e-9], [0.4]], dtype=torch.float64), "u_x")
    assert float(slopes[0] / slopes[1]) == pytest.approx(10, rel=1e-4)
    (source,) = s.evaluate([pk.divergence(LAYERS, u1)], torch.tensor([[0.7]], dtype=torch.float64))
    assert float(source) == pytest.approx(-4, rel=1e-2)


def test_jumps_of_sources_and_in_mixed_form_bend_the_network_by_themselves() -> None:
    stages = [pk.Adam(50), pk.SSBroyden(150)]
    X = torch.linspace(0, 1, 101, dtype=torch.float64)[:, None]
    s = (X[:, 0] - 1 / 3).clamp_min(0)
    half = pk.Problem("p", u1, u1.diff(x, 2) + H(x - Q(1, 3)), LINE, [pk.Dirichlet(u1, 0)])
    found = pk.solve(half, pk.MLP(1, 8, 8, 1), 60, stages=stages, resample=None, progress=False)
    exact = 2 / 9 * X[:, 0] - s**2 / 2
    assert float((found(X)[:, 0] - exact).norm() / exact.norm()) < 1e-4 and not half.interface_problem.planes
    q = pk.field("q", x)
    equations = {"balance": q.diff(x), "law": LAYERS * u1.diff(x) + q}
    mixed = pk.Problem("p", [u1, q], equations, LINE, [pk.Dirichlet(u1, x)])
    found = pk.solve(mixed, pk.MLP(1, 8, 8, 2), 60, stages=stages, resample=None, progress=False)
    exact = torch.where(X[:, 0] < 0.4, X[:, 0] / 0.46, 1 - (1 - X[:, 0]) / 4.6)
    assert float((found(X)[:, 0] - exact).norm() / exact.norm()) < 1e-3
    jumping = pk.function(lambda s: torch.where(s < 0.37, 0.0, 1.0), "f")(x)
    by_values = pk.Problem("p", u1, u1.diff(x, 2) + jumping, LINE, [pk.Dirichlet(u1, 0)])
    assert [(k.plane.offset, k.power, k.needed) for k in by_values.interface_problem.kinks] == [(0.37, 2, False)]
    assert [(k.power, k.needed) for p in (half, mixed) for k in p.interface_problem.kinks] == [(2, False), (1, False)]
    inflow = [pk.Dirichlet(ut, 0, on="x_min"), pk.Initial(ut, 0)]
    assert not pk.Problem("p", ut, ut.diff(t) + ut.diff(x) - H(x - t), TIME, inflow).interface_problem.kinks


def test_an_initial_flux_that_does_not_balance_starts_with_its_exact_layer() -> None:
    k = sp.Piecewise((1, x < Q(2, 5)), (4, True))
    e = 2 * ut.diff(t) - pk.divergence(k, ut) - 5 * D(x - Q(2, 5))
    problem = pk.Problem("p", ut, e, TIME, [pk.Dirichlet(ut, x), pk.Initial(ut, x)])
    layer = initial_layers(problem, ut, x)
    whole = x + layer
    conditions = [pk.Dirichlet(ut, whole), pk.Initial(ut, x)]
    found = pk.Problem("p", ut, e, TIME, conditions, reference=pk.Exact({ut: whole})).verify()
    assert max(found.values()) < 1e-9, found
    assert pk.Model(problem, pk.MLP(2, 4, 1)).ansatz[ut][0].has(sp.erfc)
    assert initial_layers(problem, ut, -5 * above(Q(2, 5) - x)) == 0  # this one balances


def test_what_does_not_know_of_interfaces_says_so() -> None:
    problem = stated("load")
    fresh = pk.Module(torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)))
    with pytest.raises(ValueError, match="no input for the kinks"):
        pk.solve(problem, fresh, 20, stages=[pk.Adam(1)], progress=False)
    with pytest.raises(TypeError, match="float64"):
        pk.solve(problem, pk.MLP(1, 4, 1), 20, stages=[pk.Adam(1)], dtype=torch.float32, progress=False)
    s = pk.solve(problem, pk.MLP(1, 4, 1), 20, stages=[pk.Adam(1)], resample=None, progress=False)
    with pytest.raises(ValueError, match="point loads and jumping coefficients"):
        pk.certify(s)
    with pytest.raises(ValueError, match="symmetries do not know"):
        pk.symmetries(problem)
    with pytest.raises(ValueError, match="DeepXDE does not know"):
        pk.to_deepxde(problem, num={"pde": 10})
