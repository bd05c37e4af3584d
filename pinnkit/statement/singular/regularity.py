"""Where an expression is not smooth: point masses, jumps and kinks, on which surface, of which order."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sympy as sp
import torch
from sympy.core.relational import Relational

from pinnkit.domain.base import Domain
from pinnkit.statement.symbolic.torch_program import Opaque, Program, number

from .one_sided import breaks

SMOOTH = 8  # a jump of a higher derivative than this one is none
LOST = sp.Piecewise, sp.floor, sp.ceiling, sp.Mod  # SymPy's derivatives of them leave their jumps out
STEPS = *LOST, sp.Heaviside, sp.sign
BENDS = sp.Abs, sp.Max, sp.Min  # twice differentiated they are delta functions
STRANGE = *STEPS, *BENDS, sp.DiracDelta, Relational
TOLERANCE = 1e-9  # of the size of a derivative nearby: a smaller jump of it is rounding
DENOMINATOR, ROOT = 1000, 1e-12  # of a rational zero, and how near a bisected one must be to it
_TRIES = 3  # values that are tried for every parameter without one
_POINTS = 6  # places of a surface at which it is looked at


@dataclass(frozen=True)
class Singularity:
    """On ``surface`` = 0 the normal derivative of that ``order`` jumps by ``jump`` from ``surface`` < 0 to > 0.

    Order 0 is a jump of the value, 1 a kink, -1 a point mass of weight ``jump``, -2 its derivative, and so on.
    ``surface`` is smooth, or None where only values show the place and they lie on no plane; ``jump`` is valid on the
    surface near the point ``at``, or None where it varies and only values are known.
    """

    order: int
    surface: sp.Expr | None
    jump: sp.Expr | None
    at: tuple[float, ...]

    def place(self, variables: Sequence[sp.Symbol]) -> tuple[sp.Symbol, sp.Expr] | None:
        """(x, a) where the surface is x = a, else None."""
        on = [] if self.surface is None else [v for v in variables if self.surface.has(v)]
        if len(on) != 1 or not _affine(self.surface, on):
            return None
        return on[0], sp.solve(self.surface, on[0])[0]

    def __str__(self) -> str:
        kind = {-1: "a point mass", 0: "a jump", 1: "a kink"}.get(self.order)
        if kind is None:
            of = f"a jump of derivative {self.order}", f"derivative {-1 - self.order} of a point mass"
            kind = of[self.order < 0]
        if self.surface is None:
            return f"{kind} near {tuple(round(v, 6) for v in self.at)}"
        return f"{kind} at {_equation(self.surface)}"


def singularities(
    expression: sp.Expr,
    variables: Sequence[sp.Symbol],
    domain: Domain | None = None,
    parameters: Mapping[str, float] | None = None,
) -> tuple[Singularity, ...]:
    """Where an expression in some of a domain's coordinates is not smooth inside it, lowest order first.

    What cancels is not there: x |x| has order 2 and |x|^2 none, and a Piecewise has the order to which its branches
    do not join. Without a domain the coordinates run over all numbers; symbols without a value in ``parameters`` take
    a few random ones. Expressions with callables are judged by their values on lines along the coordinates, to order 2.

    Raises:
        ValueError: more than 64 surfaces (a floor of many steps), or a product of singular factors without a meaning.
    """
    e = sp.sympify(expression)
    if not e.has(*STRANGE, Opaque):
        return ()
    found: dict[tuple, Singularity] = {}
    for case in _cases(e, variables, domain, parameters or {}):
        for s in case.masses() if e.has(Opaque) else itertools.chain(case.masses(), case.jumps()):
            found.setdefault((s.order, s.surface, s.jump), s)
        for s in case.seen() if e.has(Opaque) else ():
            found.setdefault((s.order, s.surface, s.jump), s)
        if len({s.surface for s in found.values()}) > 64:
            raise ValueError(f"{e} has more than 64 jumps or kinks in the domain: smooth it, or take fewer steps")
    return tuple(sorted(found.values(), key=lambda s: (s.order, str(s.surface))))


def order(expression: sp.Expr, variables: Sequence[sp.Symbol], domain: Domain | None = None) -> int | None:
    """The lowest order of the expression's singularities, None of a smooth one."""
    return min((s.order for s in singularities(expression, variables, domain)), default=None)


