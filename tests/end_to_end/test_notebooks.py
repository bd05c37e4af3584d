"""Every notebook runs from top to bottom, in a short setting put in after the cell tagged "parameters"."""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"
SHORT = {
    "1_first_solve": "ADAM, SSBROYDEN, ROUNDS = 150, 60, 1",
    "2_influence_resampling": "ADAM, SSBROYDEN, CHECKS, ROUNDS, STEPS = 60, 100, 1, 1, 30",
    "4_cylinder_influence": "TESTS, POINTS = 40, 200",
    "3_lie_and_certificates": 'ADAM, SSBROYDEN, WAVE = 20, 30, "sine_mix"',
}


@pytest.fixture(scope="module")
def client() -> Iterator[NotebookClient]:
    """One kernel for all, since each would import torch anew; every notebook begins by forgetting the names there."""
    found = NotebookClient(nbformat.v4.new_notebook(), timeout=180, resources={"metadata": {"path": str(FOLDER)}})
    with found.setup_kernel():
        yield found


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(path: Path, client: NotebookClient):
    notebook = nbformat.read(path, as_version=4)
    at = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(SHORT[path.stem]))
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    client.nb = notebook
    client.execute(cleanup_kc=False)
    printed = "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))
    assert "relative L2" in printed and "True" in printed
