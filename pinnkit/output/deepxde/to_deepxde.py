"""To and from DeepXDE; it is imported only here, and only when used."""

import contextlib
import importlib
import io
import os
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
import sympy as sp
import torch
from torch import Tensor

from pinnkit.model.model import Model
from pinnkit.network.jets.operations import Features
from pinnkit.network.mlp import MLP
from pinnkit.statement.points import Points
from pinnkit.statement.problem import Problem
from pinnkit.statement.symbolic.residual import Residual
from pinnkit.statement.symbolic.torch_program import Program
from pinnkit.tools.checked import Count, checked

from .deepxde_conditions import DeepXDEResiduals, column, geometry_of, native, pinned, with_parameters

BACKEND = "pytorch"
NUM = {"domain": 2000, "boundary": 400, "initial": 400}
_SIGMA = {
    "tanh": torch.tanh, "sin": torch.sin, "silu": torch.nn.functional.silu, "gelu": torch.nn.functional.gelu,
    "softplus": torch.nn.functional.softplus,
}  # fmt: skip


def import_deepxde() -> ModuleType:
    """The module `deepxde` on its PyTorch backend, imported without a trace.

    Nothing is printed, no file is written to `~/.deepxde`, and torch's default device and dtype, the
    environment and the global random states of `random`, numpy and torch are afterwards what they were
    before.

    Raises:
        RuntimeError: if deepxde is already imported with another backend.
    """
    if "deepxde" not in sys.modules:
        with _quiet(), _same_environment(), _same_defaults(), _same_randomness():
            importlib.import_module("deepxde")
    deepxde = sys.modules["deepxde"]
    backend = deepxde.backend.backend_name
    if backend != BACKEND:
        raise RuntimeError(
            f"deepxde is already imported with the backend {backend!r}, but pinnkit needs {BACKEND!r}: "
            f"set DDE_BACKEND={BACKEND} before the first import of deepxde."
        )
    return deepxde


@checked
@contextlib.contextmanager
def deepxde_precision(dtype: torch.dtype = torch.float64) -> Iterator[None]:
    """A block in which DeepXDE, and torch by default, compute in one precision; afterwards both are as before.

    Points, networks and training all read DeepXDE's precision, so all of them belong in the block.

    Args:
        dtype: float64 (default), float32 or float16.

    Raises:
        ValueError: another dtype.

    Example:
        >>> import pinnkit as pk
        >>> import torch
        >>> with pk.deepxde_precision(torch.float32):
        ...     torch.get_default_dtype()
        torch.float32
    """
    bits = {torch.float64: 64, torch.float32: 32, torch.float16: 16}
    if dtype not in bits:
        raise ValueError(f"DeepXDE does not compute in {dtype}: expected one of {', '.join(map(str, bits))}.")
    real = import_deepxde().config.real
    before = real.precision
    with _same_defaults():
        # Not by set_default_float, which prints.
        getattr(real, f"set_float{bits[dtype]}")()
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            getattr(real, f"set_float{before}")()


