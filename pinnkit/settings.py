"""Settings as JSON and back: dataclasses and functions that pinnkit knows by name, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NoReturn

import numpy as np

from .balance import Balance
from .inversion import Inversion
from .linearised import Linearised, linearised
from .log_distance import LogDistance
from .network import MLP, Fourier, Harmonics, ModifiedMLP, Oscillation, Scaled
from .optim import STAGES
from .resample import R3, Resample, residual_score, uniform_score
from .scores import SCORES
from .superpose.cole_hopf import ColeHopf, cole_hopf
from .superpose.network import Superposition, superposition


@dataclass(frozen=True)
class Unsaved:
    """Stands for something that a file could not hold."""

    name: str

    def __call__(self, *_: Any, **__: Any) -> NoReturn:
        """Raises ValueError: there is nothing to call."""
        raise ValueError(f"{self.name} is not one of pinnkit's own, so the file does not hold it")


KNOWN: dict[str, Callable[..., Any]] = (
    STAGES
    | {
        thing.__name__: thing
        for thing in (
            MLP,
            ModifiedMLP,
            Scaled,
            Fourier,
            Harmonics,
            Oscillation,
            Inversion,
            LogDistance,
            Resample,
            R3,
            Balance,
            residual_score,
            uniform_score,
            Unsaved,
            *map(type, SCORES.values()),
        )  # fmt: skip
    }
    | {"Superposition": superposition, "ColeHopf": cole_hopf, "Linearised": linearised}
)
# What a file may name; a new network, resampler or score joins here


def encode(value: Any) -> Any:
    """Numbers, text, sequences, mappings, known dataclasses and functions as JSON; the rest ``Unsaved``."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [encode(v) for v in value]
    if isinstance(value, Mapping):
        return {str(k): encode(v) for k, v in value.items()}
    if isinstance(value, (Superposition, ColeHopf, Linearised)):
        return {"class": type(value).__name__} | encode(value.to_json())
    if is_dataclass(value) and KNOWN.get(type(value).__name__) is type(value):
        settings = {f.name: encode(getattr(value, f.name)) for f in fields(value)}
        return {"class": type(value).__name__} | settings
    name = getattr(value, "__name__", type(value).__name__)
    return {"class": "function", "name": name} if KNOWN.get(name) is value else encode(Unsaved(name))


def decode(data: Any) -> Any:
    """The value that ``encode`` was given, sequences as tuples.

    Raises:
        ValueError: a class or function that this pinnkit does not know, or settings that it does not take.
    """
    try:
        return _decoded(data)
    except (TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise ValueError(f"a file holds settings that this pinnkit does not write: {error}") from error


def _decoded(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(_decoded(v) for v in data)
    if not isinstance(data, Mapping):
        return data
    settings = {k: _decoded(v) for k, v in data.items() if k != "class"}
    if "class" not in data:
        return settings
    name = settings["name"] if data["class"] == "function" else data["class"]
    if name not in KNOWN:
        raise ValueError(f"{name} is not known to this pinnkit: the file was written by another version")
    if data["class"] == "function":
        return KNOWN[name]
    return KNOWN[name](*settings.pop("sizes", ()), **settings)


def missing(value: Any) -> list[str]:
    """The names of all ``Unsaved`` things in settings."""
    if isinstance(value, Unsaved):
        return [value.name]
    if isinstance(value, Mapping):
        value = list(value.values())
    elif is_dataclass(value):
        value = [getattr(value, f.name) for f in fields(value)]
    return [name for v in value for name in missing(v)] if isinstance(value, (list, tuple)) else []
