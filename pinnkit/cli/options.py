"""What is typed in a shell as settings of a run: networks, stages, points, resampling, questions."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, get_args, get_type_hints

import torch

from pinnkit.model.quantity.base import Functional
from pinnkit.model.quantity.error import Error
from pinnkit.model.quantity.field import at
from pinnkit.model.quantity.loss import Loss, test_loss
from pinnkit.model.quantity.unknown import Unknown
from pinnkit.model.solution import Solution
from pinnkit.network.base import Network
from pinnkit.network.mlp import Layered
from pinnkit.statement.problem import Problem
from pinnkit.tools.serialise import registered
from pinnkit.training.balance import KINDS, Balance
from pinnkit.training.optim import STAGES, Stage
from pinnkit.training.remodel import Correct
from pinnkit.training.resampling.resample import RESAMPLERS, Resampler

SCALARS = (bool, int, float, str)
_SHORT = {"lm": "levenbergmarquardt"}


def pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """``["k=v", ...]`` as a mapping.

    Raises:
        ValueError: a text without "=", a name that comes twice.
    """
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals):
            raise ValueError(f"{option} {text}: expected NAME=VALUE")
        if name.strip() in found:
            raise ValueError(f"{option} {text}: {name.strip()} is given twice")
        found[name.strip()] = value.strip()
    return found


def point_counts(texts: Sequence[str]) -> dict[str, int]:
    """``["pde=2000,initial=200", ...]``, or a bare number for the interior, as counts by set; ValueError else."""
    parts = [part for text in texts for part in text.split(",")]
    named = pairs([part if "=" in part else f"pde={part}" for part in parts], "--points")
    return {key: _whole(value, f"--points {key}={value}") for key, value in named.items()}


def widths(text: str, problem: Problem, like: Network) -> Network:
    """``"32,32,32"`` as a network with these hidden layers, else as ``like``; ValueError where that cannot be."""
    hidden = [_whole(part, f"--network {text}") for part in text.split(",")]
    if not isinstance(like, Layered):
        raise ValueError(f"--network {text}: the problem's own network, {type(like).__name__}, has no layers to set")
    return like.resized(*hidden)


def stages(text: str) -> tuple[Stage, ...]:
    """``"adam:1000:lr=0.01,ssbroyden:3000"`` as stages; ValueError for an unknown optimiser or setting."""
    return tuple(_stage(part.strip()) for part in text.split(","))


def _stage(text: str) -> Stage:
    name, *rest = text.split(":")
    known = {key.lower(): kind for key, kind in (_registered_stages() | STAGES | {"Correct": Correct}).items()}
    kind = known.get(_SHORT.get(name.lower(), name.lower()))
    if kind is None:
        raise ValueError(f"--stages {text}: {name!r} is not an optimiser; choose among {', '.join([*known, 'lm'])}")
    settings: dict[str, Any] = {}
    if rest and "=" not in rest[0]:
        settings["iterations"] = _whole(rest.pop(0), f"--stages {text}")
    kinds = _typed(kind)
    for key, value in pairs(rest, "--stages").items():
        if key not in kinds:
            raise ValueError(f"--stages {text}: {kind.__name__} has no setting {key!r}; it has {', '.join(kinds)}")
        settings[key] = _as(kinds[key], value, f"--stages {text}")
    return kind(**settings)


def _registered_stages() -> dict[str, type]:
    """Optimisers that a problem's file has registered: dataclasses that start, step and renew, of any class."""
    return {name: kind for name, kind in registered().items() if isinstance(kind, type) and is_dataclass(kind)
            and all(callable(getattr(kind, method, None)) for method in ("start", "step", "renew"))}  # fmt: skip


def _typed(kind: type) -> dict[str, type]:
    """The settings of a stage that a word can give, each with its type: bool, int, float or str."""
    hints = get_type_hints(kind)
    scalars = {f.name: [k for k in (hints[f.name], *get_args(hints[f.name])) if k in SCALARS] for f in fields(kind)}
    return {name: kinds[0] for name, kinds in scalars.items() if kinds}


def resampler(name: str | None, every: int | None, like: Resampler | None) -> Resampler | None:
    """A resampler by name ("none" for none), or ``like``, every so many iterations; ValueError for another name."""
    if name is not None and name not in (*RESAMPLERS, "none"):
        raise ValueError(f"--resample {name}: choose among {', '.join(RESAMPLERS)}, none")
    found = like if name is None else None if name == "none" else RESAMPLERS[name]()
    if every is None:
        return found
    if found is None:
        raise ValueError(f"--every {every}: nothing is resampled; add --resample {'|'.join(RESAMPLERS)}")
    if not is_dataclass(found) or isinstance(found, type):
        raise ValueError(f"--every {every}: the resampling {found} has no setting for that; leave it out")
    return replace(found, every=every)


