"""Parameters, output folders, figures, players and metrics of a notebook."""

import ast
import contextlib
import dataclasses
import logging
import math
import os
import platform
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from fmalib import files, paths
from fmalib.data import datasets
from fmalib.plots import players, style
from fmalib.training import runs


@dataclasses.dataclass
class Setup:
    """Parameters of a notebook, and where it writes.

    Attributes:
        params: dict from name to value.
        lists: comma lists among the parameters, dict from name to list.
        out_dir: with `figures/` and `audio/` in it.
        note: printed below every figure; notebooks set it to `Dataset.caveat` once the data is loaded.
    """

    params: dict
    lists: dict
    out_dir: Path
    note: str = ""

    def show(self, figure, name):
        """Saves a figure as `figures/<name>.png`, with the note below it, and displays it."""
        from IPython.display import display

        display(style.save(figure, self.out_dir / "figures" / f"{name}.png", self.note))

    def play(self, grid, sample_rate, title, name):
        """Displays sounds side by side, each with its spectrogram, and keeps them as `audio/<name>_<label>.wav`.

        Args:
            grid: dict from row label to dict from column label to float array `(samples,)` at full scale 1, or None where a
                row has no such sound.
            sample_rate: Hz.
            title: above the grid.
            name: of the files, with the labels behind it.
        """
        from IPython.display import display

        display(players.grid(grid, sample_rate, title, self.out_dir / "audio" / name))

    def write_metrics(self, metrics):
        """Writes `metrics.json` into the output folder and returns its path; values that are not finite become null."""
        path = self.out_dir / "metrics.json"
        files.write_json(path, _plain(metrics))
        return path

    def write_text(self, name, text):
        """Writes a text file into the output folder and returns its path."""
        path = self.out_dir / name
        with files.atomic(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
        return path


@contextlib.contextmanager
def _without_frames():
    """Lets Jupyter show an error as its message alone: where the library raised it says nothing about a parameter."""
    try:
        yield
    except (OSError, ValueError) as error:
        shown = [f"{type(error).__name__}: {error}"]
        error._render_traceback_ = lambda: shown
        raise


@_without_frames()
def start(shell, *, least=None, choices=None, lists=None):
    """Returns the `Setup` of a notebook: checks its parameters, seeds, makes folders, prints versions and the machine.

    `read_parameters` converts values; they are put back under their names in the notebook.

    Args:
        shell: `get_ipython()` of a notebook that has executed its `parameters` cell, with `out_dir` and `seed` in it.
        least: dict from parameter to the smallest value it may have.
        choices: dict from parameter to the values it may have.
        lists: dict from parameter, a comma list, to its parts: known names, `int` for positive integers, or a function that
            raises ValueError for a list with a wrong name. Only the last may be empty.

    Raises:
        ValueError: a name that the notebook does not have, or a value that a parameter cannot have.
        OSError: `dataset` is not there; or the output folder cannot be made, or nothing can be written into it.
    """
    params = read_parameters(shell.user_ns)
    shell.user_ns.update(params)
    for name, smallest in (least or {}).items():
        if params[name] < smallest:
            raise ValueError(f"{name} must be at least {smallest}. Received: {name}={params[name]}")
    for name, known in (choices or {}).items():
        if params[name] not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}. Received: {name}={params[name]!r}")
    parsed = {name: _parse_list(name, params[name], known) for name, known in (lists or {}).items()}
    if "dataset" in params:
        datasets.find_root(params["dataset"], params.get("data_dir"))
    runs.set_seed(params["seed"])
    out_dir = paths.resolve(params["out_dir"])
    for folder in (out_dir, out_dir / "figures", out_dir / "audio"):
        _make_writable(folder, params["out_dir"])
    warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # names in scripts that matplotlib cannot draw
    warnings.filterwarnings("ignore", message="IProgress not found")  # libraries' widget bars; ours need none
    warnings.filterwarnings("ignore", message="Compilation requested for previously compiled")  # within librosa 1.0
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # else it warns that several models are traced one by one
    versions = runs.versions()
    shown = ("fmalib", "python", "tensorflow", "keras", "librosa", "numpy")
    print("; ".join([*(f"{name} {versions[name]}" for name in shown), machine()]))
    if hint := _unused_gpu():
        print(hint)
    print("Parameters: " + ", ".join(f"{name}={value!r}" for name, value in params.items()))
    return Setup(params, parsed, out_dir)


