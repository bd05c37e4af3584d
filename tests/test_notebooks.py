"""Every notebook runs from top to bottom, in a short setting put in after the cell tagged "parameters"."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parent.parent / "notebooks"
SHORT = {
    "1_first_solve": "ADAM, SSBROYDEN, ROUNDS = 150, 60, 1",
    "2_influence_resampling": "ADAM, SSBROYDEN, CHECKS, ROUNDS, STEPS = 60, 100, 1, 1, 30",
    "4_cylinder_influence": "TESTS, POINTS = 40, 200",
    "3_lie_and_certificates": 'ADAM, SSBROYDEN, WAVE = 20, 30, "sine_mix"',
}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(path: Path):
    notebook = nbformat.read(path, as_version=4)
    at = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell(SHORT[path.stem]))
    NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(FOLDER)}}).execute()
    printed = "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))
    assert "relative L2" in printed and "True" in printed