def balance(name: str) -> Balance | None:
    """Loss balancing by name, "none" for none; ValueError for another name."""
    if name not in (*KINDS, "none"):
        raise ValueError(f"--balance {name}: choose among {', '.join(KINDS)}, none")
    return None if name == "none" else Balance(name)


def functional(text: str, solution: Solution) -> Functional:
    """``"u@x=0.2,t=0.5"``, ``"test-loss"``, ``"loss:TERM"``, ``"error:u"``, ``"unknown:D"`` as what is asked about.

    Raises:
        ValueError: another text, a name or coordinate that the solution does not have, a point outside the domain.
    """
    name, at_, place = text.partition("@")
    if at_:
        return _field_at(text, name.strip(), place, solution)
    kind, colon, which = map(str.strip, text.partition(":"))
    if colon and not which:
        raise ValueError(f"--of {text}: ask about {_askable(solution)}")
    if kind in ("loss", "test-loss"):
        terms = solution.stack.terms
        if which and which not in terms:
            raise ValueError(f"--of {text}: there is no term {which!r} in the loss: its terms are {', '.join(terms)}")
        return Loss(term=which or None) if kind == "loss" else test_loss(solution.problem, term=which or None)
    if kind == "error":
        return Error(which or None)
    if kind == "unknown" and which:
        return Unknown(which)
    raise ValueError(f"--of {text}: ask about {_askable(solution)}")


def _field_at(text: str, name: str, place: str, solution: Solution) -> Functional:
    domain, found = solution.problem.domain, {}
    try:
        solution.derivative(name)
        for key, value in pairs(place.split(","), "a point").items():
            found[key] = _as(float, value, f"{key}={value}")
        if set(found) != set(domain.names):
            raise ValueError(f"a point has the coordinates {', '.join(domain.names)}, got {', '.join(found)}")
    except ValueError as error:
        raise ValueError(f"--of {text}: {error} (as {_example(solution)})") from None
    if not domain.inside(torch.tensor([[found[n] for n in domain.names]], dtype=torch.float64)).all():
        ends = ", ".join(f"{n} in [{a:g}, {b:g}]" for n, (a, b) in zip(domain.names, domain.bounds.T, strict=True))
        raise ValueError(f"--of {text}: the point is outside the domain ({ends})")
    return at(name, **found)


def _example(solution: Solution) -> str:
    """A field at a point of the domain's box."""
    domain = solution.problem.domain
    low, high = domain.bounds
    middle = zip(domain.names, low + 0.6 * (high - low), strict=True)
    return f"{solution.problem.field_names[0]}@{','.join(f'{n}={c:.2g}' for n, c in middle)}"


def _askable(solution: Solution) -> str:
    problem = solution.problem
    errors = ["error", f"error:{problem.field_names[0]}"] if problem.reference is not None else []
    unknowns = [f"unknown:{name}" for name in problem.unknowns]
    return ", ".join([_example(solution), "test-loss", "loss", f"loss:{solution.stack.terms[0]}", *errors, *unknowns])


def damping(text: str) -> float | Literal["gcv", "evidence"]:
    """A positive number, "gcv" or "evidence"; ValueError else."""
    if text == "gcv":
        return "gcv"
    if text == "evidence":
        return "evidence"
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ValueError(f"--damping {text}: give a positive number, gcv or evidence")
    return value


def number_type(name: str) -> torch.dtype:
    """float32 or float64; ValueError else."""
    kinds = {"float32": torch.float32, "float64": torch.float64}
    if name not in kinds:
        raise ValueError(f"--dtype {name}: choose float64 or float32")
    return kinds[name]


def processor(name: str | None) -> torch.device:
    """The device of that name, the CPU unless given; ValueError where this machine has none such."""
    try:
        device = torch.device(name or "cpu")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name}: this machine and PyTorch have no such device; leave it out") from error
    return device


def _whole(text: str, where: str) -> int:
    return _as(int, text, where)


def _as(kind: type, text: str, where: str) -> Any:
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{where}: expected true or false, got {text!r}")
        return text.lower() == "true"
    try:
        value = kind(text)
    except ValueError:
        raise ValueError(f"{where}: expected a {'whole ' if kind is int else ''}number, got {text!r}") from None
    if kind is int and value < 1:
        raise ValueError(f"{where}: expected a number of at least 1, got {text}")
    return value
