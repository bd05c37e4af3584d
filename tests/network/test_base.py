"""Networks of one's own: by subclassing, or by having the methods; what the contracts give by default."""

import pytest
import torch

import pinnkit as pk
from pinnkit.network.base import Evaluator, FeatureMap, Network, evaluator, periodic
from pinnkit.statement.symbolic.channels import Channels, partial

BOX = pk.Box(x=(0, 1), t=(0, 1))
INNER = pk.MLP(2, 5, 1)


class Bare:
    """A network that has the methods and no base class; so has what it builds."""

    features = pk.Harmonics(("x",), 2)

    def build(self, domain):
        return Only(INNER.build(domain))

    def initial(self, domain, seed, dtype=torch.float64):
        return INNER.initial(domain, seed, dtype)


class Only:
    def __init__(self, tape):
        self.count, self.run = tape.count, tape.run


class Least(Evaluator):
    def __init__(self, tape):
        self.count, self._tape = tape.count, tape

    def run(self, theta, X, channels, pool=None):
        return self._tape.run(theta, X, channels, pool)


class Stated(Network):
    def build(self, domain):
        return Least(INNER.build(domain))

    def initial(self, domain, seed, dtype=torch.float64):
        return INNER.initial(domain, seed, dtype)


@pytest.mark.parametrize("own", [Bare, Stated])
def test_a_network_of_ones_own_trains_like_the_one_it_holds(own):
    problem, settings = pk.problem("heat"), dict(stages=[pk.Adam(3)], progress=False, hard=False, resample=None)
    points = pk.sample(problem, 20)
    theta = pk.solve(problem, own(), points, **settings).theta
    assert torch.allclose(theta, pk.solve(problem, INNER, points, **settings).theta, rtol=1e-10, atol=0)


def test_what_is_not_defined_has_a_default():
    tape, theta = INNER.build(BOX), INNER.initial(BOX, 0)
    X, channels = BOX.sample(7), Channels.closed(2, [partial((2, 0))])
    for made in (Least(tape), evaluator(Bare(), BOX)):
        output, moved = made.sweep(theta, X, channels, theta)
        run = tape.run(theta, X, channels)
        assert torch.equal(output, run.output) and torch.equal(moved, run.tangent(theta))
        assert made.width == 64 and made.parameter_groups(theta) == [] and made.count == tape.count
    assert [tuple(g.shape) for g in tape.parameter_groups(theta)] == [(5, 2), (5,), (1, 5), (1,)]


def test_which_coordinates_a_network_is_periodic_in():
    wavy = pk.MLP(2, 5, 1, features=pk.Harmonics(("x",), 2))
    tangent = pk.Linearised(wavy, torch.zeros(1))
    assert [periodic(n) for n in (wavy, tangent, Bare())] == [("x",)] * 3
    assert [periodic(n) for n in (INNER, Stated(), None)] == [()] * 3


def test_what_lacks_a_method_is_refused_in_one_sentence():
    class Half:
        def build(self, domain):
            return 3

    class Wrong(Half):
        def initial(self, domain, seed, dtype=torch.float64):
            return INNER.initial(domain, seed, dtype)

    class Counted:
        count = 5

    class Silent(Wrong):
        def build(self, domain):
            return Counted()

    class Fixed(Network):
        def build(self, domain):
            return INNER.build(domain)

    assert isinstance(Wrong(), Network) and not isinstance(Half(), Network) and isinstance(Half(), FeatureMap)
    with pytest.raises(TypeError, match="network"):
        pk.solve(pk.problem("heat"), Half(), {"pde": 10}, stages=[], progress=False)
    with pytest.raises(TypeError, match="Wrong.build returned 3: expected a subclass of pinnkit.network.base.Eval"):
        pk.solve(pk.problem("heat"), Wrong(), {"pde": 10}, stages=[], progress=False)
    with pytest.raises(TypeError, match="Silent.build returned .*with count and run"):
        pk.solve(pk.problem("heat"), Silent(), {"pde": 10}, stages=[], progress=False)
    with pytest.raises(TypeError, match="initial"):
        Fixed()
