"""The checker agrees with proofs that hold, and catches every single thing that is changed in them."""

import copy
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
import torch

import pinnkit as pk

flint = pytest.importorskip("flint")

from pinnkit.certificate.checker.check import CheckResult, check  # noqa: E402
from pinnkit.certificate.checker.polynomials import ExactSpline as Parts  # noqa: E402
from pinnkit.certificate.checker.polynomials import bernstein, coefficient, fmpq, plus  # noqa: E402
from pinnkit.certificate.proof_file import read, record, tree, verified, write  # noqa: E402
from pinnkit.certificate.theorem.proof import BarrierProof, Enclosure, Slab, Spline, Wall  # noqa: E402

x, t, y = sp.symbols("x t y", real=True)
TINY = 2.0**-20


def constant(breaks, value, radius=0.0):
    shape = tuple(max(1, len(z) - 1) for z in breaks)
    return Enclosure(tuple(map(np.array, breaks)), np.full((*shape, *[1] * len(shape)), value), np.full(shape, radius))


def spline(breaks, degrees, coefficients, periodic=(False, False)):
    return Spline(tuple(np.array(z, float) for z in breaks), degrees, periodic, np.array(coefficients, float))


def rod(ends=(0.0, 1.0), a=1, slabs=((0.0, 1.0), (1.0, 3.0)), walls=None, source=1.0):
    """u_t = a u_xx + r, |r| <= source, zero walls and start: w = (x (1 - x) / 2 a (1 + small) + small) source."""
    z = [ends[0], (ends[0] + ends[1]) / 2, ends[1]]
    L = ends[1] - ends[0]
    knots = [0.0, 0.0, 0.5, 1.0, 1.0]
    # x (1 - x) by its polar form: (s + t) / 2 - s t
    line = [(s + r) / 2 - s * r for s, r in zip(knots[:-1], knots[1:], strict=True)]
    high = (np.array(line) * L**2 / (2 * float(a)) * (1 + TINY) + TINY) * source
    made = []
    for k, (low, top) in enumerate(slabs):
        time = [low, top]
        w = spline([z, time], (2, 1), np.stack([high, high], 1))
        c = spline([z, time], (2, 1), np.zeros((4, 2)))
        misfits = tuple(constant([[v], time], 0.0) for v in ends)
        start = constant([z, [low]], 0.0) if not k else None
        made.append(Slab(c, w, constant([z, time], 0.0, source), misfits, start))
    walls = walls or tuple(Wall(f"x_{end}", sp.Integer(1), sp.Integer(0)) for end in ("min", "max"))
    operator = (((0, 1), sp.Integer(1)), ((2, 0), -sp.sympify(a)))
    box = {"x": ends, "t": (slabs[0][0], slabs[-1][1])}
    return BarrierProof((x, t), "t", box, operator, walls, (), (), tuple(made), float(high.max()))


def changed(proof, change):
    own = copy.deepcopy(record(proof))
    change(own)
    return check(own)


def test_a_proof_that_holds_is_confirmed():
    for proof in (rod(), rod((-3.0, 5.0), sp.Rational(1, 3), ((2.0, 5.0),)), rod((0.0, 1e-6), 7)):
        found = check(json.loads(json.dumps(record(proof))))
        assert found.holds and found.coefficients > 50 and 0 < found.least < math.inf


def lowered(which, at, by):
    def change(r):
        own = r["slabs"][0][which]["coefficients"]
        own[at[0]][at[1]] -= by

    return change


def put(*path):
    *way, last, value = path

    def change(r):
        for k in way:
            r = r[k]
        r[last] = value

    return change


def later(r):
    r["slabs"][1]["width"]["coefficients"] = (np.array(r["slabs"][1]["width"]["coefficients"]) * 0.9999).tolist()


def without_a_wall(r):
    del r["walls"][0]
    for s in r["slabs"]:
        del s["misfits"][0]


ONE = ["number", "1", "1"]


