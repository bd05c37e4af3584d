"""Trees come back from files to the last bit: names, kinds, shapes, the order in memory; as h5py itself reads them."""

from pathlib import Path

import h5py
import numpy as np
import torch

from pinnkit.tools.hdf5 import Json, read, write

TREE = {
    "of one length": {"text": "[1]", "json": Json([1]), "again": "[2]"},  # kinds of text of one size are two
    "numbers": {"whole": 3, "real": 0.1, "yes": True, "nothing": None, "empty": "", "ü.": "é\n"},
    "arrays": {
        "transposed": torch.arange(6.0, dtype=torch.float64).view(2, 3).T,
        "single": torch.tensor([0.1], dtype=torch.float32),
        "of yes": torch.tensor([True, False]),
        "complex": torch.tensor([1 + 2j], dtype=torch.complex128),
        "number": np.array(2.5),
        "empty": np.zeros((0, 2)),
    },
    "..": {"inside": {}},
    **{f"value {i}": i for i in range(20)},
}


def plain(value: object) -> object:
    """A tree without its tensors and ``Json``, so that it can be compared."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, Json):
        return value.value
    if isinstance(value, (torch.Tensor, np.ndarray)):
        t = torch.as_tensor(value)
        return str(t.dtype), tuple(t.shape), t.stride() if t.numel() > 1 else (), t.tolist()
    return value


def test_a_tree_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    path = write(tmp_path / "tree.h5", "pinnkit-tree", 1, TREE)
    found = read(path, "pinnkit-tree", 1)
    assert {found.pop("format"), found.pop("version")} == {"pinnkit-tree", 1}
    assert plain(found) == plain(TREE)
    with h5py.File(path) as h5:
        assert h5["numbers"].attrs["whole"] == 3 and h5["arrays/number"][()] == 2.5
