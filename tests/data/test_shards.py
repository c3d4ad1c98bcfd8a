import json

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from helpers import tone

from fmalib.data import audio, shards


@pytest.fixture
def tracks(tmp_path):
    """Two tracks of 1 s at 8 kHz, and one that is silent."""
    for number, sound in enumerate((tone(200, 1), tone(400, 1), np.zeros(8000))):
        soundfile.write(tmp_path / f"{number}.wav", sound, 8000)
    return [(number, f"{number}.wav", 1.0) for number in range(3)]


@pytest.fixture(params=["folder", "address"])
def place(request, tmp_path):
    return str(tmp_path / "cache") if request.param == "folder" else f"ram://{tmp_path.name}/cache"


def written(tracks, place, tmp_path, name="00000.tfrecord"):
    return shards.write(name, tracks, place=place, root=tmp_path, sample_rate=4000)


def test_a_shard_holds_its_tracks_and_describes_them(tracks, place, tmp_path):
    assert shards.read(place, "00000.tfrecord") is None
    assert written(tracks, place, tmp_path) == 3
    facts, found = shards.read(place, "00000.tfrecord"), dict(shards.records(f"{place}/00000.tfrecord"))
    assert list(found) == [0, 1] and facts["failed"] == {"2": ["2.wav", "digital silence"]} and facts["notices"] == []
    for number, samples in found.items():
        expected = audio.decode(tmp_path / f"{number}.wav", 4000)
        np.testing.assert_array_equal(samples, expected)
        whole = expected.astype(float) / 32768
        assert facts["tracks"][str(number)] == [4000, pytest.approx(whole.sum()), pytest.approx((whole**2).sum())]
    assert facts["bytes"] == tf.io.gfile.stat(f"{place}/00000.tfrecord").length
    assert sorted(tf.io.gfile.listdir(place)) == ["00000.json", "00000.tfrecord"]


def test_a_second_writer_changes_nothing(tracks, place, tmp_path, monkeypatch):
    written(tracks, place, tmp_path)
    monkeypatch.setattr(shards, "decode", lambda *args, **options: pytest.fail("decoded again"))
    assert written(tracks, place, tmp_path) == 3


@pytest.mark.parametrize("damaged", ["00000.tfrecord", "00000.json"])
def test_a_damaged_shard_is_reported_and_does_not_count(tracks, place, tmp_path, caplog, damaged):
    written(tracks, place, tmp_path)
    with tf.io.gfile.GFile(f"{place}/{damaged}", "rb") as file:
        data = file.read()
    with tf.io.gfile.GFile(f"{place}/{damaged}", "wb") as file:
        file.write(data[:-20])
    assert shards.read(place, "00000.tfrecord") is None
    assert caplog.messages == [f"{place}/{damaged} is damaged: it is made again."]


def test_a_forgotten_shard_is_made_again(tracks, place, tmp_path):
    written(tracks, place, tmp_path)
    for _ in range(2):  # a second time there is nothing to forget
        shards.forget(f"{place}/00000.tfrecord")
    assert shards.read(place, "00000.tfrecord") is None
    written(tracks, place, tmp_path)
    assert shards.read(place, "00000.tfrecord") is not None


def test_leftovers_are_swept(tracks, place, tmp_path):
    written(tracks, place, tmp_path)
    left = f"{place}/" + ("123456789abc.tmp" if shards.is_address(place) else ".123456789abc.tmp.00001.tfrecord")
    with tf.io.gfile.GFile(left, "w") as file:
        file.write("half")
    shards.sweep(place)
    assert sorted(tf.io.gfile.listdir(place)) == ["00000.json", "00000.tfrecord"]


def test_the_description_is_json_for_any_reader(tracks, tmp_path):
    written(tracks, str(tmp_path / "cache"), tmp_path)
    assert set(json.loads((tmp_path / "cache" / "00000.json").read_text())) == {
        "bytes",
        "tracks",
        "failed",
        "notices",
        "sha256",
    }
