"""One conformance suite over all problems of the catalogue, and what is particular to some of them."""

import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from catalogue import CASES

import pinnkit as pk
import problems
from pinnkit.statement import catalogue
from pinnkit.statement.symbolic.boundary_conditions import Dirichlet
from pinnkit.statement.symbolic.conditions import Initial
from pinnkit.statement.symbolic.lowering import lower
from pinnkit.statement.symbolic.observations import Observations
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.statement.well_posed import faces
from pinnkit.training.recipe import default_recipe

ROOT = Path(__file__).parents[2]
FLOWS = ("cavity", "cylinder", "wake")  # finite elements, looked into by test_flow_references.py
TABLES = [n for n in CASES if n.split()[0] not in FLOWS and isinstance(CASES[n]().reference, pk.Table)]
ROUGH = ("wave1d step",)  # so steep that no difference quotient on the table's grid resolves it


@pytest.fixture(params=CASES)
def problem(request):
    return CASES[request.param]()


def test_points_lie_where_their_terms_are(problem):
    domain = problem.domain
    data = {c.name for c in problem.conditions if isinstance(c, Observations)}
    for key in problem.keys:
        points = problem.sample(key, 50, seed=3)
        assert domain.inside(points.X).all()
        assert len(points) == 50 or key in data
        if key == "initial":
            assert domain.on_initial(points.X).all()
        elif key.startswith("periodic_"):
            name = key.removeprefix("periodic_")
            assert domain.on_boundary(points.X, f"{name}_min").all()
            assert domain.on_boundary(points.image, f"{name}_max").all()
        elif key not in ("pde", *data):
            assert domain.on_boundary(points.X, tuple(key.split("+"))).all()
            normal = torch.stack([points.columns[f"n_{name}"] for name in domain.space])
            assert torch.allclose(normal.norm(dim=0), torch.ones(50).double())


def test_closed_forms_solve(problem):
    if not isinstance(problem.reference, pk.Exact):
        return
    for term, found in problem.verify(200, seed=5).items():
        noise = problem.arguments.get("noise", 0) * 10 if term == "readings" else 0
        assert found <= 1e-10 + noise, term


def test_references_have_an_error_and_values_on_a_grid(problem):
    if problem.reference is None:
        return
    axes, X, mask, values = problem.reference.on_grid(problem.domain, problem.field_names)
    assert 0 <= problem.reference.error <= (1e-2 if problem.name in FLOWS else 1e-9)
    assert tuple(axes) == problem.domain.names and X.shape == (mask.numel(), len(axes))
    known = torch.isfinite(values[mask]).all(0)  # a flow's table has no stream function
    assert values.shape == (len(X), len(problem.fields)) and known.any()
    assert problem.domain.inside(X[mask]).all()


@pytest.mark.parametrize("name", TABLES)
def test_tables_hold_the_stated_data(name):
    """Initial and wall values of the table are those of the problem (its pulses are not quite 0 at the walls)."""
    problem = CASES[name]()
    _, X, _, values = problem.reference.on_grid(problem.domain, problem.field_names)
    for condition in problem.conditions:
        if isinstance(condition, Initial) and condition.order == 0:
            at = problem.domain.on_initial(X)
        elif isinstance(condition, Dirichlet):
            at = problem.domain.on_boundary(X, tuple(faces(problem, condition))) & ~problem.domain.on_initial(X)
        else:
            continue
        coordinates = {s: X[at, i] for i, s in enumerate(problem.variables)}
        (stated,) = Program([condition.value], problem.variables)(coordinates)
        assert at.sum() > 50 and (values[at, 0] - torch.as_tensor(stated, dtype=X.dtype)).abs().max() < 1e-11


def difference(u, h, axis, order):
    """d^order u / dx^order on a uniform grid by central differences of order 6."""
    weights = {1: [-1, 9, -45, 0, 45, -9, 1], 2: [2, -27, 270, -490, 270, -27, 2]}[order]
    scale = {1: 60 * h, 2: 180 * h**2}[order]
    return np.apply_along_axis(lambda v: np.convolve(v, weights[::-1], "same"), axis, u) / scale


