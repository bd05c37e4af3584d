"""Results that are written to HDF5 files of their own."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from . import hdf5
from .checked import checked


@checked
class Saved(ABC):
    """What ``save`` writes to a file: the tree that a subclass makes of itself, under its own format and version."""

    FORMAT: ClassVar[str]
    VERSION: ClassVar[int] = 1

    @abstractmethod
    def _tree(self) -> hdf5.Tree:
        """What a file holds of this."""

    def save(self, path: str | Path) -> Path:
        """Write figures and arrays to an HDF5 file, whole or not at all.

        Args:
            path: the file, usually with the suffix .h5.

        Returns:
            The path.

        Raises:
            OSError: the file cannot be written.
        """
        return hdf5.write(path, self.FORMAT, self.VERSION, self._tree())
