import json
import os
import subprocess
import sys
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import bound_by_permissions, tone

from fmalib import notebook

PARAMETERS = 'dataset: str = "synth"  # where from\nout_dir = "outputs/x"\nseed = 0\nquick = False\nrate = 0.5\nlatent = 32'


def run(*cells):
    """Returns the variables of a notebook that has run these cells."""
    namespace = {"In": ["", "import sys", *cells, "start()"]}
    for cell in cells:
        exec(cell, namespace)
    return namespace


def shell(*cells):
    """Returns what stands for IPython in a notebook that has run these cells."""
    return SimpleNamespace(user_ns=run(*cells))


def test_parameters_come_back_with_their_values():
    found = notebook.read_parameters(run(PARAMETERS, "# Parameters\nlatent = 64\nquick = True\n"))
    assert found == {"dataset": "synth", "out_dir": "outputs/x", "seed": 0, "quick": True, "rate": 0.5, "latent": 64}
    assert notebook.read_parameters(run(PARAMETERS))["latent"] == 32


def test_a_mistyped_name_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"there are dataset, out_dir, .*latent\. Received: latnt"):
        notebook.read_parameters(run(PARAMETERS, "# Parameters\nlatnt = 64"))


@pytest.mark.parametrize(
    "line, value",
    [
        ("dataset = 2020", "2020"),
        ('quick = "true"', True),
        ("quick = 1", True),
        ('quick = "No"', False),
        ("seed = 3.0", 3),
        ('seed = "7"', 7),
        ("rate = 1", 1.0),
        ('rate = "1e-3"', 0.001),
    ],
)
def test_a_value_is_read_as_what_it_means(line, value):
    name = line.split()[0]
    found = notebook.read_parameters(run(PARAMETERS, f"# Parameters\n{line}"))[name]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "line, kind",
    [
        ('latent = "many"', "str"),
        ("latent = 1.5", "float"),
        ("latent = True", "bool"),
        ('quick = "maybe"', "str"),
        ("quick = 2", "int"),
        ("dataset = None", "NoneType"),
        ('rate = "a"', "str"),
        ('seed = "inf"', "str"),
    ],
)
def test_a_value_that_cannot_be_read_names_type_value_and_remedy(line, kind):
    name, value = line.split(" = ")
    message = f"Parameter {name} must be of type .*-r {name} VALUE.*Received: {name}={value} of type {kind}"
    with pytest.raises(ValueError, match=message.replace('"', "'")):
        notebook.read_parameters(run(PARAMETERS, f"# Parameters\n{line}"))


def test_one_call_checks_converts_and_makes_folders(tmp_path, capsys):
    cells = (PARAMETERS + '\nlatents = "64,32"\npoints = "all"\nsystems = "cnn"', "# Parameters\nlatents = 64\nquick = 'true'")
    running = shell(*cells)
    running.user_ns["out_dir"] = str(tmp_path / "out")
    setup = notebook.start(
        running, least={"latent": 1}, choices={"points": ("test", "all")}, lists={"latents": int, "systems": ("cnn", "bbnn")}
    )
    assert setup.lists == {"latents": [64], "systems": ["cnn"]} and running.user_ns["latents"] == "64"
    assert running.user_ns["quick"] is True and setup.params["quick"] is True
    assert {path.name for path in setup.out_dir.iterdir()} == {"figures", "audio"}
    assert "latents='64'" in capsys.readouterr().out


START = """
import sys
from types import SimpleNamespace
from fmalib import notebook
for out_dir in sys.argv[1:]:
    try:
        notebook.start(SimpleNamespace(user_ns={"In": [f"out_dir = {out_dir!r}; seed = 0"], "out_dir": out_dir, "seed": 0}))
    except OSError as error:
        print(error)
"""


def test_a_folder_that_cannot_be_written_is_found_at_the_start(tmp_path):
    (tmp_path / "audio" / "audio").mkdir(parents=True)
    (tmp_path / "figures" / "figures").mkdir(parents=True)
    (tmp_path / "itself").mkdir()
    cannot = {
        "audio": tmp_path / "audio" / "audio",
        "figures": tmp_path / "figures" / "figures",
        "itself": tmp_path / "itself",
        "itself/new": tmp_path / "itself" / "new",
    }
    for folder in list(cannot.values())[:3]:
        folder.chmod(0o555)
    command = [sys.executable, "-c", START, *[str(tmp_path / name) for name in cannot]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, preexec_fn=bound_by_permissions)
    remedy = "Name another folder by -p out_dir FOLDER. Received: out_dir="
    assert done.stdout.splitlines() == [
        f"{folder} cannot be written: permission denied. {remedy}'{tmp_path / name}'" for name, folder in cannot.items()
    ], done.stderr


@pytest.mark.parametrize("file", ["out", "out/figures", "out/audio"])
def test_a_file_in_the_place_of_a_folder_is_one_clear_error(tmp_path, file):
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    running = shell(PARAMETERS)
    running.user_ns["out_dir"] = str(tmp_path / "out")
    with pytest.raises(
        OSError, match=rf"^{tmp_path / file} cannot be written: file exists\. .* Received: out_dir='{tmp_path}/out'"
    ):
        notebook.start(running)


