"""Data flows one way: no module imports one to its right."""

import ast

import pytest
from conftest import REPOSITORY

ORDER = (
    "paths", "progress", "recipes", "synth", "tracks", "fma", "folder", "datasets", "audio", "cache", "segments",
    "stft", "mel", "lapped", "losses", "features", "framed", "models", "families", "sparse", "classifiers", "recurrent",
    "training", "autoencoders", "metrics", "baselines", "compression", "probes", "evaluation", "study", "systems",
    "representations", "embedding", "clustering", "variance", "plots", "genre_plots", "map_plots", "interactive", "predict", "notebook", "__main__",
)


def imported(module):
    """Returns the fmalib modules that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse((REPOSITORY / "fmalib" / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "fmalib":
            found |= {alias.name for alias in node.names} - {"__version__"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fmalib."):
            found.add(node.module.split(".")[1])
    return found


def test_every_module_has_its_place():
    modules = {path.stem for path in (REPOSITORY / "fmalib").glob("*.py")} - {"__init__"}
    assert modules == set(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_imports_only_from_its_left(module):
    assert imported(module) <= set(ORDER[: ORDER.index(module)])


@pytest.mark.parametrize("module", ORDER)
def test_module_is_readable_in_one_sitting(module):
    lines = (REPOSITORY / "fmalib" / f"{module}.py").read_text(encoding="utf-8").count("\n")
    assert lines < 500


def test_a_module_has_a_test_of_its_name():
    without = {"progress", "recipes", "tracks", "fma", "folder", "__main__"}  # seen in executed notebooks; parts of synth, datasets, predict
    tests = {path.stem.removeprefix("test_") for path in (REPOSITORY / "tests").glob("test_*.py")}
    assert set(ORDER) - tests <= without
