"""Small notebooks in place of the real ones, and a stand-in for papermill that needs no kernel."""

import base64
import io
import json
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import soundfile
from helpers import tone

SOURCES = {
    "01_first": [
        "# What is first?\n\n[![Colab](https://colab.example/badge.svg)](https://colab.example/01_first.ipynb)\n\n"
        "Text with a [link](https://example.org).",
        'dataset = "synth"  # name\nseed = 0  # number',
        "1 + 1",
    ],
    "02_second": [
        "# What is second?",
        'dataset: str = "synth"  # name\nwidth: int = 3  # of nothing',
        'setup.show(figure, "bars")',
    ],
}


def picture():
    """Returns the bytes of a small PNG."""
    file = io.BytesIO()
    plt.imsave(file, np.eye(8), format="png")
    return file.getvalue()


def sound(frequency=440):
    """Returns the bytes of a FLAC of a fifth of a second."""
    file = io.BytesIO()
    soundfile.write(file, tone(frequency, 0.2), 8000, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def player(data):
    source = base64.b64encode(data).decode()
    return f'<table><tr><th>a</th><td><audio controls src="data:audio/flac;base64,{source}"></audio></td></tr></table>'


@pytest.fixture
def notebooks(tmp_path):
    """A folder of two notebooks."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name, (title, parameters, code) in SOURCES.items():
        notebook = nbformat.v4.new_notebook()
        notebook.cells = [
            nbformat.v4.new_markdown_cell(title, id="cell-00"),
            nbformat.v4.new_code_cell(parameters, id="cell-01", metadata={"tags": ["parameters"]}),
            nbformat.v4.new_code_cell(code, id="cell-02"),
        ]
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


class Executor:
    """Executes nothing: it writes outputs and metrics, and counts. `failing` are names of notebooks that fail."""

    def __init__(self):
        self.parameters, self.failing = {}, set()

    def __call__(self, source, target, parameters, progress_bar):
        from papermill import PapermillExecutionError

        notebook, name = nbformat.read(source, 4), Path(source).stem
        self.parameters[name] = parameters
        new = nbformat.v4.new_output
        shown = base64.b64encode(picture()).decode()
        frame = '<iframe sandbox="allow-scripts" srcdoc="&lt;p&gt;a map&lt;/p&gt;"></iframe>'
        notebook.cells[1].outputs = [new("stream", name="stdout", text=f"Parameters: seed=0, out_dir='{target}', quick=True\n")]
        notebook.cells[2].outputs = [
            new("display_data", {"image/png": shown}),
            *(new("display_data", {"text/html": html}) for html in (player(sound()), player(sound()), frame)),
        ]
        if name in self.failing:
            error = new(
                "error", ename="ValueError", evalue="a number\nis wrong", traceback=["ValueError: a number", "is wrong"]
            )
            notebook.cells[2].outputs = [error]
            nbformat.write(notebook, target)
            raise PapermillExecutionError(2, 1, notebook.cells[2].source, "ValueError", "a number\nis wrong", [])
        nbformat.write(notebook, target)
        metrics = {"dataset": "synth", "note": "Only a test."}
        Path(target).with_name("metrics.json").write_text(json.dumps(metrics))


@pytest.fixture
def executor():
    """A stand-in for `papermill.execute_notebook`."""
    return Executor()
