"""What does not fit the problem is refused before it is trained on: networks, points, complex numbers, points twice."""

import pytest
import sympy as sp
import torch
from torch import nn

import pinnkit as pk
from pinnkit.output.deepxde.to_deepxde import import_deepxde

x, y, t = pk.coordinates("x y t")
u, v, w = pk.field("u", x, t), pk.field("v", x, t), pk.field("w", x, y)
BAR = pk.Box(x=(0, 1), t=(0, 2))
ENDS = [pk.Initial(u, sp.sin(sp.pi * x)), pk.Dirichlet(u, 0, on="x")]
HEAT = pk.Problem("heat", u, u.diff(t) - u.diff(x, 2), BAR, ENDS)
PAIR = pk.Problem(
    "pair", (u, v), {"one": u.diff(t) - u.diff(x, 2) - v, "two": v.diff(t) - v.diff(x, 2)}, BAR,
    [*ENDS, pk.Initial(v, 0), pk.Dirichlet(v, 0, on="x")],
)  # fmt: skip
X = torch.tensor([[0.2, 0.5], [0.4, 1.0], [0.6, 1.5]], dtype=torch.float64)


def train(problem=HEAT, network=None, points=20, **more):
    network = network or pk.MLP(2, 4, 1)
    return pk.solve(problem, network, points, stages=[pk.Adam(1)], resample=None, progress=False, **more)


def layers(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, 4), nn.Tanh(), nn.Linear(4, outputs))


class Own:
    """A network of somebody's own, with three outputs."""

    def build(self, domain):
        return pk.MLP(2, 4, 3).build(domain)

    def initial(self, domain, seed, dtype=torch.float64):
        return pk.MLP(2, 4, 3).initial(domain, seed, dtype)


NETWORKS = {
    "too many outputs": (HEAT, pk.MLP(2, 4, 2), "gives 2 numbers .* heat has 1 field .u.: make its last layer 1 wide"),
    "gated": (HEAT, pk.ModifiedMLP(2, 4, 4, 3), "gives 3 numbers .* 1 field"),
    "too few outputs": (PAIR, pk.MLP(2, 4, 1), r"gives 1 number at a point and pair has 2 fields \(u, v\)"),
    "inputs": (HEAT, pk.MLP(3, 4, 1), "takes 3 inputs, the domain has 2 coordinates"),
    "a module's outputs": (HEAT, pk.Module(layers(2, 2)), "gives 2 numbers .* 1 field"),
    "a module's inputs": (HEAT, pk.Module(layers(3, 1)), "takes 3 inputs, the domain has 2 coordinates"),
    "somebody's own": (PAIR, Own(), "gives 3 numbers .* 2 fields"),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_a_network_of_other_numbers_is_refused(case):
    problem, network, words = NETWORKS[case]
    with pytest.raises(ValueError, match=words):
        train(problem, network)


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match="solve: network is"):
        train(network=torch.tanh)


def given(**sets):
    return pk.sample(HEAT, 20).replace(**sets)


