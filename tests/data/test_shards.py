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


@pytest.mark.parametrize("samples", [0, 1, 63, 64, 8191, 8192, 8193, 120_001, 1_048_576])
def test_the_layout_of_a_shard_is_where_its_samples_lie(tmp_path, samples):
    """At the lengths from which protocol buffers take one byte more."""
    rng, shard = np.random.default_rng(samples), tmp_path / "00000.tfrecord"
    sounds = {
        track_id: rng.integers(-32768, 32768, max(0, samples + more)).astype(np.int16)
        for track_id, more in ((0, -20), (127, -9), (128, 0), (155_066, -1), (1 << 40, 7))
    }
    facts = {"tracks": {}}
    size = shards._write_records(shard, sounds.items(), facts)
    begins, found = shards.layout([(track_id, len(sound)) for track_id, sound in sounds.items()])
    assert found == size == shard.stat().st_size
    for begin, sound in zip(begins, sounds.values(), strict=True):
        read = np.empty(len(sound), np.int16)
        shards.read_samples(shard, size, begin, read)
        np.testing.assert_array_equal(read, sound)


def test_samples_of_a_shard_of_another_size_are_refused(tracks, tmp_path):
    place = str(tmp_path / "cache")
    written(tracks, place, tmp_path)
    path, some = f"{place}/00000.tfrecord", np.empty(10, np.int16)
    _, size = shards.layout([(0, 4000), (1, 4000)])
    shards.read_samples(path, size, 100, some)
    with pytest.raises(OSError, match=rf"damaged: {size + 1} bytes expected.*00000"):
        shards.read_samples(path, size + 1, 100, some)
    with pytest.raises(OSError, match="damaged"):
        shards.read_samples(path, size, size - 19, some)
    with pytest.raises(OSError, match=r"damaged: .*00001"):  # it is gone
        shards.read_samples(f"{place}/00001.tfrecord", size, 100, some)


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
