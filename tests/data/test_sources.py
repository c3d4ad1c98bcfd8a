import numpy as np
import pytest
import soundfile
import tensorflow as tf
from helpers import tone

from fmalib.data import audio_cache, datasets, segments, sources

LENGTH = 3000


@pytest.fixture
def prepared(genre_folder, tmp_path, monkeypatch):
    """A cache in shards of up to three tracks, with a silent and a short one; and four of five tracks."""
    monkeypatch.setattr(audio_cache, "TRACKS_PER_SHARD", 3)
    soundfile.write(genre_folder / "High" / "silent.wav", np.zeros(8000), 8000)
    soundfile.write(genre_folder / "High" / "short.wav", tone(1500, 0.2), 8000)
    data = datasets.load(str(genre_folder))
    data.tracks["split"] = "training"
    built = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    tracks, _ = segments.select(data, built, "training", LENGTH)
    return built, tracks[np.arange(len(tracks)) % 5 > 0]


def facts_of(source, n_shards):
    """Returns what a source tells of all tracks of some shards."""
    everything = tf.data.Dataset.range(n_shards).flat_map(source.tracks)
    return [source.facts(track) for track in everything]


@pytest.mark.parametrize("kind", [sources.records, sources.ranges])
def test_a_source_tells_the_facts_of_all_tracks_in_order(prepared, kind):
    built, tracks = prepared
    found = facts_of(kind(built, tracks, LENGTH), tracks["shard"].nunique())
    rows = built.tracks[built.tracks["shard"].isin(tracks["shard"])]
    assert len(rows) > len(tracks)
    assert [int(track_id) for _, track_id, _, _ in found] == rows.index.tolist()
    assert [int(samples) for _, _, samples, _ in found] == rows["samples"].tolist()
    assert [int(label) for *_, label in found] == [tracks["label"].get(track_id, -1) for track_id in rows.index]


@pytest.mark.parametrize("kind", [sources.records, sources.ranges])
def test_pieces_are_the_samples_from_a_start(prepared, kind):
    built, tracks = prepared
    source, whole = kind(built, tracks, LENGTH), dict(audio_cache.read(built))
    found = [(handle, int(track_id), int(samples) - LENGTH) for handle, track_id, samples, _ in facts_of(source, 4)]
    places = [(handle, track_id, start) for handle, track_id, last in found if last >= 0 for start in (0, 1, last)]
    audio = source.audio(tf.stack([source.piece(handle, start) for handle, _, start in places])).numpy()
    assert audio.dtype == np.int16 and len(audio) > 20
    np.testing.assert_array_equal(audio, [whole[track_id][start : start + LENGTH] for _, track_id, start in places])
