"""The bandwidth of initial weights: what it does to them, and that data that oscillate ask for more of it."""

import sympy as sp
import torch

import pinnkit as pk
from pinnkit.tools.serialise import decode, encode
from pinnkit.training.bandwidth import tuned

BOX = pk.Box(x=(0, 1), y=(0, 1))


def test_first_weights_are_wider_and_all_others_are_the_same():
    plain, wide = (pk.MLP(2, 7, 5, 1, bandwidth=b).initial(BOX, 3) for b in (1.0, 4.0))
    assert torch.allclose(wide[:14], 4 * plain[:14], rtol=1e-15)
    bias = wide[14:21]
    assert bias.abs().max() <= 4 and bias.std() > 0.5 and not plain[14:21].any()
    assert (wide[-1] == 0) and wide[21:56].std() > 0 and torch.equal(plain, pk.MLP(2, 7, 5, 1).initial(BOX, 3))


def test_a_file_holds_it_and_one_without_it_means_1():
    for network in (pk.MLP(2, 7, 1, bandwidth=2.5), pk.ModifiedMLP(2, 7, 7, 1, bandwidth=2.5)):
        data = encode(network)
        assert decode(data) == network
        assert decode({k: v for k, v in data.items() if k != "bandwidth"}).bandwidth == 1.0


def model(exact: sp.Expr) -> pk.Model:
    x, y = pk.coordinates("x y")
    u = pk.field("u", x, y)
    equation = u.diff(x, 2) + u.diff(y, 2) - exact.diff(x, 2) - exact.diff(y, 2)
    return pk.Model(pk.Problem("p", u, equation, BOX, [pk.Dirichlet(u, exact)]), pk.MLP(2, 10, 10, 1))


def test_oscillating_data_ask_for_more_of_it():
    x, y = pk.coordinates("x y")
    chosen = {k: tuned(model(sp.sin(k * x) * sp.cos(k * y)), pk.MLP(2, 12, 12, 1), seed=0) for k in (2, 18)}
    frequency = {k: n.bandwidth * (2 if n.activation == "sin" else 1) for k, n in chosen.items()}
    assert frequency[18] >= 4 * max(1, frequency[2] / 2) and frequency[18] > frequency[2]
    assert all(n.sizes == (2, 12, 12, 1) for n in chosen.values())


def test_it_is_chosen_by_the_seed_alone():
    x, y = pk.coordinates("x y")
    first, second = (tuned(model(sp.sin(9 * x) * y), pk.MLP(2, 10, 10, 1), seed=4) for _ in range(2))
    assert first == second