@pytest.mark.parametrize("name", [name for name in TABLES if name not in ROUGH])
def test_tables_solve_the_stated_equation(name):
    """With difference quotients of the table, most nodes away from its rim satisfy the equation to a per cent."""
    problem = CASES[name]()
    axes, X, _, values = problem.reference.on_grid(problem.domain, problem.field_names)
    shape, steps = tuple(len(a) for a in axes.values()), [a[1] - a[0] for a in axes.values()]
    low = lower(problem.equations.values(), problem.fields, problem.variables)
    arrays = {s: X[:, i] for i, s in enumerate(problem.variables)}
    for symbol, slot in low.slots.items():
        u = values[:, slot.output].reshape(shape).numpy()
        for axis, order in enumerate(slot.channel[0][1]):
            u = difference(u, steps[axis], axis, order) if order else u
        arrays[symbol] = torch.as_tensor(u.ravel())
    (e,) = (e.subs({s: problem.parameters[s.name] for s in e.free_symbols if s.name in problem.parameters})
            for e in low.expressions)  # fmt: skip
    terms = torch.stack(Program(sp.Add.make_args(e), list(arrays))(arrays)).reshape(-1, *shape)[:, 4:-4, 25:-4]
    assert torch.quantile(terms.sum(0).abs() / terms.abs().sum(0).max(), 0.9) < 0.01


def test_latex(problem):
    text = problem._repr_latex_()
    assert text.count("= 0") == len(problem.equations) and "\\partial" in text


def test_hard_constraints_leave_only_what_they_cannot_hold(problem):
    model = pk.Model(problem, default_recipe(problem).network, default_recipe(problem).hard)
    data = {c.name for c in problem.conditions if isinstance(c, Observations)}
    if default_recipe(problem).hard is not False:
        slopes = (pk.Neumann, pk.Robin, pk.Operator)  # only a stated ansatz can hold these
        soft = {r.key for c in problem.conditions if isinstance(c, slopes) for r in c.residuals(problem.domain)}
        assert {"pde", *data} <= set(model.keys) <= {"pde", *data, *soft}


def test_the_recipe_trains(problem):
    recipe = default_recipe(problem)
    assert set(recipe.points) <= set(problem.keys) and sum(s.iterations for s in recipe.stages) >= 500
    stages = [replace(s, iterations=10) for s in recipe.stages[:2]]
    points = {key: min(n, 300) for key, n in recipe.points.items()}
    hard = False if problem.name == "beltrami" else None  # its lifts take seconds to compile, and are tried above
    solution = pk.solve(problem, points=points, stages=stages, resample=None, log_every=1, validation=50,
                        hard=hard, progress=False)  # fmt: skip
    loss = solution.history["loss"]
    assert np.isfinite(loss).all() and loss[-1] < loss[0]
    if problem.reference is not None:
        errors = solution.errors()
        assert errors and all(np.isfinite(list(e.values())).all() for e in errors.values())


def test_arguments_make_the_same_problem(problem):
    again = getattr(problems, problem.name)(**problem.arguments)
    assert again.arguments == problem.arguments and again.parameters == problem.parameters
    assert again.equations == problem.equations and again.unknowns == problem.unknowns
    expressions = [r.expression for r in problem.residuals]
    assert [r.expression for r in again.residuals] == expressions
    signature = inspect.signature(getattr(problems, problem.name)).parameters
    assert set(problem.arguments) == set(signature)


def test_the_catalogue_is_complete():
    names = {problem().name for problem in CASES.values()}
    assert set(catalogue.names()) == names
    assert not names & set(sys.stdlib_module_names)
    for entry in catalogue.entries():
        assert entry.summary.endswith(".") and len(entry.summary) < 105
        assert catalogue.problem(entry.name).name == entry.name


@pytest.mark.parametrize("name", ["cavity", "cylinder", "kovasznay", "taylor_green"])
def test_an_unknown_form(name):
    with pytest.raises(ValueError, match=f"{name} has no form 'vorticity': choose one of velocity, stream"):
        getattr(problems, name)(form="vorticity")


@pytest.mark.parametrize("name", ["heat", "wave1d"])
def test_an_unknown_choice(name):
    with pytest.raises(ValueError, match=f"{name} has no initial .*'flat': choose one of "):
        getattr(problems, name)("flat")


@pytest.mark.parametrize("call", [
    lambda: problems.burgers(nu=0.02), lambda: problems.allen_cahn(0.01), lambda: problems.heat("sine", alpha=2),
    lambda: problems.wave1d("sine", c=2),
])  # fmt: skip
def test_other_parameters_have_no_table(call):
    assert call().reference is None


