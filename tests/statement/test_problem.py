"""What a problem derives from its statement, and the one sentence that every wrong statement gets."""

import math

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.output.deepxde.to_deepxde import import_deepxde
from pinnkit.statement.symbolic.reference import errors_of

x, y, t, z = pk.coordinates("x y t z")
u, v, w = pk.field("u", x, t), pk.field("v", x, t), pk.field("w", x, y)
u_t, u_tt, u_x, u_xx = pk.derivatives(u, "t", "tt", "x", "xx")
v_t, v_x = pk.derivatives(v, "t", "x")
w_x, w_xx, w_yy = pk.derivatives(w, "x", "xx", "yy")
k = sp.Symbol("k")
BOX, SQUARE = pk.Box(x=(0, 1), t=(0, 1)), pk.Box(x=(0, 1), y=(0, 1))
START, WALLS = pk.Initial(u, sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")
X = torch.tensor([[0.5, 0.5], [0.25, 0.1]], dtype=torch.float64)


def heat(**changes):
    """The heat equation with some of its statement changed."""
    stated = {"name": "heat", "fields": u, "equations": u_t - u_xx, "domain": BOX, "conditions": [START, WALLS]}
    return pk.Problem(**stated | changes)


def poisson(*conditions, equation=w_xx + w_yy + 1, domain=SQUARE):
    return pk.Problem("poisson", w, equation, domain, conditions)


def wave(*conditions):
    return pk.Problem("wave", u, u_tt - u_xx, BOX, [WALLS, *conditions])


def system(equations, *conditions, **more):
    return pk.Problem("system", (u, v), equations, BOX, [START, pk.Initial(v, 0), WALLS, *conditions], **more)


def measured(**changes):
    return pk.Observations(**{"u": u, "X": X, "values": torch.zeros(2)} | changes)


def inverse(**changes):
    stated = {"equations": u_t - k * u_xx, "conditions": [START, WALLS, measured()], "unknowns": {"k": 1}}
    return heat(**stated | changes)


def nothing(a, b):
    return torch.full_like(a, torch.nan)


SYMBOLS = {
    "unknown symbol": (lambda: heat(equations=u_t - k * u_xx), "heat, 'pde': k is neither a coordinate nor a param"),
    "unknown symbol in data": (lambda: heat(conditions=[pk.Initial(u, k), WALLS]), "'u initial': k is neither"),
    "other coordinate": (lambda: heat(equations=u_t - u_xx + z), "z is neither a coordinate"),
    "twin coordinate": (lambda: heat(equations=u_t - u_xx + sp.Symbol("x")), "x is another symbol than the field's"),
    "normal inside": (lambda: heat(equations=u_t - u_xx + pk.normals(x)[0]), "n_x is a component of the normal"),
    "data elsewhere": (lambda: inverse(equations=u_t - k * u_xx + measured().symbol), "data_value is neither"),
    "derivative by a stranger": (lambda: heat(equations=u_t - u_xx - sp.Derivative(u, z)), "differentiates by z"),
    "silent derivative": (lambda: heat(equations=u_t - u.diff(sp.Symbol("x"), 2)), "depends on x or differentiates"),
    "silent equation": (lambda: heat(equations=u.diff(z) + 1), "contains no field"),
    "field elsewhere": (lambda: heat(equations=u_t - u_xx + pk.field("u", x)), r"u\(x\) stands in an expression"),
    "stranger field": (lambda: heat(equations=u_t - u_xx + v), r"v\(x, t\) stands in an expression"),
    "field outside": (lambda: heat(equations=u_t - u_xx + u.subs(x, 3)), r"u\(3, t\) is taken at x = 3.*outside"),
    "field of a stranger": (lambda: heat(conditions=[START, WALLS, pk.Dirichlet(v)]), "expected one of the fields"),
    "condition on a derivative": (lambda: pk.Dirichlet(u_x), "for derivatives there are Neumann"),
    "condition on a symbol": (lambda: pk.Initial(sp.Symbol("u"), 0), "expected a field such as"),
    "coordinates in order": (lambda: heat(domain=pk.Box(t=(0, 1), x=(0, 1))), r"depends on \(x, t\).*\(t, x\)"),
    "field not applied": (lambda: heat(fields=sp.Symbol("u")), "expected functions of the coordinates"),
    "no fields": (lambda: heat(fields=()), "expected functions of the coordinates"),
    "two of one name": (lambda: heat(fields=(u, u)), "two fields have one name"),
    "twin coordinates": (
        lambda: heat(fields=(u, pk.field("v", *sp.symbols("x t")))), "need the very same coordinates"),
    "parameter named x": (lambda: heat(parameters={"x": 1}), "x is both a coordinate and a parameter"),
    "parameter and unknown": (lambda: inverse(parameters={"k": 1}), "k is both a parameter and an unknown"),
    "field not used": (lambda: system({"one": u_t - u_x, "two": u_x + u}), r"v\(x, t\) stands in no equation"),
    "unknown not used": (lambda: inverse(unknowns={"k": 1, "m": 1}), "unknown m stands in no equation"),
    "closed form of others": (lambda: heat(reference=pk.Exact({v: x})), r"closed form is for v.*expected the fields u"),
    "closed form's symbol": (lambda: heat(reference=pk.Exact({u: k * x})), "closed form of u.*contains k"),
}  # fmt: skip
TYPES = {
    "order of a period": (lambda: heat(conditions=[START, pk.Periodic(u, "x", order=0.5)]), "order is 0.5"),
    "equation as text": (lambda: heat(equations="u_t - u_xx"), "heat, 'pde' is given as the text"),
    "value as text": (lambda: pk.Initial(u, "sin(x)"), "value of 'u initial' is given as the text 'sin"),
    "operator as text": (lambda: heat(conditions=[START, WALLS, pk.Operator("o", "u")]), "o is given as the text"),
    "observed text": (lambda: heat(conditions=[START, WALLS, measured(u="u")]), "data is given as the text"),
    "equation as a callable": (lambda: heat(equations=lambda a: a), "wrapped by pinnkit.function"),
    "function without argument": (lambda: pk.Initial(u, sp.sin), "use it with its arguments"),
    "equations in a list": (lambda: heat(equations=[u_t - u_xx]), "are given as a list: .*several by name, as in"),
    "an array": (lambda: pk.Dirichlet(u, np.ones(3)), "is given as ndarray"),
    "no condition": (lambda: heat(conditions=[START, WALLS, u]), "is no condition"),
    "no domain": (lambda: heat(domain=import_deepxde().geometry.Interval(0, 1)), "expected a pinnkit.Box"),
}
NUMBERS = {
    "NaN parameter": (lambda: heat(parameters={"k": math.nan}), "k has the value nan: expected a finite number"),
    "parameter as text": (lambda: heat(parameters={"k": "big"}), "k has the value 'big'"),
    "infinite value": (lambda: pk.Dirichlet(u, math.inf), "value of 'u on boundary' is oo"),
    "NaN value": (lambda: pk.Dirichlet(u, math.nan), "is nan: expected a finite value"),
    "NaN weight": (lambda: heat(conditions=[pk.Initial(u, 0, weight=math.nan), WALLS]), "the weight of 'u initial'"),
    "negative weight": (
        lambda: heat(conditions=[START, pk.Dirichlet(u, 0, weight=-1)]), "weight of 'u on boundary' is -1: expected"),
    "NaN from a callable": (
        lambda: heat(conditions=[pk.Initial(u, nothing), WALLS]), "'u initial' is not a finite n.*nothing"),
    "NaN from a source": (lambda: heat(equations=u_t - u_xx - pk.function(nothing, "q")(x, t)), "function q"),
    "a callable that torch cannot call": (
        lambda: heat(conditions=[pk.Initial(u, lambda a, b: math.sin(a)), WALLS]), "failed on 2 tensors .*torch.sin"),
    "a callable of columns": (lambda: heat(conditions=[pk.Initial(u, lambda a, b: {}["x"]), WALLS]), "failed .*'x'"),
    "a callable without a value": (lambda: heat(conditions=[pk.Initial(u, lambda a, b: None), WALLS]), "returned None"),
    "shape of a callable": (lambda: heat(conditions=[pk.Initial(u, lambda a, b: a[:3]), WALLS]), r"gave shape \(3,\)"),
    "singular value": (
        lambda: heat(conditions=[START, pk.Dirichlet(u, sp.log(x), on="x")]), "not a finite number at x = 0"),
    "root of a negative": (lambda: heat(equations=u_t - u_xx - sp.sqrt(x - 2)), "'pde' is not a finite number at x ="),
    "order of time": (lambda: heat(conditions=[pk.Initial(u, 0, order=-1), WALLS]), "order is -1: expected a whole"),
}  # fmt: skip
PLACES = {
    "wall that is not there": (
        lambda: heat(conditions=[START, pk.Dirichlet(u, 0, on="y")]), "choose among boundary, x, x_min"),
    "wall of a disk": (
        lambda: poisson(pk.Dirichlet(w, 0, on="x_min"), domain=pk.Geometry(import_deepxde().geometry.Disk([0, 0], 1))),
        "'x_min' is not on the domain's boundary: choose among boundary$"),
    "initial time as a wall": (lambda: heat(conditions=[START, pk.Dirichlet(u, 0, on="t_min")]), "use Initial"),
    "no wall": (lambda: heat(conditions=[START, pk.Dirichlet(u, 0, on=())]), "is not on the domain's boundary"),
    "operator off the boundary": (lambda: heat(conditions=[START, pk.Operator("o", u, on="up")]), "'up' is not on"),
    "no time": (lambda: poisson(pk.Initial(w, 0)), "has no time coordinate: use Dirichlet"),
    "no time for an operator": (lambda: poisson(pk.Operator("o", w, on="initial")), "has no time coordinate"),
    "period in time": (lambda: heat(conditions=[START, pk.Periodic(u, "t")]), "expected a space coordinate, one of x"),
    "period of a disk": (
        lambda: poisson(pk.Periodic(w, "x"), domain=pk.Geometry(import_deepxde().geometry.Disk([0, 0], 1))),
        "only a Box has opposite faces"),
    "observed outside": (
        lambda: heat(conditions=[START, WALLS, measured(X=X + 0.8)]), r"2 of 2 observation points lie outside.*row 0"),
    "observed in 3-D": (lambda: heat(conditions=[START, WALLS, measured(X=torch.zeros(2, 3))]), "X has 3 columns"),
}  # fmt: skip
DATA = {
    "shapes": (lambda: measured(values=torch.zeros(3)), r"expected X of shape \(n, d\).*\(2, 2\) and \(3,\)"),
    "two values a point": (lambda: measured(values=torch.zeros(2, 2)), "expected X of shape"),
    "no points": (lambda: measured(X=torch.zeros(0, 2), values=[]), "n at least 1"),
    "NaN": (lambda: measured(values=[0.0, math.nan]), r"1 of 2 observations are not finite \(first at row 1\)"),
    "infinite place": (lambda: measured(X=X / 0), "2 of 2 observations are not finite"),
    "text": (lambda: measured(values=["a", "b"]), "expected arrays of numbers, got list"),
}
COUNTS = {
    "too few equations": (lambda: system({"one": u_t - v_x}), "1 equations for 2 fields"),
    "unknown without data": (lambda: inverse(conditions=[START, WALLS]), "unknowns k need observations"),
    "no initial condition": (lambda: heat(conditions=[WALLS]), r"order 1 in time.*orders \[0\], got \[\]"),
    "no rate": (lambda: wave(START), r"order 2 in time.*orders \[0, 1\], got \[0\]"),
    "a rate too many": (lambda: heat(conditions=[START, pk.Initial(u, 0, order=1), WALLS]), r"\[0\], got \[0, 1\]"),
    "twice": (lambda: heat(conditions=[START, START, WALLS]), "two terms are called 'u initial'"),
    "no walls": (lambda: heat(conditions=[START]), "there is no boundary condition"),
    "one wall": (
        lambda: heat(conditions=[START, pk.Dirichlet(u, 0, on="x_min")]), "order 2 in x, so it needs 2.*got 1"),
    "two values on a wall": (
        lambda: heat(conditions=[START, WALLS, pk.Dirichlet(u, 1, on="x_max")]), "give u.* two values on x_max"),
    "slopes only": (lambda: poisson(pk.Neumann(w, 0)), "only up to a constant"),
    "data named as a set": (lambda: heat(conditions=[START, WALLS, measured(name="initial")]), "rename them"),
}  # fmt: skip
WRONG = SYMBOLS | NUMBERS | PLACES | DATA | COUNTS


@pytest.mark.parametrize("case", {**WRONG, **TYPES})
def test_one_sentence_says_what_is_wrong(case):
    call, words = {**WRONG, **TYPES}[case]
    types = {*TYPES, "condition on a derivative", "condition on a symbol", "field not applied", "no fields"}
    with pytest.raises(TypeError if case in types else ValueError, match=words) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and 30 < len(text) < 400 and not text.endswith(".")


RIGHT = {
    "heat": lambda: heat(),
    "equation with two sides": lambda: heat(equations=sp.Eq(u_t, u_xx)),
    "a parameter that is not used": lambda: heat(parameters={"k": 1}),
    "assumptions on a parameter": lambda: heat(equations=u_t - sp.Symbol("k", positive=True) * u_xx, parameters={k: 2}),
    "transport": lambda: pk.Problem("transport", u, u_t + u_x, BOX, [START, pk.Dirichlet(u, 0, on="x_min")]),
    "ordinary equation, both data at one end": lambda: pk.Problem(
        "pendulum",
        pk.field("a", x),
        pk.field("a", x).diff(x, 2) + sp.sin(pk.field("a", x)),
        pk.Box(x=(0, 1)),
        [pk.Dirichlet(pk.field("a", x), 1, on="x_min"), pk.Neumann(pk.field("a", x), 0, on="x_min")],
    ),
    "an equation that degenerates at a wall": lambda: heat(
        equations=u_t - x * u_xx - u_x, conditions=[START, pk.Dirichlet(u, 0, on="x_max")]
    ),
    "a coordinate that is a parameter": lambda: pk.Problem(
        "family", w, w_xx + y * w, SQUARE, [pk.Dirichlet(w, 1, on="x")]
    ),
    "pure regression": lambda: pk.Problem("fit", u, {}, BOX, [measured()]),
    "data instead of conditions": lambda: heat(conditions=[measured()]),
    "slopes and a constant": lambda: poisson(pk.Neumann(w, 0), pk.Operator("pin", w, on="x_min")),
    "slopes of an equation with the field": lambda: poisson(pk.Neumann(w, 0), equation=w_xx + w_yy - w + 1),
    "periodic values": lambda: heat(conditions=[START, pk.Periodic(u, "x", order=0)]),
    "time by another name": lambda: heat(domain=pk.Box.of({"x": (0, 1), "t": (0, 1)}, time="t")),
    "Robin": lambda: heat(conditions=[START, pk.Robin(u, 1, x, sp.exp(-t))]),
    "a normal on the boundary": lambda: heat(conditions=[START, pk.Operator("flux", pk.normals(x)[0] * u_x - u)]),
    "a root of the field": lambda: heat(equations=u_t - u_xx - sp.sqrt(u)),
    "a list of faces": lambda: poisson(pk.Dirichlet(w, 0, on=["x_min", "y"]), pk.Dirichlet(w, 1, on="x_max")),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_right_is_accepted(case):
    problem = RIGHT[case]()
    assert problem.residuals and all(len(problem.sample(key, 4)) for key in problem.keys)


def test_terms_sets_and_weights():
    problem = heat(conditions=[START, pk.Dirichlet(u, 0, on="x_min", weight=3), pk.Neumann(u, t, on="x_max")])
    assert [r.name for r in problem.residuals] == ["pde", "u initial", "u on x_min", "du/dn on x_max"]
    assert problem.keys == ("pde", "initial", "x_min", "x_max")
    assert problem.weights == {"pde": 1, "u initial": 1, "u on x_min": 3, "du/dn on x_max": 1}
    assert problem.variables == (x, t) and problem.field_names == ("u",)
    assert [r.expression for r in problem.residuals][2:] == [u, pk.normals(x)[0] * u_x - t]


def test_points_lie_where_their_terms_are():
    problem = heat(conditions=[START, pk.Dirichlet(u, 0, on="x_min"), pk.Neumann(u, 0, on="x_max")])
    sets = {key: problem.sample(key, 7) for key in problem.keys}
    assert all(len(s) == 7 for s in sets.values())
    assert (sets["initial"].X[:, 1] == 0).all() and (sets["x_min"].X[:, 0] == 0).all()
    assert (sets["x_max"].X[:, 0] == 1).all() and (sets["x_max"].columns["n_x"] == 1).all()
    with pytest.raises(ValueError, match="no point set 'y': its sets are pde, initial"):
        problem.sample("y", 3)


def test_periodic_points_come_in_pairs():
    points = heat(conditions=[START, pk.Periodic(u, "x")]).sample("periodic_x", 5)
    assert (points.X[:, 0] == 0).all() and (points.image[:, 0] == 1).all()
    assert torch.equal(points.X[:, 1], points.image[:, 1])


def test_observations_are_their_own_points():
    points = inverse().sample("data", 99)
    assert torch.equal(points.X, X) and points.columns["data_value"].tolist() == [0, 0]


def test_symbols_of_one_name_are_one_number():
    positive = sp.Symbol("k", positive=True)
    problem = inverse(conditions=[START, pk.Robin(u, positive, 1), measured()])
    symbols = set().union(*(r.expression.free_symbols for r in problem.residuals))
    assert len([s for s in symbols if s.name == "k"]) == 1


def test_latex():
    problem = heat(equations=u_t - sp.Symbol("nu") * u_xx - pk.function(torch.sin, "q")(x), parameters={"nu": 1})
    assert r"\nu" in problem.latex() and r"\frac{\partial" in problem.latex() and r"q{\left(x" in problem.latex()
    assert problem._repr_latex_().startswith("$$")


# The proof that a closed form is a solution


def test_a_closed_form_is_put_into_everything():
    n_x, n_y = pk.normals(x, y)
    form = sp.exp(x) * sp.cos(y)
    normal = n_x * form.diff(x) + n_y * form.diff(y)
    problem = pk.Problem(
        "laplace", w, w_xx + w_yy, SQUARE,
        [pk.Dirichlet(w, form, on="x_min"), pk.Robin(w, 2, y, 2 * form + y * form.diff(x), on="x_max"),
         pk.Neumann(w, -form.diff(y), on="y_min"),
         pk.Operator("slope", n_x * w_x + n_y * w.diff(y) - normal, on="y_max"),
         pk.Observations(w, X, torch.exp(X[:, 0]) * torch.cos(X[:, 1]))],
        reference=pk.Exact({w: form}),
    )  # fmt: skip
    found = problem.verify()
    assert set(found) == {r.name for r in problem.residuals} and max(found.values()) < 1e-14


def test_a_wrong_closed_form_is_noticed_where_it_is_wrong():
    wrong = sp.exp(-(sp.pi**2) * t) * sp.sin(sp.pi * x) + t * x * (1 - x)
    found = heat(reference=pk.Exact({u: wrong})).verify()
    assert found["pde"] > 0.1 and found["u initial"] < 1e-15 and found["u on x"] < 1e-15
    assert heat(reference=pk.Exact({u: wrong.subs(t, 2 * t)})).verify()["pde"] > 0.1


def test_a_class_that_subclasses_nothing_may_be_a_reference():
    class Nodes:
        error = 1e-3

        def on_grid(self, domain, names):
            axes, X, mask = domain.grid((5, 5))
            return axes, X, mask, X[:, :1]

    own = Nodes()
    assert heat(reference=own).reference is own and not errors_of(own)
    own.errors = {"u": 2e-3}
    assert errors_of(own) == {"u": 2e-3} and not errors_of(None) and not errors_of(pk.Exact({u: x}))


def test_a_reference_may_be_the_closed_form_itself():
    form = sp.exp(-k * sp.pi**2 * t) * sp.sin(sp.pi * x)
    for given in (form, {u: form}):
        problem = heat(equations=u_t - k * u_xx, parameters={"k": 0.3}, reference=given)
        assert isinstance(problem.reference, pk.Exact) and max(problem.verify().values()) < 1e-14
    with pytest.raises(TypeError, match=r"heat: the reference is <function.*pinnkit.Computed\(function, error\)"):
        heat(reference=nothing)
    with pytest.raises(TypeError, match="expected an expression for every field"):
        system({"a": u_t - v_x, "b": v_t - u_x}, reference=form)


def test_unknowns_take_their_true_values():
    form = sp.exp(-k * sp.pi**2 * t) * sp.sin(sp.pi * x)
    exact = pk.Exact({u: form}, {"k": 0.3})
    data = measured(values=exact(X)[:, 0])
    assert max(inverse(conditions=[START, WALLS, data], reference=exact).verify().values()) < 1e-14
    with pytest.raises(ValueError, match="the unknown k: give its true value"):
        inverse(reference=pk.Exact({u: sp.sin(x)})).verify()
    with pytest.raises(ValueError, match=r'give its value there, as reference=pinnkit.Exact\({u: ...}, {"k": ...}\)'):
        inverse(reference=form)


def test_fields_of_a_closed_form_come_by_name():
    both = system({"a": u_t - v_x, "b": v_t - u_x}).domain, ("v", "u")
    _, _, _, values = pk.Exact({u: 1 + 0 * x, v: 2 + 0 * x}).on_grid(*both)
    assert values[0].tolist() == [2, 1]


def test_only_a_closed_form_can_be_verified():
    with pytest.raises(ValueError, match="only a closed form"):
        heat().verify()


def test_a_table_of_other_coordinates_is_refused():
    with pytest.raises(ValueError, match=r"burgers.h5 holds u by \(x, t\): expected w by \(x, y\)"):
        pk.Table("burgers.h5").on_grid(SQUARE, ("w",))
    with pytest.raises(ValueError, match="nowhere.h5 is missing"):
        pk.Table("nowhere.h5").on_grid(BOX, ("u",))


# A Python callable wherever an expression stands


def test_callables_train():
    """The same problem by expressions and by callables: same rows, same gradient."""
    source = sp.exp(-t) * sp.sin(sp.pi * x)
    by_form = heat(equations=u_t - u_xx - source, conditions=[START, pk.Dirichlet(u, t, on="x")])
    q = pk.function(lambda a, b: torch.exp(-b) * torch.sin(torch.pi * a), "q")
    by_call = heat(
        equations=u_t - u_xx - q(x, t),
        conditions=[pk.Initial(u, lambda a, b: torch.sin(torch.pi * a)), pk.Dirichlet(u, lambda a, b: b, on="x")],
    )
    losses = []
    for problem in (by_form, by_call):
        for hard in (False, True):
            model = pk.Model(problem, pk.MLP(2, 6, 1), hard)
            theta = model.initial(0)
            losses.append(model.stack(pk.sample(problem, 30)).loss_and_gradient(theta))
    for i in (0, 1):
        assert torch.allclose(losses[i][0], losses[i + 2][0], rtol=1e-12, atol=0)
        assert torch.allclose(losses[i][1], losses[i + 2][1], rtol=1e-9, atol=1e-12)


def test_a_callable_of_fields_as_a_boundary_operator():
    law = pk.function(lambda a, s: a**4 - s, "law")
    wall = pk.Dirichlet(u, 0, on="x_min")
    problem = heat(conditions=[START, pk.Operator("radiation", law(u, u_x), on="x_max"), wall])
    plain = heat(conditions=[START, pk.Operator("radiation", u**4 - u_x, on="x_max"), wall])
    results = []
    for p in (problem, plain):
        model = pk.Model(p, pk.MLP(2, 6, 1), False)
        stack, theta = model.stack(pk.sample(p, 20)), model.initial(1)
        results.append((stack.values(theta), stack.vjp(theta, stack.values(theta)), stack.hvp(theta, theta)))
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-12)
