"""The determining equations of Lie point symmetries: linear equations for the coefficients of a vector field."""

from dataclasses import dataclass

from pinnkit.statement.symbolic.channels import Index
from pinnkit.tools.sympy_types import PolyElement

from .jet_space import Jet, JetSpace, plus, unit_index

Key = tuple[int, Index]  # derivative m of unknown function f
Form = dict[Key, PolyElement]  # sum of coefficients times derivatives of unknown functions


@dataclass(frozen=True)
class Determining:
    """Rows sum_k c_k(z) d^{m_k} f_k(z) = 0 for functions f of z, and derivatives that vanish on their own.

    The functions are first xi^i, then, where ``linear``, alpha^a_b with phi^a = sum_b alpha^a_b u^b, else phi^a.
    """

    jets: JetSpace
    linear: bool
    base: tuple[PolyElement, ...]
    functions: int
    rows: tuple[Form, ...]
    zero: tuple[Key, ...]

    @property
    def straight(self) -> list[Key]:
        """The derivatives of xi by the fields, and the second ones of phi: all 0 where fields move linearly."""
        n, m = len(self.jets.x), len(self.jets.fields)
        once = [unit_index(n + a, n + m) for a in range(m)]
        twice = [plus(a, b) for k, a in enumerate(once) for b in once[k:]]
        return [(i, a) for i in range(n) for a in once] + [(n + c, ab) for c in range(m) for ab in twice]

    def vanishes(self, key: Key) -> bool:
        """Whether a derivative is zero because a lower one is."""
        f, m = key
        return any(f == g and all(a >= b for a, b in zip(m, k, strict=True)) for g, k in self.zero)


def determining(jets: JetSpace, linear: bool) -> Determining:
    """pr v (Delta) = 0 modulo Delta = 0, split by the derivatives of the fields (Olver 1993, theorem 2.36)."""
    work = _Prolongation(jets, linear)
    rows = [row for equation in jets.equations for row in work.split(jets.reduce_all(work.apply(equation)))]
    kept, zero = _simplified(rows)
    return Determining(jets, linear, tuple(work.base), work.functions, kept, zero)


class _Prolongation:
    """The prolonged coefficients phi^{a,J} as forms in the unknown functions."""

    def __init__(self, jets: JetSpace, linear: bool) -> None:
        self.jets, self.linear = jets, linear
        self.n, self.m = len(jets.x), len(jets.fields)
        self.values = [jets.u[a, (0,) * self.n] for a in range(self.m)]
        self.base = list(jets.x) if linear else [*jets.x, *self.values]
        self.functions = self.n + (self.m**2 if linear else self.m)
        self.nothing = (0,) * len(self.base)
        one = jets.ring.one
        self.slopes = [[self.total({(k, self.nothing): one}, i) for i in range(self.n)] for k in range(self.n)]
        self.known: dict[Jet, Form] = {}
        for a in range(self.m):
            if linear:
                first = {(self.n + a * self.m + b, self.nothing): self.values[b] for b in range(self.m)}
            else:
                first = {(self.n + a, self.nothing): one}
            self.known[a, (0,) * self.n] = first

    def total(self, form: Form, i: int) -> Form:
        """The total derivative D_i of a form."""
        out: Form = {}
        for (f, m), c in form.items():
            _add(out, (f, m), self.jets.total(c, i))
            _add(out, (f, plus(m, unit_index(i, len(self.base)))), c)
            if not self.linear:
                for a in range(self.m):
                    moved = plus(m, unit_index(self.n + a, len(self.base)))
                    _add(out, (f, moved), c * self.jets.u[a, unit_index(i, self.n)])
        return out

    def phi(self, jet: Jet) -> Form:
        """phi^{a,J+i} = D_i phi^{a,J} - sum_k D_i xi^k u^a_{J+k}."""
        if jet not in self.known:
            a, J = jet
            i = next(k for k in range(self.n) if J[k])
            lower = tuple(j - (k == i) for k, j in enumerate(J))
            form = self.total(self.phi((a, lower)), i)
            for k in range(self.n):
                for key, c in self.slopes[k][i].items():
                    _add(form, key, -c * self.jets.u[a, plus(lower, unit_index(k, self.n))])
            self.known[jet] = form
        return self.known[jet]

    def apply(self, equation: PolyElement) -> Form:
        """The prolonged field on an equation: sum_i xi^i Delta_{x_i} + sum phi^{a,J} Delta_{u^a_J}."""
        differential_ring = self.jets.differential_ring
        form: Form = {}
        for i, x in enumerate(self.jets.x):
            _add(form, (i, self.nothing), differential_ring.partial(equation, x))
        for jet, gen in self.jets.u.items():
            by = differential_ring.partial(equation, gen)
            if by:
                for key, c in self.phi(jet).items():
                    _add(form, key, differential_ring.normal(by * c))
        return form

    def split(self, form: Form) -> list[Form]:
        """The coefficients of all monomials in the derivatives that the unknown functions do not depend on."""
        ring, own = self.jets.ring, set(self.base)
        gens = [gen for gen in self.jets.u.values() if gen not in own]
        places = [self.jets.position[g] for g in gens]
        places += [self.jets.position[f] for g in gens for f in self.jets.differential_ring.functions_of(g)]
        parts: dict[Index, dict[Key, dict]] = {}
        for key, c in form.items():
            for e, number in c.items():
                at, rest = tuple(e[k] for k in places), list(e)
                for k in places:
                    rest[k] = 0
                parts.setdefault(at, {}).setdefault(key, {})[tuple(rest)] = number
        return [{key: ring.from_dict(p) for key, p in row.items()} for row in parts.values()]


def _add(form: Form, key: Key, c: PolyElement) -> None:
    if c:
        total = form[key] + c if key in form else c
        if total:
            form[key] = total
        else:
            del form[key]


def _simplified(rows: list[Form]) -> tuple[tuple[Form, ...], tuple[Key, ...]]:
    """Rows of one term are derivatives that vanish: all their derivatives vanish in the other rows too."""
    zero: list[Key] = []
    found: dict = {}
    while True:
        single = {key for row in rows if len(row) == 1 for key in row}
        zero = _least(zero + list(single))
        rest: dict = {}
        for row in rows:
            row = {key: c for key, c in row.items() if not _covered(key, zero)}
            if row:
                row = _primitive(row)
                rest[frozenset(row.items())] = row
        rows, found = list(rest.values()), rest
        if not any(len(row) == 1 for row in rows):
            return tuple(sorted(found.values(), key=len)), tuple(zero)


def _least(keys: list[Key]) -> list[Key]:
    kept: list[Key] = []
    for key in sorted(set(keys), key=lambda k: sum(k[1])):
        if not _covered(key, kept):
            kept.append(key)
    return kept


def _covered(key: Key, zero: list[Key]) -> bool:
    return any(key[0] == g and all(a >= b for a, b in zip(key[1], k, strict=True)) for g, k in zero)


def _primitive(row: Form) -> Form:
    """The row without a common monomial and with a first coefficient of 1."""
    least = [min(col) for col in zip(*(e for c in row.values() for e in c), strict=True)]
    ring = next(iter(row.values())).ring
    first = row[min(row)].LC
    if first == 1 and not any(least):
        return row
    shifted = {}
    for key, c in row.items():
        divided = {tuple(a - b for a, b in zip(e, least, strict=True)): k / first for e, k in c.items()}
        shifted[key] = ring.from_dict(divided)
    return shifted
