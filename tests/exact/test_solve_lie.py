"""solve_lie(): problems with known solutions, refusals, files, and separation of variables as the yardstick."""

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.exact.superposition.solve_lie import closed_form

x, y, t = pk.coordinates("x y t")
u = pk.field("u", x, t)
v = pk.field("u", x, y, t)
u_t, u_tt, u_x, u_xx, u_xxx = pk.derivatives(u, "t", "tt", "x", "xx", "xxx")
half, third = sp.Rational(1, 2), sp.Rational(1, 3)


def stated(equation, exact, *walls, T=1.0, field=u, **parameters):
    order = 2 if equation.has(field.diff(t, 2)) else 1
    names = [s.name for s in field.args[:-1]]
    box = pk.Box(**{n: (0, 1) for n in names}, t=(0, T))
    initial = [pk.Initial(field, sp.diff(exact, t, k).subs(t, 0), order=k) for k in range(order)]
    return pk.Problem("p", field, equation, box, [*initial, *walls], parameters, reference=pk.Exact({field: exact}))


def ends(exact, kind=pk.Dirichlet):
    if kind is pk.Dirichlet:
        return [pk.Dirichlet(u, exact.subs(x, k), on=f"x_{e}") for k, e in ((0, "min"), (1, "max"))]
    if kind is pk.Neumann:
        return [pk.Neumann(u, n * exact.diff(x).subs(x, k), on=f"x_{e}") for n, k, e in ((-1, 0, "min"), (1, 1, "max"))]
    pairs = ((-1, 0, "min"), (1, 1, "max"))
    return [pk.Robin(u, 2, 3, (2 * exact + 3 * n * exact.diff(x)).subs(x, k), on=f"x_{e}") for n, k, e in pairs]


def cases():
    heat, wave = u_t - u_xx / 10, u_tt - 4 * u_xx
    e = sp.exp(-(sp.pi**2) * t / 10) * sp.cos(sp.pi * x) + x
    yield "Neumann", stated(heat, e, *ends(e, pk.Neumann))
    e = sp.exp(-t / 10) * sp.sin(x)
    yield "moving walls", stated(heat, e, *ends(e))
    e = sp.exp(-t / 10) * sp.cos(x - third)
    yield "Robin", stated(heat, e, *ends(e, pk.Robin))
    e = sp.exp(-4 * sp.pi**2 * t / 10) * sp.sin(2 * sp.pi * x) + half
    yield "periodic", stated(heat, e, pk.Periodic(u, "x"))
    e = sp.sin(x - 2 * t) + (x + 2 * t) ** 2
    yield "wave, moving walls", stated(wave, e, *ends(e))
    e = sp.sin(sp.pi * x / 2) * sp.cos(sp.pi * t)
    yield "wave, Dirichlet and Neumann", stated(wave, e, pk.Dirichlet(u, 0, on="x_min"), pk.Neumann(u, 0, on="x_max"))
    e = sp.exp(-t / 5) * sp.sin(2 * (x - t))
    yield "advection and diffusion", stated(u_t + u_x - u_xx / 20, e, *ends(e))
    e = sp.sin(sp.pi * x) * sp.cos(sp.sqrt(sp.pi**2 + 9) * t)
    yield "Klein-Gordon", stated(u_tt - u_xx + 9 * u, e, pk.Dirichlet(u, 0, on="x"))
    w = sp.sqrt(4 * sp.pi**2 - 1)
    e = sp.exp(-t) * (sp.cos(w * t) + sp.sin(w * t) / w) * sp.sin(2 * sp.pi * x)
    yield "telegraph", stated(u_tt + 2 * u_t - u_xx, e, pk.Dirichlet(u, 0, on="x"))
    e = sp.cos(2 * sp.pi * x + (2 * sp.pi) ** 3 * t)
    yield "Airy, periodic", stated(u_t + u_xxx, e, pk.Periodic(u, "x", order=2), T=0.01)
    e = sp.exp(-(((x - half - t) * 3) ** 2))
    yield "advection", stated(u_t + u_x, e, pk.Dirichlet(u, e.subs(x, 0), on="x_min"))
    e = sp.sin(sp.pi * x) * sp.sin(2 * sp.pi * y) * sp.exp(-5 * sp.pi**2 * t / 10)
    laplace = v.diff(x, 2) + v.diff(y, 2)
    yield "heat in two dimensions", stated(v.diff(t) - laplace / 10, e, pk.Dirichlet(v, 0), field=v)


