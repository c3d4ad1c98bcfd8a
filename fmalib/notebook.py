"""What the notebooks share: checked parameters, output folders, players, metrics."""

import ast
import base64
import dataclasses
import html
import io
import logging
import math
import os
import platform
import warnings
from pathlib import Path

import numpy as np

from fmalib import paths

with paths.quiet_stderr():
    from fmalib import training  # imports TensorFlow


@dataclasses.dataclass(frozen=True)
class Setup:
    """Parameters as they came in, and where a notebook writes."""

    params: dict
    out_dir: Path
    figures: Path
    audio: Path


def start(shell):
    """Checks the notebook's parameters, seeds everything, makes the output folders and prints what runs.

    Args:
        shell: `get_ipython()` of a notebook that has executed its `parameters` cell, with `out_dir` and `seed` in it.

    Raises:
        ValueError: papermill was given a name the notebook does not have, or a value of another type.
    """
    params = check_parameters(shell.user_ns)
    training.set_seed(params["seed"])
    out_dir = paths.resolve(params["out_dir"])
    if out_dir.exists() and not out_dir.is_dir():
        raise ValueError(f"out_dir must be a folder. Received: out_dir={params['out_dir']!r}")
    setup = Setup(params, out_dir, out_dir / "figures", out_dir / "audio")
    setup.figures.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # names in scripts that matplotlib cannot draw
    warnings.filterwarnings("ignore", message="IProgress not found")  # libraries' widget bars; ours need none
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # else it warns that several models are traced one by one
    versions = training.versions()
    shown = ("fmalib", "python", "tensorflow", "keras", "librosa", "numpy")
    print("; ".join(f"{name} {versions[name]}" for name in shown))
    print("Parameters: " + ", ".join(f"{name}={value!r}" for name, value in params.items()))
    return setup


def check_parameters(namespace):
    """Returns the notebook's parameters with their present values.

    Papermill only warns of a name that the notebook does not have. Here it is an error: the cell that papermill injects
    (it begins with "# Parameters") may assign only what the cell before it assigns, and values of the same type.

    Args:
        namespace: variables of the running notebook, with IPython's `In`, the source of the cells run so far.

    Raises:
        ValueError: an unknown name, with the known ones; or a value of another type.
    """
    cells = [cell.strip() for cell in namespace["In"] if cell.strip()]
    defaults, injected = {}, {}
    for cell in cells:
        assigned = _assignments(cell)
        if cell.startswith("# Parameters") and defaults:
            injected = assigned
            break
        defaults = assigned if "out_dir" in assigned else defaults
    if not defaults:
        raise ValueError("Run the parameters cell first. Received: a notebook without one")
    unknown = sorted(set(injected) - set(defaults))
    if unknown:
        raise ValueError(f"No such parameter; there are {', '.join(defaults)}. Received: {', '.join(unknown)}")
    for name, value in injected.items():
        default = defaults[name]
        if not _same_type(default, value):
            raise ValueError(
                f"Parameter {name} must be of type {type(default).__name__}, like its default {default!r}. "
                f"Received: {name}={value!r}"
            )
    return {name: namespace[name] for name in defaults}


def numbers(name, text):
    """Returns the positive integers of a comma list.

    Args:
        name: of the parameter, for the message.
        text: such as `"256,64"`.

    Raises:
        ValueError: anything else, or nothing.
    """
    parts = words(text)
    if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ValueError(f"{name} must be positive integers with commas between them, such as '256,64'. Received: {name}={text!r}")
    return [int(part) for part in parts]


def words(text):
    """Returns the words of a comma list, such as `"cnn, bbnn"`; none of an empty text."""
    return [part.strip() for part in text.split(",") if part.strip()]


def at_least(least, **values):
    """Raises ValueError, naming the parameter, unless every value is at least `least`."""
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name} must be at least {least}. Received: {name}={value}")


def one_of(known, **values):
    """Raises ValueError, naming the parameter, unless every value is one of the known ones."""
    for name, value in values.items():
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}. Received: {name}={value!r}")


def interval(bounds):
    """Returns (low, high) in words, such as `"0.25 to 0.31"`; nothing for anything else."""
    return f"{bounds[0]:.2f} to {bounds[1]:.2f}" if isinstance(bounds, (list, tuple)) else ""


def machine():
    """Returns what the times were measured on, in words: processor kind, number of cores, GPUs."""
    import tensorflow as tf

    gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in tf.config.list_physical_devices("GPU")]
    return f"{os.cpu_count()} {platform.machine()} cores" + (f" and {', '.join(gpus)}" if gpus else ", no GPU")


def _assignments(source):
    """Returns {name: value} of a cell's plain assignments, without running it."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # magics
        return {}
    found = {}
    for node in body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:  # papermill writes float("nan"); anything else is no parameter
                continue
    return found


def _same_type(default, value):
    if default is None or type(default) is type(value):
        return True
    return isinstance(default, float) and type(value) is int


def player(signal, sample_rate, label, path):
    """Returns a player for a notebook, and keeps the sound as a wav file.

    Args:
        signal: float array of shape `(samples,)` at full scale 1.
        sample_rate: Hz.
        label: shown above, as plain text.
        path: of the wav file.
    """
    import soundfile
    from IPython.display import HTML

    path.parent.mkdir(parents=True, exist_ok=True)
    signal = np.clip(signal, -1, 1)
    soundfile.write(path, signal, sample_rate, subtype="PCM_16")
    # FLAC in the page: lossless, half the size of wav, and every current browser plays it.
    packed = io.BytesIO()
    soundfile.write(packed, signal, sample_rate, format="FLAC", subtype="PCM_16")
    data = base64.b64encode(packed.getvalue()).decode()
    return HTML(f'<div>{html.escape(label)}</div><audio controls preload="none" src="data:audio/flac;base64,{data}"></audio>')


def write_metrics(setup, metrics):
    """Writes `metrics.json` into the notebook's output folder and returns its path; values that are not finite become null."""
    path = setup.out_dir / "metrics.json"
    paths.write_json(path, _plain(metrics))
    return path


def write_text(setup, name, text):
    """Writes a text file into the notebook's output folder and returns its path."""
    path = setup.out_dir / name
    with paths.atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def _plain(value):
    """Returns numpy numbers and tuples as what JSON has."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