def test_what_killed_runs_left_is_removed(tmp_path):
    folders = [tmp_path, tmp_path / "figures", tmp_path / "audio"]
    for folder in folders:
        folder.mkdir(exist_ok=True)
        for name in (f".{'0a' * 6}.tmp.loss.png", "loss.png", ".tmp.loss.png"):
            (folder / name).touch()
    running = shell(PARAMETERS)
    running.user_ns["out_dir"] = str(tmp_path)
    notebook.start(running)
    for folder in folders:
        assert {path.name for path in folder.iterdir()} - {"figures", "audio"} == {"loss.png", ".tmp.loss.png"}


@pytest.mark.parametrize(
    "line, checks, message",
    [
        ("latent = 0", {"least": {"latent": 1}}, "latent must be at least 1. Received: latent=0"),
        ("dataset = 'x'", {"choices": {"dataset": ("a", "b")}}, "dataset must be one of a, b. Received: dataset='x'"),
        ("dataset = 'a,c'", {"lists": {"dataset": ("a", "b")}}, "dataset must be of a, b. Received: 'c'"),
        ("dataset = ' ,'", {"lists": {"dataset": ("a", "b")}}, "dataset must name one or more of a, b. Received: dataset=' ,'"),
        ("dataset = '64;32'", {"lists": {"dataset": int}}, "dataset must be positive integers.*Received: dataset='64;32'"),
        ("dataset = ''", {"lists": {"dataset": int}}, "dataset must be positive integers.*Received: dataset=''"),
        ("dataset = '0'", {"lists": {"dataset": int}}, "dataset must be positive integers.*Received: dataset='0'"),
    ],
)
def test_a_wrong_value_is_one_clear_error(line, checks, message):
    with pytest.raises(ValueError, match=message):
        notebook.start(shell(PARAMETERS, f"# Parameters\n{line}"), **checks)


def test_a_list_may_be_checked_by_a_function():
    def check(names):
        raise ValueError(f"Received: {names}")

    with pytest.raises(ValueError, match=r"Received: \['synth'\]"):
        notebook.start(shell(PARAMETERS), lists={"dataset": check})


def test_the_parameters_cell_must_have_run():
    with pytest.raises(ValueError, match="Run the parameters cell first"):
        notebook.read_parameters(run("x = 1"))


@pytest.fixture
def setup(tmp_path):
    return notebook.Setup({}, {}, tmp_path, note="A note.")


def test_a_figure_is_saved_with_its_note_and_shown(setup, monkeypatch):
    figure, shown = plt.figure(), []
    monkeypatch.setattr("IPython.display.display", shown.append)
    setup.show(figure, "loss")
    assert shown == [figure] and [text.get_text() for text in figure.texts] == ["A note."]
    assert (setup.out_dir / "figures" / "loss.png").stat().st_size > 0


def test_sounds_are_kept_and_shown(setup, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    setup.play({"8 kbit/s": {"MP3": tone(440), "Opus": None}}, 8000, "A song", "demo")
    assert [path.name for path in (setup.out_dir / "audio").iterdir()] == ["demo_8_kbit_s_MP3.wav"]
    assert shown[0].data.count("<audio") == 1 and "A song" in shown[0].data


def test_metrics_are_plain_json(setup):
    metrics = {"a": np.float32(0.5), "b": (np.int64(1), None), "c": float("nan"), "d": {"e": np.bool_(True)}}
    assert json.loads(setup.write_metrics(metrics).read_text()) == {"a": 0.5, "b": [1, None], "c": None, "d": {"e": True}}


def test_a_page_is_written_whole(setup):
    assert setup.write_text("map.html", "ü").read_text(encoding="utf-8") == "ü"
    assert [path.name for path in setup.out_dir.iterdir()] == ["map.html"]


@pytest.mark.parametrize("code", ["import fmalib.data.audio_cache", "import fmalib, keras"])
def test_tensorflow_starts_silently(code):
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    started = f"{code}; import sys; assert sys.modules['tensorflow'].__file__; print('end', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", started], capture_output=True, text=True, env=environment, timeout=100)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "end\n")


def test_an_error_of_tensorflow_is_shown_and_its_messages_on_demand(tmp_path):
    source = "import os\nos.write(2, b'a message\\n')\nraise ImportError('libnothing.so.1: cannot open shared object file')"
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text(source)
    for level in ("3", "0"):
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "TF_CPP_MIN_LOG_LEVEL": level}
        command = [sys.executable, "-c", "import fmalib; import tensorflow"]
        lines = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100).stderr.splitlines()
        assert lines[-1] == "ImportError: libnothing.so.1: cannot open shared object file"
        assert f'  File "{tmp_path}/tensorflow/__init__.py", line 3, in <module>' in lines
        assert ("a message" in lines) == (level == "0")


def test_the_package_itself_imports_nothing_slow():
    code = "import sys, fmalib.paths; print(sorted({'numpy', 'pandas', 'keras', 'tensorflow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_an_interval_in_words():
    assert notebook.interval([0.246, 0.311]) == "0.25 to 0.31" and notebook.interval(None) == ""
