"""Content keys: everything that decides a result, as a hash. Results are kept under their key, so no stale one is found.

Nothing is listed by hand that could be forgotten: the code of whole packages counts, and every constant of theirs.
"""

import ast
import dataclasses
import functools
import hashlib
import importlib
import importlib.metadata
import json
import types
from pathlib import Path

import numpy as np

import fmalib

PACKAGES = ("tensorflow", "keras")  # whose major versions count
OWN = ("fmalib", "keras", "tensorflow", "numpy")  # known by their versions or by `code`
REFERENCES = ("keras_history", "input_layers", "output_layers")  # to layers, in the configuration of a graph
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def key(*parts, length=12):
    """Returns a hexadecimal hash of plain values, arrays and callables; equal values give equal keys on every machine."""
    return hashlib.sha256(repr([_plain(part) for part in parts]).encode()).hexdigest()[:length]


def code(*names):
    """Returns a key of modules and packages of fmalib: their code without comments, and their constants' present values.

    Args:
        names: such as `"signal"` for all modules of that package, or `"data.segments"`.
    """
    parts = [importlib.metadata.version(package).split(".")[0] for package in PACKAGES]
    for name in names:
        inner = fmalib.ORDER.get(name, "").split()
        for module in [f"{name}.{part}" for part in inner] or [name]:
            parts.append(_module(importlib.import_module(f"fmalib.{module}")))
    return key(*parts)


def network(model):
    """Returns a key of a Keras model: its layers without names, their weights, and the code of the caller's own layers."""
    parts = [_nameless(json.loads(model.to_json())), *map(np.array, model.weights)]
    return key(*parts, *(type(layer) for layer in model._flatten_layers()))


def training(model):
    """Returns a key of a compiled Keras model: `network`, its optimizer with its state, and what it minimises."""
    model.optimizer.build(model.trainable_variables)  # else its state before and after a training would differ
    return key(network(model), *map(np.array, model.optimizer.variables), model.loss)


def _module(module):
    """Returns a module's code and constants as plain values."""
    path = Path(module.__file__)
    constants = {name: value for name, value in vars(module).items() if name.isupper()}
    return _code_of_file(path, path.stat().st_mtime_ns), _plain(constants)


@functools.cache
def _code_of_file(path, changed):
    """Returns a file's code without comments, layout and docstrings; `changed`, its time, tells versions of it apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


def _plain(value):
    """Returns a value as nested tuples and strings whose text tells it from others, in every process."""
    if isinstance(value, (str, bytes, int, float, bool, type(None))):
        return value
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    if isinstance(value, (np.generic, np.dtype)):
        return repr(value)
    if isinstance(value, dict):
        return tuple(sorted(((_plain(name), _plain(part)) for name, part in value.items()), key=repr))
    if isinstance(value, (list, tuple)):
        return tuple(map(_plain, value))
    if isinstance(value, (set, frozenset)):
        return tuple(sorted(map(_plain, value), key=repr))
    if isinstance(value, functools.partial):
        return _plain((value.func, value.args, value.keywords))
    if isinstance(value, types.CodeType):  # without its place in a file
        return value.co_code, value.co_names, _plain(value.co_consts)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, _plain(vars(value))
    return _callable(value)


def _callable(value):
    """Returns a class's or function's name, with its bytecode where no version tells; of other objects, their class's."""
    if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
        return "an object of", _callable(type(value))
    if value.__module__.partition(".")[0] in OWN:
        return value.__module__, value.__qualname__
    functions = [value] if isinstance(value, types.FunctionType) else vars(value).values()
    return value.__name__, _plain([part.__code__ for part in functions if isinstance(part, types.FunctionType)])


def _nameless(value, positions=None, reference=False):
    """Returns a Keras configuration without names and modules, which decide no result.

    Keras counts unnamed layers and optimizers through a session: building a model twice gives `dense` and `dense_1`. Here
    they have no name, and a graph refers to its layers by position. Registered classes lose their Python module.
    """
    if isinstance(value, list):
        return [_nameless(part, positions, reference) for part in value]
    if not isinstance(value, dict):
        return positions[value] if reference and isinstance(value, str) else value
    config, dropped = value.get("config"), set()
    if ">" in (value.get("registered_name") or ""):
        dropped.add("module")
    # Precisions and metrics are known by their names too: only layers and optimizers lose theirs.
    if isinstance(config, dict) and ("inbound_nodes" in value or config.keys() & {"trainable", "batch_shape", "learning_rate"}):
        dropped.add("name")
        value = {**value, "config": {key: part for key, part in config.items() if key != "name"}}
    if "input_layers" in value:
        positions = {layer["name"]: number for number, layer in enumerate(value["layers"])}
    kept = {key: part for key, part in value.items() if key not in dropped}
    return {key: _nameless(part, positions, reference or key in REFERENCES) for key, part in kept.items()}