@pytest.mark.parametrize(
    "change, what",
    [
        (lowered("width", (1, 0), 1e-4), "inside"),
        (lowered("width", (2, 1), 1e-4), "inside"),
        (lowered("width", (0, 0), 2 * TINY), "x_min"),
        (lowered("center", (2, 0), 1e-4), "inside"),
        (put("slabs", 0, "source", "radius", 1, 0, 1.0 + 2 * TINY), "inside"),
        (put("slabs", 1, "source", "coefficients", 0, 0, 0, 0, -2 * TINY), "inside"),
        (put("slabs", 1, "misfits", 1, "radius", 0, 0, 2 * TINY), "x_max"),
        (put("slabs", 0, "start", "radius", 0, 0, 2 * TINY), "the start"),
        (put("slabs", 1, "misfits", 0, "radius", 0, 0, TINY), "x_min"),  # what is wanted is more, not as much
        (later, "its beginning"),
        (put("bound", 0.124), "|c| + w"),
        (put("reach", 0.124), "|c| + w"),
        (put("operator", 1, 1, ["number", "-99", "100"]), "inside"),
        (put("operator", 1, 1, ONE), "-a_ij"),
        (put("operator", 0, 1, ["number", "2", "1"]), "coefficient of e_t"),
        (put("walls", 0, "beta", ["number", "-1", "1"]), "beta on x_min"),
        (put("walls", 0, "face", "x_max"), None),
        (without_a_wall, "faces have no condition"),
        (put("slabs", 1, "width", "degrees", 0, 1), None),
        (put("box", "t", [0.0, 4.0]), "slabs leave times out"),
        (put("box", "x", [0.0, 2.0]), "a slab leaves out x"),
        (put("open", ["x_max"]), "faces have no condition"),
        (put("slabs", 0, "width", "coefficients", 1, 1, math.nan), None),
        (put("slabs", 0, "source", "radius", 0, 0, -1.0), None),
        (put("slabs", 0, "source", "breaks", 0, 2, 0.9), None),
        (put("slabs", 0, "width", "breaks", 0, 1, 0.0), None),
        (put("operator", 1, 1, ["system", ONE]), None),
    ],
)
def test_every_change_is_caught(change, what):
    if what is None:
        with pytest.raises(ValueError):
            changed(rod(), change)
        return
    found = changed(rod(), change)
    assert not found.holds and any(what in f for f in found.faults), found.faults


def test_both_sides_are_looked_at():
    """c = 2 w: above is room, and below is none."""

    def shifted(r):
        for s in r["slabs"]:
            s["center"]["coefficients"] = (2 * np.array(s["width"]["coefficients"])).tolist()

    faults = changed(rod(), shifted).faults
    assert any("inside, c - w" in f for f in faults) and not any("inside, c + w" in f for f in faults)


def test_a_width_has_to_be_positive():
    """-u'' - u = 0 on a ring of length 1: w = -1 has L w = 1, and proves nothing."""
    for sign in (1, -1):
        z = [[0.0, 0.25, 0.5, 1.0]]
        slab = Slab(
            spline(z, (2,), np.zeros(3), (True,)), spline(z, (2,), np.full(3, sign), (True,)), constant(z, 0.0), ()
        )
        operator = (((2,), sp.Integer(-1)), ((0,), sp.Integer(sign)))
        found = check(record(BarrierProof((x,), None, {"x": (0.0, 1.0)}, operator, (), ("x",), (), (slab,), 1.0)))
        assert found.holds == (sign > 0) and all("w > 0" in f for f in found.faults)


def robin(a, b, w):
    """u_t = u_xx + r with a e + b e_n on both ends, a steady width."""
    z, time = [0.0, 1.0], [0.0, 2.0]
    walls = tuple(Wall(f"x_{end}", sp.sympify(a), sp.sympify(b)) for end in ("min", "max"))
    high = spline([z, time], (2, 1), [[v, v] for v in w])
    slab = Slab(
        spline([z, time], (2, 1), np.zeros((3, 2))), high, constant([z, time], 0.0, 1.0),
        tuple(constant([[v], time], 0.0) for v in z), constant([z, [0.0]], 0.0),
    )  # fmt: skip
    operator = (((0, 1), sp.Integer(1)), ((2, 0), sp.Integer(-1)))
    return BarrierProof((x, t), "t", {"x": (0.0, 1.0), "t": (0.0, 2.0)}, operator, walls, (), (), (slab,), max(w))