@pytest.mark.parametrize("problem", [pytest.param(p, id=name) for name, p in cases()])
def test_known_solutions_are_found(problem):
    solution = pk.solve_lie(problem, tolerance=1e-6, modes=60)
    assert solution.errors()["u"]["relative_l2"] < 5e-6
    found = pk.report(solution, estimate=False)
    assert found.exact == ("pde",) and found.residuals["pde"] < 1e-10


@pytest.mark.parametrize(
    "name, initial, most, error",
    [
        ("heat", "poly", 14, 1e-13),
        ("heat", "gauss", 24, 1e-9),
        ("heat", "sine", 1, 1e-13),
        ("wave1d", "sine_mix", 3, 1e-12),
    ],
)
def test_published_cases(name, initial, most, error):
    solution = pk.solve_lie(pk.problem(name, initial=initial))
    assert solution.errors()["u"]["relative_l2"] < error
    assert solution.model.count <= most


def test_a_step_takes_few_spreading_steps():
    problem = pk.problem("heat", initial="step")
    solution = pk.solve_lie(problem, tolerance=1e-3)
    assert "2 spreading step" in str(solution.network) or solution.progress.total <= 18
    assert solution.errors()["u"]["relative_l2"] < 1e-4  # separation of variables with as many: about 0.1
    again = pk.solve_lie(problem, tolerance=1e-3)
    assert torch.equal(again.theta, solution.theta)


def test_the_closed_form_is_the_solution_and_solves_the_equation(tmp_path):
    solution = pk.solve_lie(pk.problem("heat", initial="sine_mix"))
    e = closed_form(solution)
    X = solution.problem.domain.sample(5)
    u_, slope = solution.jet(X, "u u_xx")
    for (a, b), value, second in zip(X.tolist(), u_.tolist(), slope.tolist(), strict=True):
        assert float(e.subs({x: a, t: b})) == pytest.approx(value, abs=1e-12)
        assert float(e.diff(x, 2).subs({x: a, t: b})) == pytest.approx(second, abs=1e-8)
    assert abs(float((solution.jet(X, "u_t") - slope).abs().max())) < 1e-9
    pk.save(solution, tmp_path / "run.h5")
    loaded = pk.load(tmp_path / "run.h5")
    assert torch.equal(loaded(X), solution(X)) and loaded.network == solution.network
    assert loaded.model.exact_terms == {"pde"}


