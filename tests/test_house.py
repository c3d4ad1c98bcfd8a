"""The house: data flows one way, every room has its place, size and test."""

import ast

import pytest
from helpers import REPOSITORY

import fmalib
from fmalib.genres import pooling
from fmalib.training import runs

LIBRARY = REPOSITORY / "fmalib"
MODULES = [
    f"{package}.{name}" if name else package for package, names in fmalib.ORDER.items() for name in names.split() or [""]
]
UNTESTED = {"progress", "data.synth_recipes"}  # seen in executed notebooks; a table
LONGEST_MODULE, LONGEST_FUNCTION, MOST_PARAMETERS, MOST_NESTING = 350, 50, 8, 4
NESTING = (ast.For, ast.While, ast.If, ast.With, ast.Try)


def path_of(module):
    return LIBRARY / f"{module.replace('.', '/')}.py"


def tree_of(module):
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def imported(module):
    """Returns the fmalib modules that a module imports, anywhere in it."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fmalib":
            inner = node.module.removeprefix("fmalib").removeprefix(".")
            for alias in node.names:
                name = f"{inner}.{alias.name}" if inner else alias.name
                found.add(name if name in MODULES else inner or alias.name)
    return found


def test_every_module_has_its_place():
    packages = {path.parent.name for path in LIBRARY.glob("*/__init__.py")}
    assert packages == {package for package, names in fmalib.ORDER.items() if names}
    paths = [path.relative_to(LIBRARY).with_suffix("") for path in LIBRARY.rglob("*.py") if path.name != "__init__.py"]
    assert {".".join(path.parts) for path in paths} == set(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_before_it(module):
    assert imported(module) <= set(MODULES[: MODULES.index(module)])


# Modules that decide no result by themselves: files, bars, hashes, tables of tracks, and the audio, whose own key counts.
INNOCENT = {"paths", "files", "progress", "content", "data.tracks", "data.audio", "data.shards", "data.audio_cache"}


@pytest.mark.parametrize("decisive", [runs.DECISIVE, pooling.DECISIVE])
def test_no_code_that_decides_a_result_is_forgotten(decisive):
    """What modules in the key of a result import is in the key too, or decides nothing."""
    named = {f"{name}.{part}" for name in decisive for part in fmalib.ORDER.get(name, "").split()}
    named |= {name for name in decisive if name not in fmalib.ORDER}
    for module in named:
        assert imported(module) <= named | INNOCENT, module


def test_plots_and_codec_are_the_only_packages_that_import_their_modules():
    for path in LIBRARY.glob("*/__init__.py"):
        statements = ast.parse(path.read_text(encoding="utf-8")).body
        assert path.parent.name in ("plots", "codec") or all(isinstance(statement, ast.Expr) for statement in statements)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_readable_in_one_sitting(module):
    assert path_of(module).read_text(encoding="utf-8").count("\n") <= LONGEST_MODULE


def depth(node):
    """Returns how many loops and conditions lie within one another; `elif` is no further level."""
    deepest = 0
    for name, children in ast.iter_fields(node):
        for child in children if isinstance(children, list) else [children]:
            if isinstance(child, ast.AST):
                chained = isinstance(node, ast.If) and name == "orelse" and isinstance(child, ast.If)
                deepest = max(deepest, depth(child) + (isinstance(child, NESTING) and not chained))
    return deepest


@pytest.mark.parametrize("module", MODULES)
def test_functions_are_short_flat_and_take_few_parameters(module):
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.FunctionDef):
            arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            where = f"{module}.{node.name}, line {node.lineno}"
            assert node.end_lineno - node.lineno + 1 <= LONGEST_FUNCTION, where
            assert len([argument for argument in arguments if argument.arg != "self"]) <= MOST_PARAMETERS, where
            assert depth(node) < MOST_NESTING, where


def test_every_layer_and_every_loss_is_in_its_file():
    for module in MODULES:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.ClassDef):
                bases = " ".join(ast.unparse(base) for base in node.bases)
                assert module in ("models.layers", "models.entropy_layers", "models.sparse_layers") or (
                    ".layers." not in bases and "Layer" not in bases
                ), node.name
                assert module == "models.losses" or "losses" not in bases, node.name


def test_a_module_has_a_test_of_its_name():
    def test_of(module):
        *folder, name = module.split(".")
        return REPOSITORY.joinpath("tests", *folder, f"test_{name}.py")

    assert {module for module in MODULES if not test_of(module).exists()} <= UNTESTED


@pytest.mark.parametrize("module", MODULES)
def test_public_names_have_docstrings(module):
    for node in tree_of(module).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name
