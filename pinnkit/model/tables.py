"""Fields, histories and attributions as tables and labelled arrays of pandas and xarray."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from pinnkit.statement.symbolic.reference import Axes
from pinnkit.tools.optional import optional

if TYPE_CHECKING:
    from torch import Tensor

PANDAS, XARRAY = ("pandas", "tables"), ("xarray", "tables")  # the packages and the extra that brings them


class Tabled(ABC):
    """What is a table: columns of equal length by name."""

    @abstractmethod
    def _columns(self) -> dict[str, Any]:
        """The columns."""

    def to_pandas(self) -> Any:
        """All of it as a ``pandas.DataFrame``, a row for each of its entries.

        Returns:
            The table.

        Raises:
            ImportError: pandas is not installed: the extra ``tables``.
        """
        return optional(*PANDAS, f"{type(self).__name__}.to_pandas").DataFrame(self._columns())

    def to_xarray(self) -> Any:
        """All of it as an ``xarray.Dataset`` along the dimension "row".

        Returns:
            The data set.

        Raises:
            ImportError: xarray is not installed: the extra ``tables``.
        """
        columns = {name: ("row", np.asarray(values)) for name, values in self._columns().items()}
        return optional(*XARRAY, f"{type(self).__name__}.to_xarray").Dataset(columns)


class Gridded(ABC):
    """What is known on a grid: predictions of fields, and a reference beside them."""

    @abstractmethod
    def on_grid(self) -> "tuple[Axes, Tensor, Tensor | None]":
        """Axes by name, predictions and reference (..., outputs)."""

    @abstractmethod
    def _outputs(self) -> tuple[str, ...]:
        """The names of what is predicted."""

    def _arrays(self) -> tuple[Axes, dict[str, np.ndarray]]:
        axes, predicted, values = self.on_grid()
        arrays = {}
        for i, name in enumerate(self._outputs()):
            arrays[name] = predicted[..., i].numpy()
            if values is not None and torch.isfinite(values[..., i]).any():
                arrays[f"{name}_reference"] = values[..., i].numpy()
        return axes, arrays

    def to_xarray(self) -> Any:
        """Fields and derived quantities on a grid as an ``xarray.Dataset``; with a reference NAME_reference as well.

        Returns:
            The data set: its dimensions are the coordinates, NaN lies outside the domain.

        Raises:
            ImportError: xarray is not installed: the extra ``tables``.
        """
        xarray = optional(*XARRAY, f"{type(self).__name__}.to_xarray")
        axes, arrays = self._arrays()
        return xarray.Dataset({name: (tuple(axes), values) for name, values in arrays.items()}, coords=dict(axes))

    def to_pandas(self) -> Any:
        """Fields and derived quantities on a grid as a ``pandas.DataFrame``, a row for every point in the domain.

        Returns:
            The table: a column for every coordinate and field; with a reference NAME_reference as well.

        Raises:
            ImportError: pandas is not installed: the extra ``tables``.
        """
        pandas = optional(*PANDAS, f"{type(self).__name__}.to_pandas")
        axes, arrays = self._arrays()
        places = dict(zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True))
        table = pandas.DataFrame({name: values.ravel() for name, values in {**places, **arrays}.items()})
        return table.dropna(subset=list(self._outputs()), how="all").reset_index(drop=True)