def _make_writable(folder, out_dir):
    """Makes a folder, tries it with a file that leaves no trace, and removes what killed runs left half written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"probe")
        files.sweep(folder, "*")
    except OSError as error:
        reason = f"{folder} cannot be written: {(error.strerror or str(error)).lower()}"
        raise OSError(f"{reason}. Name another folder by -p out_dir FOLDER. Received: out_dir={out_dir!r}") from error


def read_parameters(namespace):
    """Returns the notebook's parameters with their present values, each of its default's type.

    Papermill guesses types and only warns of unknown names: `-p latents 64` arrives as a number, `-p quick true` as text.
    Here the cell that papermill injects (it begins with "# Parameters") may assign only what the cell before it assigns,
    and its values are converted to the types of the defaults where that loses nothing.

    Args:
        namespace: variables of the running notebook, with IPython's `In`, the source of the cells run so far.

    Raises:
        ValueError: an unknown name, with the known ones; or a value that cannot be read.
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
    return {name: _read(name, default, namespace[name]) for name, default in defaults.items()}


def _read(name, default, value):
    """Returns a parameter's value as its default's type."""
    kind, text = type(default), str(value).strip()
    if type(value) is kind:
        return value
    if kind is str and isinstance(value, (int, float)):
        return text
    if kind is bool and text.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
        return text.lower() in ("true", "yes", "on", "1")
    if kind in (int, float) and type(value) is not bool:
        try:
            number = float(text)
            if kind is float or number.is_integer():
                return kind(number)
        except (ValueError, OverflowError):
            pass
    raise ValueError(
        f"Parameter {name} must be of type {kind.__name__}, like its default {default!r}; papermill hands text over "
        f"unchanged by -r {name} VALUE. Received: {name}={value!r} of type {type(value).__name__}"
    )


def _parse_list(name, text, known):
    """Returns the parts of a comma list, checked; `known` as in `start`."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if known is int:
        if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
            message = "must be positive integers with commas between them, such as '256,64'"
            raise ValueError(f"{name} {message}. Received: {name}={text!r}")
        return [int(part) for part in parts]
    if callable(known):
        known(parts)
        return parts
    if not parts:
        raise ValueError(f"{name} must name one or more of {', '.join(known)}. Received: {name}={text!r}")
    for part in parts:
        if part not in known:
            raise ValueError(f"{name} must be of {', '.join(known)}. Received: {part!r}")
    return parts


def interval(bounds):
    """Returns (low, high) in words, such as `"0.25 to 0.31"`; nothing for anything else."""
    return f"{bounds[0]:.2f} to {bounds[1]:.2f}" if isinstance(bounds, (list, tuple)) else ""


def machine():
    """Returns a line on processor, cores and GPUs, for measured times."""
    import tensorflow as tf

    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    return f"{os.cpu_count()} {platform.machine()} cores" + (f" and {', '.join(gpus)}" if gpus else ", no GPU")


def _unused_gpu():
    """Returns what to do where a GPU could be used and is not; else an empty string."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return ""
    if "google.colab" in sys.modules:
        return "No GPU: everything runs without one, only slower. Runtime > Change runtime type adds one."
    if shutil.which("nvidia-smi") and sys.platform == "linux":
        return "TensorFlow cannot use this machine's GPU: pip install 'tensorflow[and-cuda]', then restart the notebook."
    return ""


def _assignments(source):
    """Returns {name: value} of a cell's plain assignments, without running it."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # magics
        return {}
    found = {}
    for node in body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(target, ast.Name):
            try:
                found[target.id] = ast.literal_eval(node.value)
            except ValueError:  # papermill writes float("nan"); anything else is no parameter
                continue
    return found


def _plain(value):
    """Returns numpy numbers and tuples as plain JSON types."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.integer, np.bool_)):
        return value.item()
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else None
    return value