@dataclass(frozen=True, eq=False)
class DeepXDEProblem:
    """A problem in DeepXDE's words: ``data`` for a ``dde.Model``, and what else belongs to its training.

    ``terms`` names DeepXDE's losses in order and ``weights`` gives their weights; ``output_transform`` is the
    hard constraints' (None without); ``unknowns`` are the trained coefficients, each a ``dde.Variable``.
    """

    problem: Problem
    data: Any
    terms: tuple[str, ...]
    weights: list[float]
    output_transform: Callable[[Tensor, Tensor], Tensor] | None
    unknowns: Mapping[str, Tensor]

    @property
    def settings(self) -> dict[str, list]:
        """The arguments of ``dde.Model.compile`` that make its loss the problem's."""
        return {"loss_weights": self.weights, "external_trainable_variables": list(self.unknowns.values())}

    def model(self, network: MLP, theta: Tensor | None = None, *, seed: int = 0) -> Any:
        """A ``dde.Model`` whose network is the given one with parameters theta (P,), or those of the seed.

        Raises:
            TypeError: a network that is no MLP.
        """
        dde, domain = import_deepxde(), self.problem.domain
        if not isinstance(network, MLP):
            raise TypeError(f"DeepXDE has no counterpart of {type(network).__name__}: expected an MLP.")
        theta = Model(self.problem, network, False).initial(seed) if theta is None else theta
        features = network.features.build(domain)
        if not isinstance(features, Features):
            raise TypeError(f"DeepXDE has no counterpart of the features {type(network.features).__name__}.")
        net = dde.nn.FNN([features.count, *network.sizes[1:]], _SIGMA[network.activation], "zeros")
        omega, phase = (t.to(net.linears[0].weight) for t in (features.omega, features.phase))
        wave = features.wave

        def transform(x: Tensor) -> Tensor:
            z = torch.addmm(phase, x, omega.T)
            return torch.where(wave, torch.sin(z), z) if wave.any() else z

        net.apply_feature_transform(transform)
        if self.output_transform is not None:
            net.apply_output_transform(self.output_transform)
        self._write(net, theta)
        return dde.Model(self.data, net)

    def _write(self, net: torch.nn.Module, theta: Tensor) -> None:
        count = sum(p.numel() for p in net.parameters())
        expected = (count + len(self.unknowns),)
        if tuple(theta.shape) != expected:
            raise ValueError(f"theta has shape {tuple(theta.shape)}: expected {expected}.")
        torch.nn.utils.vector_to_parameters(theta[:count].to(next(net.parameters())), net.parameters())
        for variable, value in zip(self.unknowns.values(), theta[count:], strict=True):
            variable.data.copy_(value)

    def theta(self, model: Any) -> Tensor:
        """The parameters (P,) of a ``dde.Model`` that ``model`` made, for a `pinnkit.Solution`."""
        parts = [p.detach().reshape(-1) for p in (*model.net.parameters(), *self.unknowns.values())]
        return torch.cat(parts)


@checked
def to_deepxde(
    problem: Problem,
    points: Points | None = None,
    *,
    num: Mapping[str, Count] | None = None,
    hard: bool | None = None,
    distribution: Literal["uniform", "pseudo", "LHS", "Halton", "Hammersley", "Sobol"] = "Hammersley",
) -> DeepXDEProblem:
    """The same problem as a DeepXDE ``TimePDE`` (``PDE`` without time), to be trained by DeepXDE.

    Build and train it inside of :func:`deepxde_precision`::

        with deepxde_precision():
            twin = to_deepxde(problem, points)
            model = twin.model(pinnkit.MLP(2, 32, 32, 1))
            model.compile("adam", lr=1e-3, **twin.settings)
            model.train(iterations=10_000)
            theta = twin.theta(model)

    Args:
        problem: the problem.
        points: the points to train on. Default None: DeepXDE draws its own.
        num: how many points DeepXDE draws in the "domain", on the "boundary" and at the "initial" time.
        hard: whether conditions hold by construction, as in :class:`Model`. Default None: where that is possible.
        distribution: how DeepXDE draws points, such as "Hammersley" or "pseudo".

    Returns:
        The problem, with its DeepXDE data, settings and a way to build the model.

    Raises:
        ValueError: a domain that DeepXDE does not have, both points and num, or missing, weighted or unknown points.

    Example:
        >>> import pinnkit as pk
        >>> with pk.deepxde_precision():
        ...     twin = pk.to_deepxde(pk.problem("heat"), num={"domain": 50, "boundary": 20, "initial": 20})
        >>> type(twin.data).__name__
        'TimePDE'
    """
    dde, domain = import_deepxde(), problem.domain
    if points is not None and num is not None:
        raise ValueError("Got both points and num: give the points, or how many DeepXDE is to draw.")
    problem.everywhere("DeepXDE does")
    joined, geometry = Model(problem, None, hard), geometry_of(dde, problem)
    unknowns = {n: dde.Variable(v, dtype=dde.config.real(torch)) for n, v in problem.unknowns.items()}
    rows = {key: DeepXDEResiduals(dde, problem, group, unknowns) for key, group in _groups(joined).items()}
    conditions: Mapping[str, Any]
    drawn: Mapping[str, Any]
    if points is None:
        conditions, drawn = native(dde, geometry, problem, rows), _counts(problem, num)
    else:
        _check_points(problem, points, tuple(rows))
        conditions, drawn = pinned(dde, problem, rows, points), {"anchors": points["pde"].X.cpu().numpy()}

    def equations(x: Tensor, y: Tensor) -> list[Tensor]:
        # DeepXDE counts the arguments of its residuals, so they cannot be `rows["pde"]` itself.
        return rows["pde"](x, y)

    kind = dde.data.TimePDE if domain.time else dde.data.PDE
    data = kind(geometry, equations, list(conditions.values()), train_distribution=distribution, **drawn)
    _check_found(data.num_bcs, conditions)
    terms = (*rows["pde"].names, *conditions)
    weights = [problem.weights[name] for name in terms]
    return DeepXDEProblem(problem, data, terms, weights, _transform(joined, unknowns), unknowns)