def test_rows_are_linear_in_the_amplitudes():
    solution = pk.solve_lie(pk.problem("heat", initial="gauss"), tolerance=1e-3)
    stack, theta = solution.stack, solution.theta
    d = torch.randn(len(theta), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    moved = stack.values(theta + d) - stack.values(theta)
    assert torch.allclose(stack.jvp(theta, d), moved, atol=1e-10)
    J = torch.cat([block for _, _, block in stack.jacobian_blocks(theta)])
    assert torch.allclose(J @ d, moved, atol=1e-10)
    _, gradient = stack.loss_and_gradient(theta)
    assert float(gradient.norm()) < 1e-10  # the amplitudes are those of least squares
    w = torch.ones_like(moved)
    assert torch.allclose(stack.vjp(theta, w), J.T @ w)
    assert torch.allclose(stack.hvp(theta, d), 2 * J.T @ (stack.row_weights * moved))


def test_families_of_ones_own_join_and_are_verified():
    problem = pk.problem("heat", initial="step")
    own = pk.Family("shifted kernel", sp.exp(-(x**2) / 4 / (t + 1)) / sp.sqrt(t + 1), (x, t))
    assert pk.solve_lie(problem, tolerance=0.5, families=[own]).model.count >= 1
    wrong = pk.Family("no solution", sp.sin(x) * t, (x, t))
    with pytest.raises(ValueError, match="'no solution' does not solve the equation"):
        pk.solve_lie(problem, families=[wrong])


def test_an_equation_with_a_potential_takes_orbits_of_its_own_symmetries():
    e = sp.exp(-(x**2) / (4 * t + 2)) / (2 * t + 1)  # the heat equation in the plane, far from its axis
    walls = [pk.Dirichlet(u, e.subs(x, k), on=f"x_{n}") for k, n in ((1, "min"), (2, "max"))]
    box = pk.Box(x=(1, 2), t=(0, 1))
    equation = u_t - u_xx - u_x / x
    problem = pk.Problem("p", u, equation, box, [pk.Initial(u, e.subs(t, 0)), *walls], reference=pk.Exact({u: e}))
    solution = pk.solve_lie(problem, tolerance=1e-3, max_parameters=30, pool=60)
    assert solution.errors()["u"]["relative_l2"] < 1e-3
    assert "moved by" in str(solution.network)


def test_burgers_through_the_map_of_cole_and_hopf(tmp_path):
    solution = pk.solve_lie(pk.problem("burgers"))
    assert solution.errors()["u"]["relative_l2"] < 1e-9
    X = solution.problem.domain.sample(4, seed=1)
    u_, ux, ut, uxx = solution.jet(X, "u u_x u_t u_xx")
    nu = solution.problem.parameters["nu"]
    assert float((ut + u_ * ux - nu * uxx).abs().max()) < 1e-8
    pk.save(solution, tmp_path / "run.h5")
    assert torch.equal(pk.load(tmp_path / "run.h5")(X), solution(X))
    wall = pk.Dirichlet(u, 1, on="x_max")
    problem = heat(pk.Initial(u, sp.sin(x)), pk.Dirichlet(u, 0, on="x_min"), wall, equation=u_t + u * u_x - u_xx)
    with pytest.raises(ValueError, match="u = 0 at both ends"):
        pk.solve_lie(problem)
    with pytest.raises(ValueError, match="need 115 kernels"):
        pk.solve_lie(pk.problem("burgers"), max_parameters=20)


def test_from_the_shell(tmp_path, capsys):
    from pinnkit.cli import main

    run = str(tmp_path / "run.h5")
    for arguments in (
        ["solve", "heat", "--set", "initial=sine", "--solver", "lie", "--out", run, "--quiet"],
        ["certify", run, "--enclosed"],
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 0
    said = capsys.readouterr().out
    assert "superposition of 1 separated" in said and "maximum principle" in said and "rigorous" in said
    for wrong in (
        ["--solver", "magic"],
        ["--tolerance", "1e-3", "--stages", "adam:5"],
        ["--solver", "lie", "--network", "8,8"],
    ):
        with pytest.raises(SystemExit) as stop:
            main(["solve", "heat", "--out", str(tmp_path / "other.h5"), *wrong])
        assert stop.value.code == 2


def heat(*conditions, equation=None, **more):
    return pk.Problem(
        "p", u, u_t - u_xx if equation is None else equation, pk.Box(x=(0, 1), t=(0, 1)), conditions, **more
    )


start, walls = pk.Initial(u, sp.sin(x)), pk.Dirichlet(u, 0, on="x")


@pytest.mark.parametrize(
    "problem, why",
    [
        (heat(start, walls, equation=u_t + u**2 * u_x - u_xx), "not linear"),
        (heat(start, walls, equation=u_t - u_xx - sp.sin(x)), "has the source"),
        (heat(pk.Initial(u, 0), walls), "all initial and boundary data are 0"),
        (heat(start, pk.Operator("squared", u**2 - 1, on="x_min"), walls), "not linear"),
        (heat(start, walls, pk.Operator("inside", u - 1, on="pde")), "inside the domain"),
        (
            heat(
                start, walls, pk.Observations(u, np.array([[0.5, 0.5]]), np.array([1.0])),
                equation=u_t - sp.Symbol("D") * u_xx, unknowns={"D": 1.0},
            ),
            "unknown coefficients",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_superposed_is_refused(problem, why):
    with pytest.raises(ValueError, match=why):
        pk.solve_lie(problem)


def test_settings_are_checked():
    with pytest.raises(ValueError, match="positive tolerance"):
        pk.solve_lie(pk.problem("heat"), tolerance=0)
    with pytest.raises(ValueError, match="has no closed form"):
        problem = pk.problem("heat")
        model = pk.Model(problem, pk.MLP(2, 4, 1))
        closed_form(pk.Solution(model, model.initial(0), pk.sample(problem, 10)))


def test_a_bell_that_leaves_through_a_driven_wall_is_one_member():
    solution = pk.solve_lie(pk.problem("advection_diffusion"))
    assert str(solution.network) == "superposition of 1 spreading Gaussian"
    assert solution.errors()["u"]["relative_l2"] < 1e-9


def test_modes_that_no_memory_holds_are_refused_before_they_are_made():
    with pytest.raises(MemoryError, match="a dictionary of 1000000000 modes would need .* give fewer modes"):
        pk.solve_lie(pk.problem("heat"), modes=10**9, progress=False)
