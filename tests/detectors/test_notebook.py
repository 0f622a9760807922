import re
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "detection.ipynb"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_the_notebook_runs_and_shows_what_its_text_says() -> None:
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient").NotebookClient
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client(notebook, timeout=120, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "{'spike': True, 'step': True," in printed
    assert "{'night inside': True, 'noon inside': False}" in printed
    false = [float(found) for found in re.findall(r"bank at .*false pages per series and week ([\d.]+)", printed)]
    assert len(false) == 2
    assert false[1] <= false[0] <= 2.0
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
