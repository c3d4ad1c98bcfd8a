"""Players as text; a browser's view of them was checked by hand."""

import base64
import io
import re

import numpy as np
import pytest
import soundfile
from helpers import tone
from matplotlib.image import imread

from fmalib.plots import players

SPITE = '"><img src=x onerror=alert(1)>'
LOUD = 3 * tone(300, seconds=1.0)
SOUNDS = {
    "Rock": {"original": tone(200, seconds=1.0), "decoded": LOUD},
    SPITE: {"original": tone(500, seconds=0.5), SPITE: None},
}


@pytest.fixture
def shown(tmp_path):
    """The grid's HTML, and the folder of its wav files."""
    return players.grid(SOUNDS, 8000, SPITE, tmp_path / "audio" / "pair").data, tmp_path / "audio"


def test_labels_are_escaped(shown):
    text, _ = shown
    assert SPITE not in text and text.count("<img") == 3
    assert re.findall(r"<th[^>]*>([^<]*)</th>", text)[:3] == ["", "original", "decoded"]
    assert text.count("&quot;&gt;&lt;img src=x onerror=alert(1)&gt;") == 1 + 2 + 3 * 2 + 1 * 2  # caption, labels, names


def test_a_missing_sound_leaves_a_dash(shown):
    cells = re.findall(r"<td[^>]*>(.*?)</td>", shown[0])
    assert [cell == "–" for cell in cells] == [False, False, True, False, True, True]


def test_each_cell_has_one_picture_and_one_sound(shown):
    text, _ = shown
    assert len(re.findall(r"https?:|url\(", text)) == 0
    pictures = re.findall(r'<img[^>]* src="data:image/png;base64,([^"]+)"', text)
    sounds = re.findall(r'<audio controls[^>]* src="data:audio/flac;base64,([^"]+)"', text)
    assert len(pictures) == len(sounds) == text.count("data:") // 2 == 3
    decoded = [soundfile.read(io.BytesIO(base64.b64decode(sound)), dtype="float32") for sound in sounds]
    assert [(len(samples), rate) for samples, rate in decoded] == [(8000, 8000), (8000, 8000), (4000, 8000)]
    np.testing.assert_allclose(decoded[0][0], SOUNDS["Rock"]["original"], atol=1 / 32768)


def test_pictures_have_one_scale_and_the_pitch_at_its_height(tmp_path):
    sounds = {"a": {"loud": tone(3000), "soft": tone(3000) / 100, "silent": np.zeros(24_000, np.float32)}}
    pages = re.findall(r"data:image/png;base64,([^\"]+)", players.grid(sounds, 8000, "t", tmp_path / "x").data)
    light = [imread(io.BytesIO(base64.b64decode(page)))[..., :3].sum(axis=(1, 2)) for page in pages]
    assert [column.argmax() for column in light[:2]] == [round(players.HEIGHT / 4)] * 2  # 3 of 4 kHz, from below
    assert light[0].max() > light[1].max() and np.ptp(light[2]) == 0


def test_sounds_are_kept_at_their_length_and_clipped(shown):
    _, folder = shown
    spite = "img_src_x_onerror_alert_1"
    assert {file.name for file in folder.iterdir()} == {
        f"pair_{n}.wav" for n in ("Rock_original", "Rock_decoded", f"{spite}_original")
    }
    kept, rate = soundfile.read(folder / "pair_Rock_decoded.wav", dtype="float32")
    assert rate == 8000 and len(kept) == 8000
    np.testing.assert_allclose(kept, np.clip(LOUD, -1, 32767 / 32768), atol=1 / 32768)


def test_nothing_to_play_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="Received: sounds="):
        players.grid({"a": {"b": None}}, 8000, "t", tmp_path / "x")
    assert not list(tmp_path.iterdir())
