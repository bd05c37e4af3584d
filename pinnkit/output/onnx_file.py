"""ONNX files: a solution's fields and derivatives for runtimes without Python."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from typing_extensions import override

from pinnkit.model.solution import Solution
from pinnkit.tools.atomic_file import put
from pinnkit.tools.checked import Named, checked
from pinnkit.tools.optional import optional

ERRORS = ("aten.erf", "aten.erfc", "aten.special_erf")  # how the names of erf in a graph begin


@checked
def to_onnx(solution: Solution, path: str | Path, names: Named | None = None) -> Path:
    """Write fields and derivatives of a solution as an ONNX graph, from "points" (n, d) to "values" (n, names).

    Points and values have the precision of the solution, and the graph takes any number n of points. onnxruntime gives
    the values of the solution to rounding, in double precision as well.

    Args:
        solution: the solution.
        path: the file to write, such as "burgers.onnx".
        names: names as in ``solution.jet``, such as "u u_x u_t". Default None: the fields.

    Returns:
        The path.

    Raises:
        ImportError: the packages onnx and onnxscript are not there.
        ValueError: an unknown name, or erf in double precision, which onnxruntime does not have.
        TypeError: a network that torch cannot follow, or derivatives of a torch module.
        OSError: the file cannot be written.

    Example:
        >>> import pinnkit as pk
        >>> u = pk.solve(pk.problem("heat"), pk.MLP(2, 8, 1), 50, stages=[pk.Adam(5)], progress=False)
        >>> pk.to_onnx(u, "heat.onnx", "u u_x")  # doctest: +SKIP
        PosixPath('heat.onnx')
    """
    for package in ("onnx", "onnxscript"):
        optional(package, "onnx", "to_onnx")
    X = solution.problem.domain.sample(4, method="random", seed=0).to(solution.theta)
    with _quiet():
        graph = _exported(solution.module(names), X)
        found = torch.onnx.export(
            graph, (X,), input_names=["points"], output_names=["values"], dynamo=True, optimize=True, verbose=False
        )
    assert found is not None  # of a graph without a path
    return put(Path(path), lambda partial: found.save(str(partial)))


def _exported(module: torch.nn.Module, X: Tensor) -> torch.export.ExportedProgram:
    """The module's graph for any number of points; ValueError: it needs erf in double precision."""
    graph = torch.export.export(_Exact(module), (X,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
    if X.dtype == torch.float64 and any(str(node.target).startswith(ERRORS) for node in graph.graph.nodes):
        raise ValueError(
            "to_onnx: the solution needs erf (GELU, or kernels of diffusion in its ansatz), which onnxruntime has in "
            "single precision only: solve with dtype=torch.float32, or use torch.export with solution.module()"
        )
    return graph


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says about itself."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


class _Exact(torch.nn.Module):
    """The same module, whose numbers are tensors: those of Python would be written in single precision."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, X: Tensor) -> Tensor:
        """What the module gives at X (n, d)."""
        with _Numbers(X):
            return self.module(X)


class _Numbers(TorchFunctionMode):
    """Arithmetic of a tensor with a number as arithmetic of two tensors."""

    def __init__(self, like: Tensor) -> None:
        super().__init__()
        self._like = like

    @override
    def __torch_function__(self, func: Callable, types: Any, args: Sequence = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if getattr(func, "__name__", "").strip("_") in ("add", "sub", "mul", "div", "truediv", "rsub", "radd", "rmul"):
            args = tuple(self._tensor(a) for a in args)
            if "alpha" in kwargs:
                args = (args[0], args[1] * self._tensor(float(kwargs.pop("alpha"))))
        return func(*args, **kwargs)

    def _tensor(self, value: Any) -> Any:
        return torch.tensor(value, dtype=self._like.dtype) if isinstance(value, float) else value