def branch(e: sp.Basic, at: Mapping[sp.Symbol, sp.Expr]) -> sp.Basic:
    """The smooth expression that equals ``e`` near a point off its singular surfaces; point masses are zero there."""
    if not e.has(*STRANGE):
        return e
    if isinstance(e, sp.Piecewise):
        return next((branch(v, at) for v, c in e.args if _holds(c, at)), sp.nan)
    args = [branch(a, at) for a in e.args]
    if isinstance(e, (sp.Max, sp.Min)):
        return (max if isinstance(e, sp.Max) else min)(args, key=lambda a: _value(a, at))
    if isinstance(e, sp.Abs):
        return args[0] if _value(args[0], at) >= 0 else -args[0]
    if isinstance(e, sp.sign):
        return sp.Integer(1 if _value(args[0], at) >= 0 else -1)
    if isinstance(e, sp.Heaviside):
        return sp.S.One if _value(args[0], at) >= 0 else sp.S.Zero
    if isinstance(e, (sp.floor, sp.ceiling)):
        return sp.Integer(e.func(_value(args[0], at)))
    if isinstance(e, sp.Mod):
        return args[0] - args[1] * sp.Integer(sp.floor(_value(args[0] / args[1], at)))
    if isinstance(e, sp.DiracDelta):
        return sp.S.Zero
    return e.func(*args)


def _holds(condition: sp.Basic, at: Mapping[sp.Symbol, sp.Expr]) -> bool:
    if condition in (sp.true, sp.false):
        return bool(condition)
    if isinstance(condition, Relational):
        gap = _value(condition.lhs - condition.rhs, at)
        return bool(condition.func(gap, 0))
    parts = [_holds(c, at) for c in condition.args]
    if isinstance(condition, sp.Not):
        return not parts[0]
    return {sp.And: all, sp.Or: any, sp.Xor: lambda p: sum(p) % 2 == 1}[condition.func](parts)


