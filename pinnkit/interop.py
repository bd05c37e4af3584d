"""To and from DeepXDE; it is imported only here, and only when used."""

import contextlib
import importlib
import io
import os
import random
import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import torch

BACKEND = "pytorch"


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