def test_slopes_point_outwards():
    """x (1 - x) / 2 + 25 loses by a = 1, b = 50; the same upside down, or without a loss, does not."""
    good = [25.01, 25.27, 25.01]  # w_xx = -1.04, w_n = -1/2 (1.04)
    assert not check(record(robin(1, 50, good))).holds  # 25.01 < 26
    good = [26.01, 26.27, 26.01]
    assert check(record(robin(1, 50, good))).holds
    assert not check(record(robin(0, 1, good))).holds
    (steep,) = {f.split(",")[0] for f in check(record(robin(1, 50, [25.9, 26.27, 26.1]))).faults}
    assert steep == "slab 0: x_min"  # w_x = 0.74 there
    assert not check(record(robin(1, 50, [26.27, 26.01, 26.27]))).holds


def degenerate(a, b):
    """u_t = a u_xx - b u_x + r on (0, 1), nothing held at x = 0: w = t + small."""
    z, time = [0.0, 0.5, 1.0], [0.0, 1.0]
    w = np.full((4, 2), 1 / 64) + np.array([0.0, 1.0 + TINY])
    slab = Slab(
        spline([z, time], (2, 1), np.zeros((4, 2))), spline([z, time], (2, 1), w), constant([z, time], 0.0, 1.0),
        (constant([[1.0], time], 0.0),), constant([z, [0.0]], 0.0),
    )  # fmt: skip
    operator = (((0, 1), sp.Integer(1)), ((2, 0), -sp.sympify(a)), ((1, 0), sp.sympify(b)))
    walls = (Wall("x_max", sp.Integer(1), sp.Integer(0)),)
    return BarrierProof(
        (x, t), "t", {"x": (0.0, 1.0), "t": (0.0, 1.0)}, operator, walls, (), ("x_min",), (slab,), w.max()
    )


def test_an_open_face_lets_nothing_in():
    assert check(record(degenerate(x**2 / 3, -sp.exp(x)))).holds
    for a, b, what in ((x**2 / 3, sp.exp(-x), "outflow"), (x**2 / 3 + 1, -1, "diffuses through it"),
                       (x**2 / 3 - x / 10, -1, "-a_ij")):  # fmt: skip
        found = check(record(degenerate(a, b)))
        assert not found.holds and any(what in f for f in found.faults), found.faults


def test_what_a_coefficient_may_be_wrong_by_is_taken_off():
    """u_t = -(1.05 + sin 6x) u + r with r as large as w_t: on one cell the remainder of the sine is too large."""
    for n in (1, 16):
        proof = degenerate(0, 0)
        fine = np.linspace(0, 1, n + 1).tolist()
        slab = Slab(
            spline([[0.0, 1.0], [0.0, 1.0]], (2, 1), np.zeros((3, 2))),
            spline([[0.0, 1.0], [0.0, 1.0]], (2, 1), proof.slabs[0].width.coefficients[:3]),
            constant([fine, [0.0, 1.0]], 0.0, 1.0), proof.slabs[0].misfits, constant([[0.0, 1.0], [0.0]], 0.0),
        )  # fmt: skip
        operator = (*proof.operator, ((0, 0), sp.Rational(21, 20) + sp.sin(6 * x)))
        found = check(record(replace(proof, operator=operator, slabs=(slab,))))
        assert found.holds == (n > 1), found.faults