def _value(e: sp.Basic, at: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    e = e.xreplace(dict(at))
    return sp.Float(number(e), 30) if e.has(Opaque) else sp.N(e, 30)


def _affine(e: sp.Expr, variables: Sequence[sp.Symbol]) -> bool:
    return all(e.diff(v, w).expand() == 0 for v, w in itertools.combinations_with_replacement(variables, 2))


def _equation(surface: sp.Expr) -> str:
    on = sorted(surface.free_symbols, key=str)
    lead = next((x for x in on if surface.diff(x) == 1), None)
    return f"{surface} = 0" if lead is None else f"{lead} = {sp.expand(lead - surface)}"


def _arguments(e: sp.Basic, floors: Mapping[sp.Basic, Sequence[int]]) -> Iterator[sp.Expr]:
    """Expressions whose zeros may be singular places of ``e``."""
    for node in sp.preorder_traversal(e):
        if isinstance(node, (sp.Abs, sp.sign, sp.Heaviside)):
            yield node.args[0]
        elif isinstance(node, (sp.Max, sp.Min)):
            yield from (a - b for a, b in itertools.combinations(node.args, 2))
        elif isinstance(node, Relational):
            yield node.lhs - node.rhs
        elif node in floors:
            yield from (_inner(node) - k for k in floors[node])


def _inner(node: sp.Basic) -> sp.Expr:
    return node.args[0] / node.args[1] if isinstance(node, sp.Mod) else node.args[0]


def _cases(
    e: sp.Expr, variables: Sequence[sp.Symbol], domain: Domain | None, parameters: Mapping[str, float]
) -> Iterator["_Case"]:
    bounds = {} if domain is None else {n: tuple(map(float, domain.bounds[:, i])) for i, n in enumerate(domain.names)}
    variables = tuple(variables)
    box = np.array([bounds.get(v.name, (-9.7, 10.3)) for v in variables]).reshape(-1, 2)
    free = sorted(e.free_symbols - set(variables), key=str)
    known = {s: sp.Float(parameters[s.name], 30) for s in free if s.name in parameters}
    whole = domain if domain is not None and {v.name for v in variables} == set(domain.names) else None
    order = [] if whole is None else [[v.name for v in variables].index(n) for n in whole.names]
    rng = np.random.default_rng(5)
    for _ in range(1 if len(known) == len(free) else _TRIES):
        lo, hi = (0.5, 1.5) if domain is None or not len(box) else (box[:, 0].min(), box[:, 1].max())
        drawn = {s: sp.Float(float(rng.uniform(lo, hi)), 30) for s in free if s not in known}
        yield _Case(e, variables, box, domain is not None, known | drawn, whole, tuple(order))


@dataclass(frozen=True)
class _Case:
    """An expression with numbers for its parameters, in a box that bounds it or only says where to look."""

    e: sp.Expr
    variables: tuple[sp.Symbol, ...]
    box: np.ndarray
    bounded: bool
    values: Mapping[sp.Symbol, sp.Expr]
    body: Domain | None
    order: tuple[int, ...]

    def jumps(self) -> Iterator[Singularity]:
        """Jumps of the value and of derivatives, by the smooth branches on both sides of every surface."""
        for f in dict.fromkeys(_arguments(self.e, self._steps())):
            for at, surface in self._places(f):
                yield from self._across(surface, at)

    def masses(self) -> Iterator[Singularity]:
        """Point masses and their derivatives; c(x) delta^(k) has as many orders less as c has zeros."""
        for mass in sorted(self.e.atoms(sp.DiracDelta), key=str):
            f, k = mass.args[0], int(mass.args[1]) if len(mass.args) > 1 else 0
            name = sp.Dummy("mass")
            linear = self.e.xreplace({mass: name})
            c = linear.diff(name)
            if c.has(name):
                raise ValueError(f"{self.e} is not linear in {mass}: a product of point masses has no meaning")
            for at, surface in self._places(f):
                n = self._normal(surface, at)
                slope = self._along(sp.sympify(branch(f, self._at(at + self._step * n))), surface, 1)
                sides = [branch(c, self._at(at + sign * self._step * n)) for sign in (1, -1)]
                if self._size(sides[0] - sides[1], at) > TOLERANCE * self._size(sides[0], at):
                    raise ValueError(f"{self.e}: the factor of {mass} jumps where the mass is, which has no meaning")
                for j in range(k, -1, -1):
                    weight = (-1) ** (k - j) * sp.binomial(k, j) * self._along(sides[0], surface, k - j)
                    if self._size(weight, at) > TOLERANCE * max(self._size(sides[0], at), self._near(weight, at, n)):
                        yield self._found(-1 - j, surface, weight / (sp.Abs(slope) * slope**k), at)
                        break

    def seen(self) -> Iterator[Singularity]:
        """Jumps and kinks found in values on lines along the coordinates."""
        regular = self.e.xreplace({m: sp.S.Zero for m in self.e.atoms(sp.DiracDelta)})
        for level, plane, jump, at in breaks(lambda X: self._evaluate(regular, X), self.box):
            if not self._inside(np.array(at)):
                continue
            surface = None
            if plane is not None:
                surface = sum(sp.nsimplify(c) * v for c, v in zip(plane, (*self.variables, sp.S.One), strict=True))
            yield Singularity(level, surface, None if jump is None else sp.Float(jump, 17), tuple(map(float, at)))

    def _steps(self) -> dict[sp.Basic, range]:
        """The integers that a floor's argument takes in the box."""
        found = {}
        for node in self.e.atoms(sp.floor, sp.ceiling, sp.Mod):
            X = np.random.default_rng(3).uniform(self.box[:, 0], self.box[:, 1], (400, len(self.box)))
            v = self._evaluate(_inner(node), np.concatenate([X, self._corners()]))
            found[node] = range(int(np.floor(v.min())), int(np.ceil(v.max())) + 1)
            if len(found[node]) > 64:
                raise ValueError(f"{node} has more than 64 jumps in the domain: smooth it, or take fewer steps")
        return found

    def _corners(self) -> np.ndarray:
        return np.array(list(itertools.product(*self.box))).reshape(-1, len(self.box))

    def _evaluate(self, f: sp.Expr, X: np.ndarray) -> np.ndarray:
        columns = dict(zip(self.variables, torch.as_tensor(X).T, strict=True))
        (out,) = Program([f.subs(self.values)], self.variables)(columns)
        return np.broadcast_to(np.asarray(out, dtype=float), len(X))

    @property
    def _step(self) -> float:
        return 1e-10 * float(np.ptp(self.box, axis=1).max())

    def _inside(self, X: np.ndarray) -> bool:
        """Whether a point is inside, not on the boundary."""
        margin = 1e-9 * np.ptp(self.box, axis=1)
        if self.bounded and not bool(((self.box[:, 0] + margin < X) & (self.box[:, 1] - margin > X)).all()):
            return False
        return self.body is None or bool(self.body.inside(torch.as_tensor(X[list(self.order)])[None])[0])

    def _places(self, f: sp.Expr) -> Iterator[tuple[np.ndarray, sp.Expr]]:
        """Points at which f changes its sign inside, and the smooth surface through each; a few for every surface."""
        on = [i for i, v in enumerate(self.variables) if f.has(v)]
        if not on:
            return
        count: dict[sp.Expr, int] = {}
        smooth = None if f.has(*STRANGE) else _normalised(f, self.variables)
        for X in self._zeros(f, on):
            if smooth is not None and count.get(smooth, 0) >= _POINTS:
                return
            surface = self._plane_at(self._branch_beside(f, X) if smooth is None else smooth, X)
            if not surface.free_symbols & set(self.variables) or not self._inside(X):
                continue
            if count.setdefault(surface, 0) < _POINTS:
                count[surface] += 1
                yield X, surface

    def _plane_at(self, surface: sp.Expr, X: np.ndarray) -> sp.Expr:
        """x - a near a point where the surface is the zero a of a function of one coordinate x; else the surface."""
        on = [i for i, v in enumerate(self.variables) if surface.has(v)]
        if len(on) != 1 or _affine(surface, [self.variables[on[0]]]):
            return surface
        x, a = self.variables[on[0]], float(X[on[0]])
        exact = sp.Rational(a).limit_denominator(DENOMINATOR)
        known = abs(float(exact) - a) <= ROOT * max(1.0, abs(a)) and surface.subs(x, exact) == 0
        return x - (exact if known else sp.Float(a, 17))

    def _branch_beside(self, f: sp.Expr, X: np.ndarray) -> sp.Expr:
        """The smooth branch of f a little off a point, in a direction that lies in no surface by chance."""
        off = self._step * np.sqrt(np.arange(len(X)) * 4 + 2.0)
        return _normalised(sp.sympify(branch(f, self._at(X + off))), self.variables)

    def _zeros(self, f: sp.Expr, on: Sequence[int]) -> Iterator[np.ndarray]:
        rng = np.random.default_rng(11)
        for i in on:
            v = self.variables[i]
            slope = sp.expand(f.diff(v)) if not f.has(*STRANGE) else v
            count = 48 if len(on) > 1 else 2 if len(self.box) > 1 else 1
            base = rng.uniform(self.box[:, 0], self.box[:, 1], (count, len(self.box)))
            if not slope.has(v):  # affine in v: its zero is known, wherever it is
                base[:, i] = self._evaluate(sp.expand(-f.subs(v, 0)) / slope, base) if slope != 0 else np.nan
                yield from base[np.isfinite(base[:, i])]
                continue
            nodes = np.linspace(self.box[i, 0], self.box[i, 1], 130)
            for b in base:
                yield from self._on_line(f, b, i, nodes)

    def _on_line(self, f: sp.Expr, base: np.ndarray, i: int, nodes: np.ndarray) -> Iterator[np.ndarray]:
        X = np.repeat(base[None], len(nodes), 0)
        X[:, i] = nodes
        s = np.sign(self._evaluate(f, X))
        for k in np.flatnonzero((s[:-1] * s[1:] < 0) | (s[1:] == 0)):
            lo, hi = X[k].copy(), X[min(k + 1 + (s[k + 1] == 0), len(X) - 1)].copy()
            first = s[k]
            for _ in range(60):
                middle = (lo + hi) / 2
                if float(np.sign(self._evaluate(f, middle[None])[0])) == first:
                    lo = middle
                else:
                    hi = middle
            yield hi

    def _at(self, X: np.ndarray) -> dict[sp.Symbol, sp.Expr]:
        return dict(self.values) | {v: sp.Float(float(x), 30) for v, x in zip(self.variables, X, strict=True)}

    def _normal(self, surface: sp.Expr, X: np.ndarray) -> np.ndarray:
        at = self._at(X)
        n = np.array([float(_value(surface.diff(v), at)) for v in self.variables])
        return n / np.linalg.norm(n)

    def _across(self, surface: sp.Expr, X: np.ndarray) -> Iterator[Singularity]:
        n = self._normal(surface, X)
        if not np.isfinite(n).all():
            return
        sides = [sp.sympify(branch(self.e, self._at(X + sign * self._step * n))) for sign in (1, -1)]
        gap = sp.expand(sides[0] - sides[1])
        for k in range(SMOOTH + 1) if gap != 0 else ():
            jump = self._along(gap, surface, k)
            scale = max(self._near(jump, X, n), self._near(self._along(sides[0], surface, k), X, n))
            if self._size(jump, X) > TOLERANCE * scale:
                yield self._found(k, surface, jump, X)
                return

    def _along(self, e: sp.Expr, surface: sp.Expr, k: int) -> sp.Expr:
        """The k-th derivative along the unit normal, frozen."""
        names = [sp.Dummy() for _ in self.variables]
        for _ in range(k):
            e = sum(n * e.diff(v) for n, v in zip(names, self.variables, strict=True) if surface.has(v))
        length = _length(surface, self.variables)
        return sp.sympify(e).xreplace({n: surface.diff(v) / length for n, v in zip(names, self.variables, strict=True)})

    def _found(self, level: int, surface: sp.Expr, jump: sp.Expr, X: np.ndarray) -> Singularity:
        """With the jump on the surface itself, where that is a value of one coordinate."""
        on = [v for v in self.variables if surface.has(v)]
        if len(on) == 1 and surface.diff(on[0]) == 1:
            jump = jump.subs(on[0], sp.expand(on[0] - surface))
        return Singularity(level, surface, sp.expand(jump), tuple(map(float, X)))

    def _size(self, e: sp.Expr, X: np.ndarray) -> float:
        value = _value(sp.sympify(e), self._at(X))
        return abs(float(value)) if value.is_real else 0.0

    def _near(self, e: sp.Expr, X: np.ndarray, n: np.ndarray) -> float:
        far = 0.05 * float(np.ptp(self.box, axis=1).min())
        return max(self._size(e, X + h * n) for h in (-far, 0.0, far))


def _length(surface: sp.Expr, variables: Sequence[sp.Symbol]) -> sp.Expr:
    return sp.sqrt(sum(surface.diff(v) ** 2 for v in variables))


def _normalised(surface: sp.Expr, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """A plane with the coefficient 1 before its first coordinate, so that equal ones look equal."""
    on = [v for v in variables if surface.has(v)]
    if on and _affine(surface, on):
        lead = sp.expand(surface.diff(on[0]))
        if lead.is_number and lead != 0:
            return sp.expand(surface / lead)
    return surface