@pytest.mark.parametrize("call", [
    lambda: problems.standing_wave(c=1), lambda: problems.drift_diffusion(0.5, 3), lambda: problems.kovasznay(10),
    lambda: problems.heat_inverse(0.1, readings=7), lambda: problems.kovasznay(20, "stream"),
    lambda: problems.taylor_green(3), lambda: problems.taylor_green(100, "stream"), lambda: problems.beltrami(0.5, 2),
])  # fmt: skip
def test_closed_forms_for_other_parameters(call):
    assert max(call().verify().values()) < 1e-13


# Poisson's equation on the disk


def test_the_potential_of_a_narrow_gaussian():
    """Its values by 30 digits; -Laplace u = source follows from Ein'(z) = (1 - exp(-z)) / z, by SymPy."""
    problem = problems.poisson_disk()
    radii = np.array([0, 1e-9, 1e-3, 0.01, 0.02, 0.0282, 0.0284, 0.05, 0.3, 0.999, 1])
    X = torch.as_tensor(np.stack([radii * 0.6, radii * 0.8], 1))
    with mpmath.workdps(30):
        a = mpmath.mpf(1250)

        def ein(z):
            return mpmath.e1(z) + mpmath.log(z) + mpmath.euler if z else mpmath.mpf(0)

        true = [float((ein(a) - ein(a * mpmath.mpf(r) ** 2)) / (4 * mpmath.pi)) for r in radii]
    assert np.abs(problem.reference(X)[:, 0].numpy() - true).max() < 5e-16
    r, s = sp.symbols("r sigma", positive=True)
    slope = -(2 * r / (2 * s**2)) * (1 - sp.exp(-(r**2) / (2 * s**2))) / (r**2 / (2 * s**2)) / (4 * sp.pi)
    laplacian = sp.diff(r * slope, r) / r
    assert sp.simplify(laplacian + sp.exp(-(r**2) / (2 * s**2)) / (2 * sp.pi * s**2)) == 0
    (x, y), (e,) = problem.variables, problem.equations.values()
    source = e.subs(problem.fields[0], 0).doit().subs({y: 0, x: r})
    assert sp.simplify(source.subs({q: s for q in source.free_symbols if q.name == "sigma"}) + laplacian) == 0


def test_the_disk_is_held_by_construction():
    model = pk.Model(problems.poisson_disk(), pk.MLP(2, 4, 1), True)
    x, y = model.problem.variables
    assert model.ansatz == {model.problem.fields[0]: (0, 1 - x**2 - y**2)}
    assert [len(r.channels) for r in model.programs.values()] == [4]


# The inverse problem


def test_readings_follow_seed_and_noise():
    def readings(**settings):
        points = problems.heat_inverse(readings=2000, **settings).sample("readings", 1)
        return points.X, points.columns["readings_value"]

    X, exact = readings()
    Y, noisy = readings(noise=0.1)
    assert torch.equal(X, Y) and float((noisy - exact).std()) == pytest.approx(0.1, rel=0.1)
    assert torch.equal(readings(noise=0.1)[1], noisy) and not torch.equal(readings(seed=1)[0], X)


def test_the_diffusivity_is_found():
    stages = [pk.Adam(300, lr=3e-3), pk.SSBroyden(300)]
    solution = pk.solve(problems.heat_inverse(), pk.MLP(2, 12, 12, 1), {"pde": 200}, stages=stages, progress=False)
    assert solution.unknowns["D"] == pytest.approx(0.3, rel=2e-3)


# The folder as a package


def test_a_problem_is_a_function_however_it_is_imported():
    code = (
        "import problems; assert 'problems.heat' not in __import__('sys').modules;"
        "assert problems.heat('sine').name == 'heat';"
        "from problems.burgers import burgers; from problems import burgers as same; assert same is burgers;"
        "import problems.diffusion; assert problems.diffusion().name == 'diffusion';"
        "assert not hasattr(problems, 'none')"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_is_a_script():
    """Every problem's file, run as a script, hands its own name and the script's arguments to the command line."""
    for path in sorted((ROOT / "problems").glob("[a-z]*.py")):
        end = path.read_text().rpartition('if __name__ == "__main__":\n')[2]
        call = f'main(["solve", "{path.stem}", *sys.argv[1:]])'
        assert end == f"    import sys\n\n    from pinnkit.cli import main\n\n    {call}\n", path
