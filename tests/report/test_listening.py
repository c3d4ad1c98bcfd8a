"""The listening room: sounds of notebook 05 by bitrate."""

import numpy as np
import pytest
import soundfile
from helpers import tone

from fmalib.report import listening
from fmalib.report.media import Media

ROW = {"section": "demo", "si_sdr_db": 9.87}


@pytest.fixture
def audio(tmp_path):
    """A folder as notebook 05 leaves it: an original for each coder, two coders at 8 kbit/s, one at 1."""
    folder = tmp_path / "audio"
    folder.mkdir()
    for name, hertz in {"8_kbit_s_MP3": 441, "8_kbit_s_learned_listening": 442, "1_kbit_s_learned_listening": 443}.items():
        soundfile.write(folder / f"demo_{name}.wav", tone(hertz, 0.5), 8000)
    for name in ("MP3", "learned_listening"):
        soundfile.write(folder / f"demo_original_{name}.wav", tone(440, 0.5), 8000)
    return folder


def test_rooms(audio, tmp_path):
    rows = [ROW | {"codec": "learned, listening", "asked_kbps": 1.0, "real_kbps": 1.04}]
    rows += [ROW | {"codec": codec, "asked_kbps": 8.0, "real_kbps": 8.2} for codec in ("MP3", "learned, listening", "lost")]
    found = listening.rooms({"rows": rows + [{"section": "sweep"}]}, audio, Media(tmp_path / "report"))
    assert [(room["kbps"], [sound["name"] for sound in room["sounds"]]) for room in found] == [
        ("1", ["original", "learned, listening"]),
        ("8", ["original", "MP3", "learned, listening"]),
    ]
    sound = found[1]["sounds"][1]
    assert sound["note"] == "8.2 kbit/s, SI-SDR 9.9 dB" and found[0]["sounds"][0] == found[1]["sounds"][0]
    signal, rate = soundfile.read(tmp_path / "report" / sound["audio"])
    np.testing.assert_array_equal(signal, soundfile.read(audio / "demo_8_kbit_s_MP3.wav")[0])
    assert rate == 8000 and (tmp_path / "report" / sound["image"]).is_file()
    assert len(list((tmp_path / "report" / "audio").iterdir())) == 4  # each once


def test_without_sounds_there_is_no_room(tmp_path):
    assert listening.rooms({}, tmp_path, Media(tmp_path)) == []
    rows = [ROW | {"codec": "MP3", "asked_kbps": 8.0, "real_kbps": 8.2}]
    assert listening.rooms({"rows": rows}, tmp_path, Media(tmp_path)) == []