def plate(mixed, top=0.26):
    """-u_xx - u_yy - m u_xy = r on x in a ring and y in (0, 1): w = y (1 - y) (1 + small) + small."""
    z, ring = [0.0, 0.5, 1.0], [0.0, 0.25, 0.75, 1.0]
    w = np.array([[TINY, 0.25 + TINY, top, TINY]] * 3)
    w[:, 1:3] = [(s + r) / 2 - s * r for s, r in ((0, 0.5), (0.5, 1))]
    w[:, 1:3] += 0.01 if top > 0.25 else -0.01
    breaks = [ring, z]
    slab = Slab(
        spline(breaks, (2, 2), np.zeros((3, 4)), (True, False)), spline(breaks, (2, 2), w, (True, False)),
        constant(breaks, 0.0, 1.0), tuple(constant([ring, [v]], 0.0) for v in (0.0, 1.0)),
    )  # fmt: skip
    operator = (((2, 0), sp.Integer(-1)), ((0, 2), sp.Integer(-1)), ((1, 1), -sp.sympify(mixed)))
    walls = tuple(Wall(f"y_{end}", sp.Integer(1), sp.Integer(0)) for end in ("min", "max"))
    box = {"x": (0.0, 1.0), "y": (0.0, 1.0)}
    return BarrierProof((x, y), None, box, operator, walls, ("x",), (), (slab,), 0.51)


def test_steady_equations_rings_and_mixed_derivatives():
    assert check(record(plate(1))).holds and check(record(plate(sp.sin(x)))).holds
    assert any("-a_ij" in f for f in check(record(plate(3))).faults)
    assert not changed(plate(0), put("periodic", [])).holds
    assert not changed(plate(0), put("slabs", 0, "source", "radius", 1, 0, 3.0)).holds


def test_coefficients_are_enclosed():
    """Elementary functions within their remainder of what mpmath finds, which is small on a small cell."""
    import mpmath

    cell = [(fmpq(1, 4), fmpq(3, 8)), (fmpq(1), fmpq(9, 8))]
    for e in (sp.exp(-x * t), sp.sin(3 * x + t) / (1 + x**2), sp.sqrt(t) * sp.tanh(x), sp.pi * x**3, sp.log(t) ** 2,
              sp.cosh(x) - sp.sinh(t), sp.erf(x) * sp.atan(t), t ** sp.Rational(-3, 2), 2**x):  # fmt: skip
        p, rest = coefficient(tree(e, (x, t)), cell)
        f = sp.lambdify((x, t), e, "mpmath")
        with mpmath.workdps(40):
            for s, r in ((0, 0), (1, 1), (0.25, 0.75), (1, 0)):
                value = mpmath.fsum(
                    mpmath.mpf(int(p[k].p)) / int(p[k].q) * mpmath.mpf(s) ** k[0] * mpmath.mpf(r) ** k[1]
                    for k in np.ndindex(*p.shape)
                )
                away = abs(value - f(0.25 + mpmath.mpf(s) / 8, 1 + mpmath.mpf(r) / 8))
                assert away <= mpmath.mpf(int(rest.p)) / int(rest.q) + mpmath.mpf(10) ** -38 and float(away) < 1e-6
    with pytest.raises(ValueError, match="not bounded"):
        coefficient(tree(1 / (x - sp.Rational(5, 16)), (x, t)), cell)


