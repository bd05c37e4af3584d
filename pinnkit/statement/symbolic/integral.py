"""Integrals of fields in equations and conditions, as sums over quadrature nodes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from pinnkit.tools.simplified import simplified
from pinnkit.tools.sympy_tree import held
from pinnkit.tools.sympy_types import AppliedUndef

from .elsewhere import AT, NODE, WEIGHT, at_places, here, made, uses
from .expression import as_expression
from .notation import differentiate

NODES = 32  # Gauss points of a piece of an integral over one variable
NODES_MORE = 12  # of each variable, where there are several
MOST_NODES, MOST_SUM, MOST_KINKS = 1000, 50_000, 12  # of a variable, of a whole integral, of a kernel
STEEPEST = 10  # the largest power by which nodes are drawn to a singular end
LOGARITHM = 6  # the power by which they are drawn to where a logarithm is infinite
_KINKS = sp.Abs, sp.Heaviside, sp.sign, sp.Max, sp.Min


@held
class Integral(sp.Expr):
    """The integral of an expression in fields, for equations and conditions; it is taken by Gauss points.

    SymPy's own ``Integral`` stands for the same. Nodes are put between kinks and jumps of the kernel that are linear in
    the variable, and drawn to its singular ends: |x - s|, min(x, s), (t - s)^(-1/2) and log|x - s| are integrated as
    smooth kernels are.

    Args:
        expression: the integrand. A field of the variable is written with it: ``u.subs(x, s)``, or over ``x`` itself.
        limits: (variable, low, high), one or several; an end may be a coordinate of the point, as in Volterra's.
        nodes: number of Gauss points of every variable, between kinks. Default: 32, of several variables 12 each.

    Raises:
        ValueError: limits that are not (variable, low, high), or a count below 1 or above 1000.

    Example:
        >>> import pinnkit as pk
        >>> x, s = pk.coordinates("x s")
        >>> u = pk.field("u", x)
        >>> pk.Problem("Volterra", u, u - pk.Integral(u.subs(x, s), (s, 0, x)) - 1, pk.Box(x=(0, 1))).keys
        ('pde',)
    """

    is_commutative = True
    is_real = True
    differentiates = False  # its argument, for the bounds of what a file may hold

    def __new__(cls, expression: Any, *limits: Any, nodes: int | None = None) -> "Integral":
        """The integral as an expression."""
        if isinstance(expression, sp.Integral) and len(limits) == 1 and isinstance(limits[0], sp.Integer):
            if not 0 <= limits[0] <= MOST_NODES:
                raise ValueError(f"Integral with nodes={limits[0]}: expected 1 to {MOST_NODES}")
            return super().__new__(cls, expression, limits[0])  # as SymPy makes it again of its parts
        if not limits or any(not isinstance(limit, (tuple, sp.Tuple)) or len(limit) != 3 for limit in limits):
            raise ValueError(f"Integral over {limits}: expected (variable, low, high), as in (s, 0, 1)")
        if nodes is not None and not 1 <= nodes <= MOST_NODES:
            raise ValueError(f"Integral with nodes={nodes}: expected 1 to {MOST_NODES}")
        integral = sp.Integral(as_expression(expression, "an integrand"), *limits)
        return super().__new__(cls, integral, sp.Integer(nodes or 0))

    def doit(self, **hints: Any) -> sp.Expr:
        """SymPy's integral.

        Args:
            hints: as SymPy's ``doit`` takes them.
        """
        return self.args[0].doit(**hints)

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return self.args[0].diff(s)

    def _sympystr(self, printer: Any) -> str:
        return printer._print(self.args[0])

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        body = printer._print(self.args[0])
        return body if exp is None else rf"\left({body}\right)^{{{exp}}}"


@held
class Caputo(sp.Expr):
    """Caputo's derivative of u by t of an order that is no whole number, with memory from ``start`` on.

    D^a u = 1/Gamma(n - a) int_start^t (t - s)^(n - 1 - a) u^(n)(s) ds, n the next whole number above a. Nodes are drawn
    to both ends.

    Args:
        u: the field.
        t: the coordinate.
        order: a, between 0 and 1 or 1 and 2.
        start: where memory begins. Default 0.

    Raises:
        ValueError: another order.

    Source:
        Caputo, Geophys. J. R. Astron. Soc. 13 (1967).

    Example:
        >>> import pinnkit as pk
        >>> (t,) = pk.coordinates("t")
        >>> u = pk.field("u", t)
        >>> pk.Problem("relaxation", u, pk.Caputo(u, t, 0.5) + u, pk.Box(t=(0, 1)), pk.Initial(u, 1)).keys
        ('pde', 'initial')
    """

    is_commutative = True
    is_real = True

    def __new__(cls, u: Any, t: Any, order: Any, start: Any = 0) -> "Caputo":
        """The derivative as an expression."""
        order = sp.nsimplify(sp.sympify(order), rational=True)
        if not (order.is_number and 0 < order < 2 and order != 1):
            raise ValueError(f"Caputo of order {order}: expected a number between 0 and 1, or 1 and 2")
        return super().__new__(cls, as_expression(u, "Caputo"), t, order, sp.sympify(start))

    @property
    def integral(self) -> sp.Expr:
        """The integral that it is."""
        u, t, order, start = self.args
        n = sp.ceiling(order)
        s = sp.Symbol(f"{t.name}_memory", real=True)
        memory = sp.Integral((t - s) ** (n - 1 - order) * u.diff(t, n).xreplace({t: s}), (s, start, t))
        return memory / sp.gamma(n - order)

    def _eval_derivative(self, s: sp.Symbol) -> sp.Expr:
        return self.integral.diff(s)

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        u, t, order, _ = map(printer._print, self.args)
        body = rf"D_{{{t}}}^{{{order}}} {u}"
        return body if exp is None else rf"\left({body}\right)^{{{exp}}}"


def with_integrals(e: sp.Expr, fields: Sequence[AppliedUndef], variables: Sequence[sp.Symbol]) -> sp.Expr:
    """The expression with every integral of fields, and every field at another place, as a function of its own.

    Raises:
        ValueError: an integral that cannot be taken by quadrature, with a sentence on what to do.
    """
    if not _elsewhere(e, fields, variables):
        return e
    e = e.xreplace({c: c.integral for c in e.atoms(Caputo)})
    counted = {n: n.args[0].doit(integrals=False) for n in e.atoms(Integral)}
    counts = {integral: int(n.args[1]) or None for n, integral in counted.items()}
    e = e.xreplace(counted).doit(integrals=False)
    replace = {}
    for node in _outermost(e):
        if uses(node, fields):
            replace[node] = _Quadrature(node, fields, variables, counts.get(node)).value
    return at_places(e.xreplace(replace), fields, variables)


def depends_on(e: sp.Expr, fields: Sequence[AppliedUndef], variables: Sequence[sp.Symbol]) -> set[sp.Symbol]:
    """The coordinates of a point on which the expression depends there: none for a total mass."""
    if not _elsewhere(e, fields, variables):
        return set(variables)
    e = with_integrals(e, fields, variables)
    return set(variables) if uses(e, fields) else e.free_symbols & set(variables)


def _elsewhere(e: sp.Expr, fields: Sequence[AppliedUndef], variables: Sequence[sp.Symbol]) -> bool:
    """Whether there is anything of the kind, which nearly no equation has."""
    if e.has(sp.Integral, Caputo, sp.Subs):
        return True
    own, names = tuple(variables), {u.func for u in fields}
    return any(u.func in names and u.args != own and len(u.args) == len(own) for u in e.atoms(AppliedUndef))


def _outermost(e: sp.Basic) -> Iterator[sp.Integral]:
    if isinstance(e, sp.Integral):
        yield e
        return
    for a in e.args:
        yield from _outermost(a)


@dataclass(frozen=True)
class _Piece:
    """Part of the way of one integration variable, with nodes drawn to one end by a power."""

    low: sp.Expr
    high: sp.Expr
    drawn: str = ""  # "low", "high" or neither
    power: int = 1


class _Quadrature:
    """One integral of fields as a sum of functions of the row's own point."""

    def __init__(
        self, node: sp.Integral, fields: Sequence[AppliedUndef], variables: Sequence[sp.Symbol], count: int | None
    ) -> None:
        self.node, self.fields, self.variables = node, fields, tuple(variables)
        self.limits = [self._limit(limit) for limit in node.limits]
        self.symbols = [s for s, _, _ in self.limits]
        self.count = count or (NODES if len(self.limits) == 1 else NODES_MORE)
        if node.function.has(sp.Integral):
            self._refuse("holds another integral of a field: give the inner one a field of its own")

    def _refuse(self, why: str) -> None:
        raise ValueError(f"the integral {self.node} {why}")

    def _limit(self, limit: sp.Tuple) -> tuple[sp.Symbol, sp.Expr, sp.Expr]:
        if len(limit) != 3:
            self._refuse("has no limits: write pk.Integral(expression, (s, low, high))")
        s, low, high = limit
        if low.is_infinite or high.is_infinite:
            self._refuse(
                "has an infinite limit: the domain is finite, so end it where the field has died away, or map the "
                "coordinate to a finite one"
            )
        return s, low, high

    @property
    def value(self) -> sp.Expr:
        """The sum."""
        total = sp.S.Zero
        for outside, inside in self._terms():
            for pieces in self._pieces(inside):
                total += outside * self._sum(inside, pieces)
        return total

    def _terms(self) -> Iterator[tuple[sp.Expr, sp.Expr]]:
        """Factors before integrals whose integrands hold fields at one place each."""
        f = self.node.function
        if len(self._places(f)) == 1 and not self._own(f):
            yield sp.S.One, f
            return
        for term in sp.Add.make_args(sp.expand_mul(sp.expand_power_base(f))):
            outside, inside = term.as_independent(*self.symbols, as_Add=False)
            if len(self._places(inside)) > 1 or self._own(inside):
                self._refuse(
                    "multiplies fields at several places: give one of them a field of its own, or write the product as "
                    "a sum in which each integrand holds fields at one place"
                )
            yield outside, inside

    def _places(self, e: sp.Expr) -> set[tuple[sp.Expr, ...]]:
        """Where fields are taken under the integral."""
        found = {place for _, place, _ in uses(e, self.fields).values()}
        return {place for place in found if self._moves(place)}

    def _own(self, e: sp.Expr) -> bool:
        """Whether fields are taken at places that the integral does not move."""
        return any(not self._moves(place) for _, place, _ in uses(e, self.fields).values())

    def _moves(self, place: tuple[sp.Expr, ...]) -> bool:
        return any(a.has(s) for a in place for s in self.symbols)

    def _pieces(self, f: sp.Expr) -> Iterator[list[_Piece]]:
        """All combinations of pieces of the integration variables."""
        found: list[list[_Piece]] = [[]]
        for s, low, high in self.limits:
            found = [[*row, piece] for row in found for piece in self._cut(f, s, low, high)]
        if (total := len(found) * self.count ** len(self.symbols)) > MOST_SUM:
            self._refuse(f"takes {total} nodes, {MOST_SUM} at most: give it fewer (nodes=...), or fewer kinks")
        yield from found

    def _cut(self, f: sp.Expr, s: sp.Symbol, low: sp.Expr, high: sp.Expr) -> list[_Piece]:
        """The way cut where the kernel kinks or jumps, with nodes drawn to where it is singular."""
        kernel = f.xreplace({atom: sp.Dummy(real=True) for atom in uses(f, self.fields)})
        bends = _bends(kernel, s)
        if len(bends) > MOST_KINKS:
            self._refuse(
                f"has a kernel with {len(bends)} kinks and jumps: write it as a sum, {MOST_KINKS} at most each"
            )
        kinks = _roots(bends, s)
        inner = [_inside(root, low, high, self.variables) for root in kinks if root not in (low, high)]
        if len(inner) > 1 and all(c.is_number for c in inner):
            inner = sorted(inner, key=float)
        elif len(inner) == 2:
            inner = [sp.Min(*inner), sp.Max(*inner)]
        elif len(inner) > 2:
            self._refuse("has a kernel with more than two kinks that move: write one integral between each two of them")
        edges, singular = [low, *inner, high], self._singular(kernel, s)
        pieces = []
        for a, b in zip(edges[:-1], edges[1:], strict=True):
            powers = {end: singular[e] for end, e in (("low", a), ("high", b)) if e in singular}
            if not powers:
                pieces.append(_Piece(a, b))
                continue
            power = max(powers.values())  # what is as singular at one end mostly is at the other: memory that begins
            middle = (a + b) / 2
            pieces += [_Piece(a, middle, "low", power), _Piece(middle, b, "high", power)]
        return pieces

    def _singular(self, kernel: sp.Expr, s: sp.Symbol) -> dict[sp.Expr, int]:
        """Where the kernel has a power that is no whole number, or a logarithm, and how steeply nodes are drawn."""
        found: dict[sp.Expr, int] = {}
        for p in kernel.atoms(sp.Pow):
            base, r = p.args
            if base.has(s) and r.is_number and not (r.is_Integer and r >= 0):
                r = sp.nsimplify(r, rational=True)
                for root in _roots([g.args[0] if isinstance(g, sp.Abs) else g for g in (base,)], s):
                    if r <= -1 and root in self._ends(s):
                        self._refuse(f"has the kernel {p}, which is not integrable: integrate by parts")
                    found[root] = max(found.get(root, 1), min(int(r.q), STEEPEST))
        for f in kernel.atoms(sp.log):
            inner = f.args[0].args[0] if isinstance(f.args[0], sp.Abs) else f.args[0]
            found |= {root: max(found.get(root, 1), LOGARITHM) for root in _roots([inner], s)}
        return {root: max(power, 2) for root, power in found.items()}

    def _ends(self, s: sp.Symbol) -> tuple[sp.Expr, sp.Expr]:
        return next((low, high) for v, low, high in self.limits if v == s)

    def _sum(self, f: sp.Expr, pieces: Sequence[_Piece]) -> sp.Expr:
        """The integral over one piece of every variable."""
        found = uses(f, self.fields)
        place = next((p for p in self._places(f)), self.variables)
        weight, at, gaps = sp.S.One, {}, {}
        for k, (s, piece) in enumerate(zip(self.symbols, pieces, strict=True)):
            node, w = (sp.Symbol(name.format(k), positive=True) for name in (NODE, WEIGHT))
            length, p = piece.high - piece.low, piece.power
            gap = length * node**p
            at[s] = piece.high - gap if piece.drawn == "high" else piece.low + gap
            weight *= length * p * node ** (p - 1) * w
            if piece.drawn:
                gaps[s] = (sp.Symbol(f"{s.name}{AT}gap", positive=True), piece, gap)
        nodes = [a.subs(at, simultaneous=True) for a in place]
        columns: dict[sp.Symbol, sp.Expr] = {}
        # Own coordinates that are no integration variables, then what stands for those, then fields at the node.
        fields = {atom: sp.Dummy(real=True) for atom in found}
        kernel = f.xreplace(fields)
        own = {v: here(v) for v in self.variables if v not in self.symbols}
        moved: dict[sp.Symbol, sp.Expr] = {}
        for s in self.symbols:
            if s in gaps:
                gap, piece, value = gaps[s]
                end = piece.high - gap if piece.drawn == "high" else piece.low + gap
                moved[s] = end.xreplace({v: here(v) for v in self.variables})
                columns[gap] = value
            else:
                moved[s] = sp.Symbol(s.name + AT, real=True)
                columns[moved[s]] = at[s]
        kernel = kernel.xreplace(own).subs(moved, simultaneous=True)
        values = {fields[a]: differentiate(self.fields[k], index, self.variables) for a, (k, _, index) in found.items()}
        outputs = sorted({k for k, _, _ in found.values()})
        title = self.node.func(f, *((s, p.low, p.high) for s, p in zip(self.symbols, pieces, strict=True)))
        integrand = kernel.xreplace(values)
        columns = {c: e for c, e in columns.items() if integrand.has(c)}
        return made(title, integrand, nodes, self.variables, outputs, weight, columns, [self.count] * len(self.symbols))


def _bends(kernel: sp.Expr, s: sp.Symbol) -> list[sp.Expr]:
    """Formulas that vanish where the kernel kinks or jumps."""
    found = [f.args[0] if len(f.args) < 2 or isinstance(f, sp.Heaviside) else f.args[0] - f.args[1]
             for f in kernel.atoms(*_KINKS)]  # fmt: skip
    found += [r.lhs - r.rhs for p in kernel.atoms(sp.Piecewise) for r in p.atoms(sp.core.relational.Relational)]
    return [g for g in found if g.has(s)]


def _roots(formulas: Sequence[sp.Expr], s: sp.Symbol) -> list[sp.Expr]:
    """Where formulas that are linear in s vanish."""
    found = []
    for g in formulas:
        slope = sp.diff(g, s)
        if slope != 0 and not slope.has(s):
            found.append(simplified(-g.subs(s, 0) / slope))
    return list(dict.fromkeys(found))


def _inside(root: sp.Expr, low: sp.Expr, high: sp.Expr, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """A place between the limits; a coordinate is."""
    return root if root in variables else sp.Min(sp.Max(root, low), high)
