import json
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pytest
from helpers import tone

from fmalib import notebook

PARAMETERS = 'dataset = "synth"  # where from\nout_dir = "outputs/x"\nseed = 0\nquick = False\nrate = 0.5\nlatent = 32'


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


def test_an_interval_in_words():
    assert notebook.interval([0.246, 0.311]) == "0.25 to 0.31" and notebook.interval(None) == ""
