"""Complex fields: two real ones, whose equations, conditions, readings and closed forms are those of the parts."""

import pytest
import sympy as sp
import torch

import pinnkit as pk
from pinnkit.statement import problem_file
from pinnkit.tools.sympy_tree import decode, encode

x, t = pk.coordinates("x t")
psi, u = pk.field("psi", x, t, complex=True), pk.field("u", x, t)
a, b = pk.field("psi_re", x, t), pk.field("psi_im", x, t)
BOX, k = pk.Box(x=(-5, 5), t=(0, 1)), sp.Symbol("k")
SOLITON = sp.sech(x - t / 2) * sp.exp(sp.I * (x / 2 + sp.Rational(3, 8) * t))
NLS = sp.I * psi.diff(t) + psi.diff(x, 2) / 2 + sp.Abs(psi) ** 2 * psi


def nls(*conditions, equation=NLS, **more):
    given = conditions or (pk.Initial(psi, SOLITON.subs(t, 0)), pk.Dirichlet(psi, SOLITON, on="x"))
    return pk.Problem("nls", psi, equation, BOX, given, **{"reference": SOLITON} | more)


def test_the_equation_is_that_of_the_parts():
    found = nls()
    density = a**2 + b**2
    assert found.fields == (a, b) and found.complex_fields == {psi: (a, b)}
    assert sp.expand(found.equations["pde (real)"] - (a.diff(x, 2) / 2 - b.diff(t) + density * a)) == 0
    assert sp.expand(found.equations["pde (imaginary)"] - (b.diff(x, 2) / 2 + a.diff(t) + density * b)) == 0
    assert max(found.verify().values()) < 1e-14
    assert "psi{" in found._repr_latex_() and "psi_{re}" not in found._repr_latex_()


def test_conjugates_products_and_parameters():
    e = sp.conjugate(psi).diff(x) * psi + k * sp.re(psi) + sp.exp(sp.I * x) * psi
    found = nls(equation=NLS + e, parameters={"k": 2.0}, reference=None)
    part = found.equations["pde (real)"] - nls().equations["pde (real)"]
    assert sp.expand(part - (a.diff(x) * a + b.diff(x) * b + k * a + sp.cos(x) * a - sp.sin(x) * b)) == 0


def test_conditions_of_all_kinds():
    X, n_x = torch.tensor([[0.1, 0.2], [0.3, 0.4]]), pk.normals(x)[0]
    found = nls(
        pk.Initial(psi, sp.exp(sp.I * x)), pk.Neumann(psi, sp.I * t, on="x_min"),
        pk.Robin(psi, 2, 1, 1 + sp.I, on="x_max"),
        pk.Periodic(psi, "x", order=0), pk.Operator("flow", sp.I * psi - n_x * psi.diff(x), "x_max"),
        pk.Observations(psi, X, torch.tensor([1 + 2j, 3 - 1j])),
        pk.Observations(sp.Abs(psi) ** 2, X, [0.5, 0.25], "density"),
        reference=None,
    )  # fmt: skip
    names = [r.name for r in found.residuals]
    assert {
        "psi_re initial",
        "dpsi_im/dn on x_min",
        "psi_im Robin on x_max",
        "psi_re periodic in x",
        "flow (real)",
    } < set(names)
    assert found.sample("data (imaginary)", 2).columns["data (imaginary)_value"].tolist() == [2, -1]
    assert "density" in names and found.conditions[3].value == t


def test_solved_asked_and_kept(tmp_path):
    solution = pk.solve(nls(), pk.MLP(2, 6, 2), 20, stages=[pk.Adam(2)], progress=False)
    X = torch.rand(3, 2, dtype=torch.float64)
    whole, slope, re, im_x = solution.jet(X, "psi psi_x psi_re psi_im_x")
    assert torch.equal(whole.real, re) and torch.equal(slope.imag, im_x) and whole.is_complex()
    pk.save(solution, tmp_path / "run.h5")
    again = pk.load(tmp_path / "run.h5")
    assert (
        torch.equal(again.jet(X, "psi psi_x psi_re psi_im_x")[0], whole)
        and again.problem.equations == solution.problem.equations
    )


def test_a_file_holds_the_parts():
    assert "lacking" not in problem_file.contents(nls(reference=None)) and decode(encode(a.diff(x))) == a.diff(x)


@pytest.mark.parametrize(("call", "words"), [
    (lambda: pk.Problem("heat", u, sp.I * u.diff(t) - u.diff(x, 2), BOX, [pk.Initial(u, 0)]), "complex=True"),
    (lambda: pk.Problem("heat", u, u.diff(t) - u.diff(x, 2), BOX, [pk.Initial(u, sp.I), pk.Dirichlet(u)]), "imaginary"),
    (lambda: nls(pk.Robin(psi, sp.I, 1, on="x"), pk.Initial(psi, 0)), "coefficient I is complex: state.*Operator"),
    (lambda: nls(derived={"d": psi**2}), "a derived quantity is real"),
    (lambda: nls(ansatz={psi: (0, 1)}), "given for its parts"),
    (lambda: pk.Observations(u, torch.zeros(1, 2), [1j]), "complex"),
])  # fmt: skip
def test_what_is_refused(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
