"""Problems of which one misfit alone is not zero, with their true error and the bound of a theorem."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

import pinnkit as pk
from benchmarks.certificate.truths import End, Line
from pinnkit.certificate.theorem.form import form
from pinnkit.certificate.theorem.misfit import Norm

NOTHING = Norm()
H = np.array([[0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # d/dt of (1, cos wt, sin wt) over w
ONE, SINE, WAVE = (1.0, 0, 0), (0, 0, 1.0), (1.0, -1.0, 0)


@dataclass
class Misses:
    """Norms by what is asked for; everything else is 0."""

    initials: dict
    walls: dict
    inside: Norm = NOTHING
    slope: float = 0.0
    rigorous = False

    def initial(self, order=0, by=()):
        return self.initials.get((order, len(by)), NOTHING)

    def wall(self, condition, face, by=()):
        across = [b for b in by if b != "t"]
        own = self.walls.get((type(condition).__name__, face, sum(b == "t" for b in by)), NOTHING)
        return Norm(*(math.pi ** len(across) * v for v in (own.sup, own.l2, own.l1)))  # sines on sides of length 1

    def residual(self):
        return self.inside

    def size(self, by=()):
        return Norm(l1=self.slope)

    def periodic(self, condition):
        pass


def over(values: np.ndarray, length: float) -> Norm:
    """Of a function by its values at equidistant points."""
    v, h = np.abs(values), length / (len(values) - 1)
    return Norm(float(v.max()), math.sqrt(np.trapezoid(v**2, dx=h)), float(np.trapezoid(v, dx=h)))


def times(a: Norm, b: Norm) -> Norm:
    return Norm(a.sup * b.sup, a.l2 * b.l2, a.l1 * b.l1)


KINDS: dict[str, Callable] = {
    "value": lambda u, x, face: pk.Dirichlet(u, 0, on=face),
    "slope": lambda u, x, face: pk.Neumann(u, 0, on=face),
    "robin": lambda u, x, face: pk.Robin(u, 1, 2, 0, on=face),
    "moment": lambda u, x, face: pk.Operator(f"moment {face}", u.diff(x, 2), on=face),
}
NAMES = {"value": "Dirichlet", "slope": "Neumann", "robin": "Robin", "moment": "Operator"}


@dataclass(frozen=True)
class Case:
    """u_t = sum q_k D_x^k u + a (u_yy + u_zz) or u_tt + damping u_t = ... on sides of length 1 across x."""

    order: int
    q: Sequence[float]
    T: float
    ends: str  # kinds at the left, "|", at the right; "ring"
    miss: str  # initial, rate, residual, or "wall N" by the number of the condition
    shape: Sequence[float] = ONE  # of a wall's or a residual's misfit in time
    profile: Callable = lambda x: np.sin(math.pi * x)  # of other misfits in space
    dims: int = 1
    L: float = 1.0
    damping: float = 0.0
    frequency: float = 1.0

    @property
    def conditions(self) -> list[tuple[int, str]]:
        sides = self.ends.split("|") if self.ends != "ring" else []
        return [(i, kind) for i, side in enumerate(sides) for kind in side.split()]

    def problem(self) -> pk.Problem:
        names = "xyz"[: self.dims]
        *space, t = pk.coordinates(" ".join([*names, "t"]))
        u, x = pk.field("u", *space, t), space[0]
        right = sum(c * (u.diff(x, k) if k else u) for k, c in enumerate(self.q))
        right += self.q[2] * sum(u.diff(s, 2) for s in space[1:]) if self.dims > 1 else 0
        equation = u.diff(t, self.order) + (self.damping * u.diff(t) if self.damping else 0) - right
        walls = [KINDS[kind](u, x, ("x_min", "x_max")[i]) for i, kind in self.conditions] or [
            pk.Periodic(u, "x", order=max(1, len(self.q) - 2))]  # fmt: skip
        walls += [pk.Dirichlet(u, 0, on=n) for n in names[1:]]
        start = [pk.Initial(u, 0, order=k) for k in range(self.order)]
        box = pk.Box(x=(0, self.L), **{n: (0, 1) for n in names[1:]}, t=(0, self.T))
        return pk.Problem("case", u, equation, box, [*start, *walls])

    def line(self) -> Line:
        q = list(self.q)
        q[0] -= (self.dims - 1) * math.pi**2 * (q[2] if self.dims > 1 else 0.0)
        factors = {"value": {0: 1.0}, "moment": {2: 1.0}}
        mixed = [{0: float(k == "robin"), 1: (2 * i - 1) * (2.0 if k == "robin" else 1)} for i, k in self.conditions]
        ends = [End(i, factors.get(kind, m)) for (i, kind), m in zip(self.conditions, mixed, strict=True)]
        return Line(self.order, q, self.L, self.T, ends, self.damping, self.frequency)

    def true(self) -> dict[str, float]:
        start = [self.profile if self.miss == name else None for name in ("initial", "rate")]
        walls = [self.shape if self.miss == f"wall {i}" else (0, 0, 0) for i in range(len(self.conditions))]
        inside = [(lambda x, c=c: c * self.profile(x)) if self.miss == "residual" and c else None for c in self.shape]
        found, across = self.line().errors(start, walls, inside), math.sqrt(0.5) ** (self.dims - 1)
        if self.dims > 1:  # of the slopes those across count as well; all are largest at the same time
            found["H1(t)"] = math.hypot(found["H1(t)"], math.sqrt(self.dims - 1) * math.pi * found["L2(t)"])
        return {n: v * (1 if n == "sup" else across) for n, v in found.items()}

    def misses(self) -> Misses:
        s, t = np.linspace(0, self.L, 4001), np.linspace(0, self.T, 4001)
        h = np.stack([np.ones_like(t), np.cos(self.frequency * t), np.sin(self.frequency * t)])
        across = Norm(1.0, math.sqrt(0.5) ** (self.dims - 1), (2 / math.pi) ** (self.dims - 1))
        initials, walls, inside = {}, {}, NOTHING
        if self.miss in ("initial", "rate"):
            f = self.profile(s)
            for k in range(3 if self.miss == "initial" else 1):
                initials[int(self.miss == "rate"), k] = times(over(f, self.L), across)
                f = np.gradient(f, s)
        elif self.miss == "residual":
            inside = times(times(over(self.profile(s), self.L), over(np.array(self.shape) @ h, self.T)), across)
        else:
            i, kind = self.conditions[int(self.miss.split()[1])]
            for k in range(3):
                g = np.array(self.shape) @ np.linalg.matrix_power(self.frequency * H, k) @ h
                walls[NAMES[kind], ("x_min", "x_max")[i], k] = times(over(g, self.T), across)
        return Misses(initials, walls, inside)

    def ratios(self, match: Callable) -> dict[str, float]:
        true = self.true()
        return {b.norm: b.value / true[b.norm] for b in match(form(self.problem()))(self.misses()) if b.norm in true}


def checked(case: Case, match: Callable, most: dict[str, float | tuple[float, float]]) -> None:
    """Bounds lie between the error and ``most`` times it, or where a pair is given between these multiples."""
    found = case.ratios(match)
    for norm, ratio in found.items():
        given = most.get(norm, math.inf)
        low, high = given if isinstance(given, tuple) else (1.0, given)
        assert low - 1e-3 <= ratio <= high, (norm, ratio)
    assert set(most) <= set(found)


def flat(x):
    return np.ones_like(x)


def full(x):
    return math.pi * np.cos(math.pi * x)


def turning(x):
    return np.cos(2 * math.pi * x)


PI2, VALUES = math.pi**2, "value|value"


def quarter(x):
    return np.sin(math.pi * x / 2)


def cosine(x):
    return np.cos(math.pi * x)


def bent(x):
    return x**2 * (1 - x) ** 2


def bump(x):
    return np.exp(-100 * (x - 0.3) ** 2)


def squared(x):
    return np.sin(math.pi * x) ** 2


SUPPORTED, CLAMPED = "value moment|value moment", "value slope|value slope"