def _groups(model: Model) -> dict[str, list[Residual]]:
    """The residuals that do not hold by construction, by the names of their point sets."""
    groups: dict[str, list[Residual]] = {"pde": []}
    for residual in model.problem.residuals:
        if residual.name not in model.exact_terms:
            groups.setdefault(residual.key, []).append(residual)
    return groups


def _counts(problem: Problem, num: Mapping[str, int] | None) -> dict[str, int]:
    known = [name for name in NUM if problem.domain.time or name != "initial"]
    num = {name: NUM[name] for name in known} if num is None else num
    for name in num:
        if name not in known:
            raise ValueError(f"num has {name!r}: expected numbers of points by {', '.join(known)}.")
    return {f"num_{name}": count for name, count in num.items()}


def _check_points(problem: Problem, points: Points, keys: tuple[str, ...]) -> None:
    for key in keys:
        if key not in points or not len(points[key]):
            raise ValueError(f"There are no points for {key!r}: {problem.name} needs {', '.join(keys)}.")
        if points[key].weights is not None:
            raise ValueError(f"The points for {key!r} have weights of their own, unknown to DeepXDE.")


def _check_found(found: list[int], conditions: Mapping[str, Any]) -> None:
    empty = [name for name, count in zip(conditions, found, strict=True) if not count]
    if empty:
        raise ValueError(f"DeepXDE drew no point for {empty[0]!r}: raise the number on its part in num.")


def _transform(model: Model, unknowns: Mapping[str, Tensor]) -> Callable[[Tensor, Tensor], Tensor] | None:
    """(inputs, outputs N) -> g + d N by the model's own ansatz; None where no field has hard constraints."""
    problem, variables = model.problem, model.problem.variables
    if not model.ansatz:
        return None
    pairs = [model.ansatz.get(u, (sp.S.Zero, sp.S.One)) for u in problem.fields]
    rows = [with_parameters(problem, sp.sympify(e, strict=True)) for pair in pairs for e in pair]
    trained = sorted({s for e in rows for s in e.free_symbols if s.name in unknowns}, key=str)
    program = Program(rows, (*variables, *trained))

    def transform(x: Tensor, y: Tensor) -> Tensor:
        values = {v: x[:, i] for i, v in enumerate(variables)} | {s: unknowns[s.name] for s in trained}
        found = [column(v, x) for v in program(values)]
        return torch.cat(found[::2], 1) + torch.cat(found[1::2], 1) * y

    return transform


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


@contextlib.contextmanager
def _same_environment() -> Iterator[None]:
    before = dict(os.environ)
    os.environ["DDE_BACKEND"] = BACKEND
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value


@contextlib.contextmanager
def _same_defaults() -> Iterator[None]:
    device, dtype = torch.get_default_device(), torch.get_default_dtype()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        if torch.get_default_device() != device:
            # None, not "cpu": a default device that is set, be it the CPU, slows every torch call down.
            torch.set_default_device(None if device.type == "cpu" else device)


@contextlib.contextmanager
def _same_randomness() -> Iterator[None]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
