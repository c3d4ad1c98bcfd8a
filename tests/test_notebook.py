import numpy as np
import pytest
import soundfile
from conftest import tone

from fmalib import notebook

PARAMETERS = 'dataset = "synth"  # where from\nout_dir = "outputs/x"\nseed = 0\nquick = False\nrate = 0.5\nlatent = 32'


def run(*cells):
    """Returns the variables of a notebook that has run these cells."""
    namespace = {"In": ["", "import sys", *cells, "start()"]}
    for cell in cells:
        exec(cell, namespace)
    return namespace


def test_parameters_come_back_with_their_values():
    found = notebook.check_parameters(run(PARAMETERS, "# Parameters\nlatent = 64\nquick = True\n"))
    assert found == {
        "dataset": "synth", "out_dir": "outputs/x", "seed": 0, "quick": True, "rate": 0.5, "latent": 64,
    }
    assert notebook.check_parameters(run(PARAMETERS))["latent"] == 32


def test_a_mistyped_name_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match="there are dataset, out_dir, .*latent. Received: latnt"):
        notebook.check_parameters(run(PARAMETERS, "# Parameters\nlatnt = 64"))


@pytest.mark.parametrize("line", ['latent = "many"', "latent = 1.5", "latent = True", "quick = 1", "dataset = 3", 'rate = "a"'])
def test_a_value_of_another_type_is_an_error(line):
    with pytest.raises(ValueError, match=f"Parameter {line.split()[0]} must be of type .*Received: {line.split()[0]}="):
        notebook.check_parameters(run(PARAMETERS, f"# Parameters\n{line}"))


def test_an_integer_will_do_for_a_float():
    assert notebook.check_parameters(run(PARAMETERS, "# Parameters\nrate = 1"))["rate"] == 1


def test_the_parameters_cell_must_have_run():
    with pytest.raises(ValueError, match="Run the parameters cell first"):
        notebook.check_parameters(run("x = 1"))


def test_the_player_embeds_the_sound_and_keeps_a_wav(tmp_path):
    signal = tone(440, 1)
    shown = notebook.player(2 * signal, 8000, "A <script>", tmp_path / "audio" / "tone.wav")
    assert "A &lt;script&gt;" in shown.data and "data:audio/flac;base64," in shown.data
    kept, rate = soundfile.read(tmp_path / "audio" / "tone.wav")
    assert rate == 8000 and np.abs(kept).max() <= 1 and len(kept) == len(signal)


def test_metrics_are_plain_json(tmp_path):
    import json

    setup = notebook.Setup({}, tmp_path, tmp_path / "figures", tmp_path / "audio")
    metrics = {"a": np.float32(0.5), "b": (np.int64(1), None), "c": float("nan"), "d": {"e": np.bool_(True)}}
    path = notebook.write_metrics(setup, metrics)
    assert json.loads(path.read_text()) == {"a": 0.5, "b": [1, None], "c": None, "d": {"e": True}}


def test_numbers_of_a_comma_list():
    assert notebook.numbers("latents", "512, 64,") == [512, 64]
    for text in ("", "64;32", "0", "-3", "2.5"):
        with pytest.raises(ValueError, match=f"latents must be positive integers.*Received: latents='{text}'"):
            notebook.numbers("latents", text)


def test_one_of_the_known_values():
    notebook.one_of(("test", "all"), points="all")
    with pytest.raises(ValueError, match="points must be one of test, all. Received: points='train'"):
        notebook.one_of(("test", "all"), points="train")


def test_a_page_is_written_whole(tmp_path):
    setup = notebook.Setup({}, tmp_path, tmp_path, tmp_path)
    assert notebook.write_text(setup, "map.html", "ü").read_text(encoding="utf-8") == "ü"
    assert [path.name for path in tmp_path.iterdir()] == ["map.html"]