@pytest.mark.parametrize("periodic", [False, True])
def test_splines_are_those_of_scipy(periodic):
    from scipy.interpolate import BSpline

    rng, z, p = np.random.default_rng(0), np.array([0.0, 0.3, 0.5, 1.1, 2.0]), 3
    n = len(z) - 1
    c = rng.normal(size=n if periodic else n + p)
    if periodic:
        knots = np.array([z[(j - p) % n] + (j - p) // n * 2.0 for j in range(n + 2 * p + 1)])
        own = BSpline(knots, c[np.arange(n + p) % n], p)
    else:
        own = BSpline(np.r_[[z[0]] * p, z, [z[-1]] * p], c, p)
    made = Parts({"breaks": [z.tolist()], "degrees": [p], "periodic": [periodic], "coefficients": c.tolist()})
    for a, b in ((0.0, 0.3), (0.6, 1.0), (1.1, 2.0)):
        cell = [tuple(fmpq(*v.as_integer_ratio()) for v in (a, b))]
        for k in range(3):
            q = [float(flint.arb(v)) for v in made.on(cell, (k,))]
            for s in (0.1, 0.9):
                value = own.derivative(k)(a + (b - a) * s) if k else own(a + (b - a) * s)
                assert np.polyval(q[::-1], s) == pytest.approx(value, abs=1e-9)


def test_positivity_is_decided_on_parts():
    """(s - 1/3)^2 + small has a negative Bernstein coefficient and none on its parts; (s - 1/2)^2 touches 0."""
    s = [fmpq(1, 9), fmpq(-2, 3), fmpq(1)]
    p = np.array(s, dtype=object)
    for added, holds in ((fmpq(1, 100), True), (fmpq(0), False), (fmpq(-1, 1000), False)):
        found = CheckResult()
        found.positive(plus(p, np.array([added], dtype=object)), fmpq(0), "square")
        assert found.holds == holds
    assert min(bernstein(p)) < 0


@pytest.fixture(scope="module")
def rod_between_losses():
    """u_xx + e^x = u in a steady rod with a loss at one end, and the function 0."""
    (a,) = pk.coordinates("x")
    u = pk.field("u", a)
    walls = [pk.Robin(u, 1, 2, 0, on="x_min"), pk.Neumann(u, 1, on="x_max")]
    problem = pk.Problem("rod", u, u.diff(a, 2) + sp.exp(a) - u, pk.Box(x=(0, 1)), walls)
    net = pk.MLP(1, 3, 1)
    nothing = torch.zeros_like(net.initial(problem.domain, 0))
    return pk.Solution(pk.Model(problem, net, False), nothing, pk.Points({}))


def test_certificates_are_verified_and_kept(rod_between_losses, tmp_path, call):
    found = pk.certify(rod_between_losses, enclosed=True, corrected=False)
    assert found.proof is not None and found.verify().holds
    file = tmp_path / "kept" / "rod.json"
    write(found, file)
    kept = read(file)
    assert verified(kept).coefficients == found.verify().coefficients
    assert kept["certificate"]["bounds"][0]["value"] == found["sup"]
    code, text, _ = call("certify", "--check", str(file))
    assert code == 0 and "the proof holds" in text
    for change, what in (
        (put("certificate", "bounds", 0, "value", 0.999 * found["sup"]), "less than what the proof gives"),
        (put("added", [-1e-3]), "is negative"),
        (put("proof", "slabs", 0, "width", "coefficients", 2, 0.0), "slab 0"),
    ):
        wrong = copy.deepcopy(kept)
        change(wrong)
        assert any(what in f for f in verified(wrong).faults)
        file.write_text(json.dumps(wrong))
        code, text, _ = call("certify", "--check", str(file), "--json")
        assert code == 1 and not json.loads(text)["holds"]
    del kept["proof"]["slabs"][0]["center"]
    with pytest.raises(ValueError, match="not of the expected shape"):
        verified(kept)
    with pytest.raises(ValueError, match="a theorem with constants"):
        verified(kept | {"proof": None})
    for text in ("[1]", "{", "\x00"):
        file.write_text(text)
        with pytest.raises(ValueError, match="holds no certificate"):
            read(file)
    code, _, complaint = call("certify", "--check", str(tmp_path / "none.json"))
    assert code != 0 and "Traceback" not in complaint


def test_a_kept_certificate_cannot_ask_for_more_than_the_checker_gives(tmp_path):
    for power in ("1000000000", "-1000000000"):
        with pytest.raises(ValueError, match="the checker takes 64 at most"):
            coefficient(["^", ["number", "3", "1"], ["number", power, "1"]], [(fmpq(0), fmpq(1))])
    deep = ["x", 0]
    for _ in range(5000):
        deep = ["sin", deep]
    found = {"proof": record(rod()), "added": [], "certificate": {"bounds": [{"norm": "sup", "value": 1.0}]}}
    found["proof"]["operator"][1][1] = deep
    with pytest.raises(ValueError, match="not of the expected shape"):
        verified(found)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read(tmp_path / "none.json")
    with pytest.raises(ValueError, match="a pipe, a device or a socket"):
        read(Path("/dev/zero"))
