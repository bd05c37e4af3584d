"""Channels (partial derivatives carried through a network) and how an elementwise function acts on them."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property

Index = tuple[int, ...]  # a multi-index: how often each coordinate is differentiated
Channel = tuple[tuple[float, Index], ...]  # a linear combination of partial derivatives; mostly one of weight 1
Term = tuple[float, int, tuple[int, ...]]  # coefficient * sigma^(m)(z_0) * product of channels z_c
Polynomial = tuple[Term, ...]


def partial(index: Index) -> Channel:
    """The channel that is one partial derivative."""
    return ((1.0, tuple(index)),)


def _unit(dim: int, i: int) -> Index:
    return tuple(int(k == i) for k in range(dim))


def _add(a: Index, b: Index) -> Index:
    return tuple(i + j for i, j in zip(a, b, strict=True))


def compose(index: Index) -> dict[tuple[int, tuple[Index, ...]], float]:
    """Faa di Bruno: D^index sigma(z) as {(m, factors): coefficient}, a sum of sigma^(m) * prod D^factor z."""
    terms: Counter = Counter({(0, ()): 1})
    for i, times in enumerate(index):
        step = _unit(len(index), i)
        for _ in range(times):
            derived: Counter = Counter()
            for (m, factors), coefficient in terms.items():
                derived[m + 1, tuple(sorted((*factors, step)))] += coefficient
                for k, factor in enumerate(factors):
                    rest = factors[:k] + factors[k + 1 :]
                    derived[m, tuple(sorted((*rest, _add(factor, step))))] += coefficient
            terms = derived
    return dict(terms)


def _needed(channel: Channel) -> list[Index]:
    """All partial derivatives that sigma(z) needs of z besides the channel itself."""
    found: set[Index] = set()
    for _, index in channel:
        for _, factors in compose(index):
            found.update(factors)
    return sorted(found - {index for _, index in channel})


@dataclass(frozen=True)
class Channels:
    """A set of channels closed under composition, value first: the shape (C, ...) of every jet."""

    dim: int
    items: tuple[Channel, ...]

    @staticmethod
    def closed(dim: int, wanted: "set[Channel] | list[Channel]") -> "Channels":
        """The smallest closed set that holds ``wanted`` (and the value)."""
        items = set(wanted) | {partial((0,) * dim)}
        pending = list(items)
        while pending:
            for index in _needed(pending.pop()):
                channel = partial(index)
                if channel not in items:
                    items.add(channel)
                    pending.append(channel)
        return Channels(dim, tuple(sorted(items, key=lambda c: (sum(c[0][1]), len(c), c))))

    def __len__(self) -> int:
        return len(self.items)

    def position(self, channel: Channel) -> int:
        """Where the channel stands in the set."""
        return self._positions[channel]

    @cached_property
    def _positions(self) -> dict[Channel, int]:
        return {channel: i for i, channel in enumerate(self.items)}

    @property
    def order(self) -> int:
        """The highest order of derivative in the set."""
        return max(sum(index) for channel in self.items for _, index in channel)

    @cached_property
    def composition(self) -> tuple[Polynomial, ...]:
        """For every channel j the polynomial h_j of h = sigma(z) in sigma^(m)(z_0) and the channels of z."""
        return tuple(self._polynomial(channel) for channel in self.items)

    def _polynomial(self, channel: Channel) -> Polynomial:
        own = {index for _, index in channel}
        terms: defaultdict[tuple, float] = defaultdict(float)
        for weight, index in channel:
            for (m, factors), coefficient in compose(index).items():
                if not (len(factors) == 1 and factors[0] in own):  # sigma' times the channel itself: added below
                    positions = tuple(sorted(self.position(partial(f)) for f in factors))
                    terms[m, positions] += weight * coefficient
        if sum(channel[0][1]):
            terms[1, (self.position(channel),)] += 1.0
        return tuple((float(c), m, z) for (m, z), c in sorted(terms.items()))

    @cached_property
    def jacobian(self) -> dict[tuple[int, int], Polynomial]:
        """Non-zero partial derivatives of h_j by z_c, keyed (j, c)."""
        return self._derive({(j,): p for j, p in enumerate(self.composition)})

    @cached_property
    def hessian(self) -> dict[tuple[int, int, int], Polynomial]:
        """Non-zero second partial derivatives of h_j by z_c and z_e, keyed (j, c, e)."""
        return self._derive(self.jacobian)

    def _derive(self, polynomials: dict) -> dict:
        derived = {}
        for key, polynomial in polynomials.items():
            for c in range(len(self)):
                result = differentiate(polynomial, c)
                if result:
                    derived[*key, c] = result
        return derived

    @cached_property
    def product(self) -> tuple[tuple[tuple[float, int, int], ...], ...]:
        """Leibniz: for every channel j of f*g the terms (coefficient, channel of f, channel of g)."""
        return tuple(self._leibniz(channel) for channel in self.items)

    def _leibniz(self, channel: Channel) -> tuple[tuple[float, int, int], ...]:
        zero = partial((0,) * self.dim)
        terms: defaultdict[tuple, float] = defaultdict(float)
        if len(channel) == 1 and channel[0][0] == 1.0:
            for a, b, coefficient in split(channel[0][1]):
                terms[self.position(partial(a)), self.position(partial(b))] += coefficient
        else:
            terms[self.position(channel), self.position(zero)] += 1.0
            terms[self.position(zero), self.position(channel)] += 1.0
            for weight, index in channel:
                for a, b, coefficient in split(index):
                    if sum(a) and sum(b):
                        terms[self.position(partial(a)), self.position(partial(b))] += weight * coefficient
        return tuple((float(c), a, b) for (a, b), c in sorted(terms.items()))


def split(index: Index) -> list[tuple[Index, Index, int]]:
    """All ways (a, b, binomial) to share a derivative between two factors of a product."""
    ways: Counter = Counter({((0,) * len(index), (0,) * len(index)): 1})
    for i, times in enumerate(index):
        step = _unit(len(index), i)
        for _ in range(times):
            shared: Counter = Counter()
            for (a, b), n in ways.items():
                shared[_add(a, step), b] += n
                shared[a, _add(b, step)] += n
            ways = shared
    return [(a, b, n) for (a, b), n in ways.items()]


def differentiate(polynomial: Polynomial, c: int) -> Polynomial:
    """The derivative of a polynomial by channel c (channel 0 enters through sigma^(m) alone)."""
    if c == 0:
        return tuple((k, m + 1, z) for k, m, z in polynomial)
    derived = []
    for k, m, z in polynomial:
        times = z.count(c)
        if times:
            at = z.index(c)
            derived.append((k * times, m, z[:at] + z[at + 1 :]))
    return tuple(derived)