OUTSIDE = {
    "far": (dict(pde=X * 3), "2 of 3 points 'pde' do not lie in the domain .* 2e-06, the first is number 1, x = 1"),
    "in time": (dict(pde=X + torch.tensor([0.0, 1.0])), "1 of 3 points 'pde'"),
    "by little": (dict(pde=X + torch.tensor([0.40001, 0.0])), "1 of 3 points 'pde' .* number 2, x = 1.00001"),
    "not initial": (dict(initial=X), "3 of 3 points 'initial' do not lie at the initial time"),
    "off the wall": (dict(x=pk.PointSet(X, {"n_x": X[:, 0]})), "3 of 3 points 'x' do not lie on x "),
    "too few coordinates": (dict(pde=X[:, :1]), "'pde' have 1 coordinates, the domain has 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", OUTSIDE)
def test_points_elsewhere_are_refused(case):
    sets, words = OUTSIDE[case]
    with pytest.raises(ValueError, match=words):
        train(points=given(**sets), hard=False)


def test_points_where_they_belong_are_taken():
    wall = torch.tensor([[0.0, 0.3], [1.0, 2.0]], dtype=torch.float64)
    own = given(pde=X, initial=X * torch.tensor([1.0, 0.0]), x=pk.PointSet(wall, {"n_x": 2 * wall[:, 0] - 1}))
    assert len(train(points=own, hard=False).points["pde"]) == 3
    single = pk.Box(x=(0.1, 0.7), t=(0, 0.3))  # whose ends float32 does not hold
    problem = pk.Problem("heat", u, u.diff(t) - u.diff(x, 2), single, ENDS)
    rounded = pk.sample(problem, 20, method="grid").to(torch.float32).to(torch.float64)
    assert train(problem, points=rounded, hard=False).stops


def test_points_of_a_hole_are_refused_and_a_resampler_s_too():
    g = import_deepxde().geometry
    ring = pk.Geometry(g.Disk([0, 0], 1) - g.Disk([0, 0], 0.5), names=("x", "y"))
    problem = pk.Problem("ring", w, w.diff(x, 2) + w.diff(y, 2) - 1, ring, [pk.Dirichlet(w, 0)])
    own = pk.sample(problem, 20)
    assert train(problem, points=own, hard=False).stops
    hole = torch.tensor([[0.6, 0.0], [0.3, 0.1]], dtype=torch.float64)
    with pytest.raises(ValueError, match="1 of 2 points 'pde' do not lie in the domain .* number 1, x = 0.3, y = 0.1"):
        train(problem, points=own.replace(pde=hole), hard=False)

    class Beside(pk.Resample):
        def __call__(self, solution, round):
            return solution.points.replace(pde=hole)

    with pytest.raises(ValueError, match="1 of 2 points 'pde'"):
        more = dict(resample=Beside(every=1), hard=False, progress=False)
        pk.solve(problem, pk.MLP(2, 4, 1), own, stages=[pk.Adam(3)], **more)


COMPLEX = {
    "readings": lambda: pk.Observations(u, X, X[:, 0] * 1j),
    "readings of NumPy": lambda: pk.Observations(u, X.numpy(), X[:, 0].numpy() * (1 + 1j)),
    "readings in a list": lambda: pk.Observations(u, X.tolist(), [1j, 2, 3]),
    "places of readings": lambda: pk.Observations(u, X + 1j, X[:, 0]),
    "points": lambda: pk.PointSet(X + 1j),
    "columns of points": lambda: pk.PointSet(X, {"value": X[:, 0] * 1j}),
    "weights": lambda: pk.PointSet(X, weights=X[:, 0] + 1j),
    "a reference": lambda: train(
        pk.Problem("heat", u, u.diff(t) - u.diff(x, 2), BAR, ENDS,
                   reference=pk.Computed(lambda X: (1j * X[:, :1]).to(torch.complex128), 0.0))),
    "a function": lambda: train(
        pk.Problem("heat", u, u.diff(t) - u.diff(x, 2) - pk.function(lambda x, t: 1j * x * t)(x, t), BAR, ENDS)),
    "a function of NumPy": lambda: pk.Problem(
        "heat", u, u.diff(t) - u.diff(x, 2), BAR, [pk.Initial(u, lambda x, t: 1j * x.numpy()), ENDS[1]]),
    "places to evaluate at": lambda: train()(X + 1j),
}  # fmt: skip


@pytest.mark.parametrize("case", COMPLEX)
def test_complex_numbers_are_refused(case):
    with pytest.raises(ValueError, match="the numbers are complex, and all is real here"):
        COMPLEX[case]()


@pytest.fixture(scope="module")
def trained():
    return train(points=30)


def test_a_point_is_removed_once(trained):
    influence, asked = pk.Influence(trained), pk.at("u", x=0.5, t=0.5)
    twice = {"pde": torch.tensor([4, 7, 4])}
    for call in (lambda: influence.remove(asked, [{"pde": torch.arange(3)}, twice]),
                 lambda: pk.retrain(trained, twice, 1e-3)):  # fmt: skip
        with pytest.raises(ValueError, match="point 4 of 'pde' is chosen 2 times: give every number once"):
            call()
    for wrong in (torch.tensor([0, -1]), torch.tensor([30]), torch.tensor([0.5])):
        with pytest.raises(ValueError, match="numbered 0 to 29"):
            influence.remove(asked, [{"pde": wrong}])
    with pytest.raises(ValueError, match="no point set 'wall' in the loss: it has pde"):
        influence.remove(asked, [{"wall": torch.tensor([0])}])
    mask = torch.arange(30) < 3
    same = influence.remove(asked, [{"pde": torch.arange(3)}, {"pde": mask}], convention="mean")
    assert torch.equal(same[:, 0], same[:, 1])
