"""Sounds, pictures and frames within outputs become files, each once."""

import base64

import nbformat
from report.conftest import picture, player, sound

from fmalib.report.media import Media, unpack


def test_a_sound_is_kept_once(tmp_path):
    media = Media(tmp_path)
    first, second, third = (media.extract(player(sound(hertz))) for hertz in (440, 440, 880))
    assert first == second != third and "base64" not in first + third
    files = sorted((tmp_path / "audio").iterdir())
    assert len(files) == 2 and sound() in [file.read_bytes() for file in files]
    assert f'src="audio/{next(file.name for file in files if file.read_bytes() == sound())}"' in first


def test_a_frame_becomes_a_page_of_its_own(tmp_path):
    page = '<script>const a = "b" && 1 < 2;</script>'
    escaped = page.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    text = Media(tmp_path).extract(f'<iframe sandbox="allow-scripts" srcdoc="{escaped}"></iframe>')
    (file,) = (tmp_path / "frames").iterdir()
    assert file.read_text() == page and f'src="frames/{file.name}"' in text and "srcdoc" not in text


def test_figures_are_described(tmp_path):
    notebook = nbformat.v4.new_notebook()
    data = {"image/png": base64.b64encode(picture()).decode(), "text/plain": "<Figure>"}
    outputs = [nbformat.v4.new_output("display_data", data)] * 2
    source = 'setup.show(plot(table, "a, b"), "learned_filters")'
    notebook.cells = [nbformat.v4.new_code_cell(source, outputs=[nbformat.from_dict(dict(output)) for output in outputs])]
    unpack(notebook, Media(tmp_path), 'Is "it" so?')
    first, second = (output["data"] for output in notebook.cells[0].outputs)
    assert "image/png" not in first and 'alt="Is &quot;it&quot; so? Figure 1: learned filters"' in first["text/html"]
    assert "Figure 2: figure 2" in second["text/html"] and len(list((tmp_path / "images").iterdir())) == 1
