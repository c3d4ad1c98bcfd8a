import numpy as np
import pytest
import soundfile
import tensorflow as tf
from helpers import tone

from fmalib.data import audio, audio_cache, datasets, segments

LENGTH = 4000


@pytest.fixture
def prepared(genre_folder, tmp_path, monkeypatch):
    """A data set of 20 tracks, its cache in shards of three, and the training tracks."""
    monkeypatch.setattr(audio_cache, "TRACKS_PER_SHARD", 3)
    soundfile.write(genre_folder / "High" / "short.wav", tone(1500, 0.4), 8000)
    data = datasets.load(str(genre_folder))
    data.tracks["split"] = "training"  # all of them, so that there is something to shuffle
    return data, audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)


def take(dataset, count):
    """Returns the first batches as numpy arrays."""
    return [tuple(part.numpy() for part in batch) for batch in dataset.take(count)]


def locate(batch, built):
    """Returns (track id, start) of each segment, found by its samples."""
    tracks = {track_id: audio.to_float(samples) for track_id, samples in audio_cache.read(built)}
    found = []
    for segment in batch:
        for track_id, whole in tracks.items():
            starts = np.flatnonzero(whole[: len(whole) - LENGTH + 1] == segment[0])
            hit = [start for start in starts if np.array_equal(whole[start : start + LENGTH], segment)]
            if hit:
                found.append((track_id, hit[0]))
                break
    return found


def test_select_counts_and_names_tracks_that_are_too_short(prepared):
    data, built = prepared
    tracks, skipped = segments.select(data, built, "training", LENGTH)
    assert len(tracks) == 20
    assert skipped["path"].tolist() == ["High/short.wav"]
    assert skipped["reason"].tolist() == ["shorter than a segment of 0.50 s"]
    assert [data.genres[label] for label in tracks["label"]] == tracks["genre"].tolist()


def test_select_fails_where_nothing_is_left(prepared):
    data, built = prepared
    with pytest.raises(
        ValueError, match=r"The validation split of music has no track: each genre needs three artists.*Received: 1. artists"
    ):
        segments.select(data, built, "validation", LENGTH)
    with pytest.raises(ValueError, match=r"no track with a segment of 10\.00 s"):
        segments.select(data, built, "training", 80_000)
    with pytest.raises(ValueError, match="length=0"):
        segments.select(data, built, "training", 0)


def test_select_splits_is_select_for_each_split(genre_folder, tmp_path):
    (genre_folder / "Low" / "broken.wav").write_text("no music")
    soundfile.write(genre_folder / "Low" / "short.wav", tone(300, seconds=1), 8000)
    data = datasets.load(str(genre_folder))
    built = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    chosen, skipped = segments.select_splits(data, built, 16_000)
    for split, tracks in zip(("training", "validation", "test"), chosen, strict=True):
        assert tracks.equals(segments.select(data, built, split, 16_000)[0])
    assert dict(zip(skipped["path"], skipped["reason"])) == {
        "Low/broken.wav": "not readable as audio",
        "Low/short.wav": "shorter than a segment of 2.00 s",
    }


@pytest.mark.parametrize("value", [0, -1, 1.5])
def test_counts_must_be_positive(prepared, value):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    with pytest.raises(ValueError, match=f"per_track must be a positive integer. Received: per_track={value}"):
        segments.fixed_segments(built, tracks, LENGTH, per_track=value, batch_size=8)
    with pytest.raises(ValueError, match=f"Received: per_track={value}"):
        segments.segment_table(tracks, LENGTH, value)
    for name in ("batch_size", "crops_per_track", "length"):
        with pytest.raises(ValueError, match=f"Received: {name}={value}"):
            segments.Pipeline(built, tracks, tracks, **({"length": LENGTH} | {name: value}))


def test_a_track_as_long_as_a_segment_gives_that_segment(prepared):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", 24_000)
    batches = take(segments.random_crops(built, tracks, 24_000, batch_size=20, seed=0), 1)
    assert batches[0][0].shape == (20, 24_000)
    assert set(segments.segment_table(tracks, 24_000, 3)["start"]) == {0}


def test_an_epoch_takes_every_track_once_at_random_places(prepared):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    steps = segments.n_batches(tracks, 2, 8)
    assert steps == 5
    batches = take(segments.random_crops(built, tracks, LENGTH, batch_size=8, seed=0, crops_per_track=2), 2 * steps)
    epochs = [[place for batch, _ in batches[first : first + steps] for place in locate(batch, built)] for first in (0, steps)]
    for places in epochs:
        ids, starts = zip(*places)
        assert sorted(ids) == sorted([*tracks.index] * 2)
        assert len(set(starts)) > 30 and min(starts) >= 0 and max(starts) <= 24_000 - LENGTH
    assert set(epochs[0]) != set(epochs[1])
    assert [track_id for track_id, _ in epochs[0]] != [track_id for track_id, _ in epochs[1]]


def test_labels_belong_to_their_tracks(prepared):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    for batch, labels in take(segments.random_crops(built, tracks, LENGTH, batch_size=8, seed=1), 3):
        assert batch.dtype == np.float32 and labels.dtype == np.int64
        assert [tracks.loc[track_id, "label"] for track_id, _ in locate(batch, built)] == labels.tolist()


def test_crops_depend_on_the_seed_and_on_nothing_else(prepared):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    first, again, other = (take(segments.random_crops(built, tracks, LENGTH, batch_size=8, seed=seed), 6) for seed in (0, 0, 1))
    assert all(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in zip(first, again))
    assert not np.array_equal(first[0][0], other[0][0])


def test_resuming_at_an_epoch_gives_the_same_crops(prepared):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    steps = segments.n_batches(tracks, 1, 8)
    whole = take(segments.random_crops(built, tracks, LENGTH, batch_size=8, seed=0), 3 * steps)
    resumed = take(segments.random_crops(built, tracks, LENGTH, batch_size=8, seed=0, first_epoch=2), steps)
    assert all(np.array_equal(a[0], b[0]) and np.array_equal(a[1], b[1]) for a, b in zip(whole[2 * steps :], resumed))


def test_only_the_selected_tracks_are_read(prepared):
    data, built = prepared
    tracks = segments.select(data, built, "training", LENGTH)[0].iloc[[0, 5, 11]]
    batch, _ = take(segments.random_crops(built, tracks, LENGTH, batch_size=8, seed=0), 1)[0]
    assert {track_id for track_id, _ in locate(batch, built)} == set(tracks.index) and len(batch) == 3


@pytest.mark.parametrize("per_track", [1, 2, 5])
def test_fixed_segments_are_evenly_spaced_in_the_tables_order(prepared, per_track):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    dataset = segments.fixed_segments(built, tracks, LENGTH, per_track=per_track, batch_size=7)
    assert len(dataset) == -(-20 * per_track // 7)
    batches = take(dataset, -1)
    table = segments.segment_table(tracks, LENGTH, per_track)
    assert np.concatenate([labels for _, labels in batches]).tolist() == table["label"].tolist()
    places = [place for batch, _ in batches for place in locate(batch, built)]
    assert places == list(zip(table["track_id"], table["start"]))
    expected = [10_000] if per_track == 1 else [20_000 * k // (per_track - 1) for k in range(per_track)]
    assert table.groupby("track_id")["start"].apply(list).tolist() == [expected] * 20


def test_tracks_in_another_order_are_refused(prepared):
    """Segments would come in the cache's order, and the rows of `segment_table` in the table's."""
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    for wrong in (tracks.iloc[::-1], tracks.iloc[[0, 0, 1]], tracks.rename({tracks.index[0]: 10**6})):
        for read in (segments.fixed_segments, segments.random_crops):
            options = {"per_track": 1} if read is segments.fixed_segments else {"seed": 0}
            with pytest.raises(ValueError, match=r"reading order \(segments.select\)\. Received: \["):
                read(built, wrong, LENGTH, batch_size=8, **options)


@pytest.mark.parametrize("n_tracks, min_segments, expected", [(23, 256, 12), (256, 256, 1), (257, 256, 1), (300, 1, 1)])
def test_an_epoch_has_at_least_the_segments_asked_for(n_tracks, min_segments, expected):
    assert segments.crops_for(range(n_tracks), min_segments) == expected
    assert n_tracks * expected >= min_segments


def test_the_audio_target_is_the_input(prepared):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    for batch, target in take(segments.fixed_segments(built, tracks, LENGTH, per_track=1, batch_size=8, target="audio"), 3):
        np.testing.assert_array_equal(batch, target)
    with pytest.raises(ValueError, match="target='genre'"):
        segments.fixed_segments(built, tracks, LENGTH, per_track=1, batch_size=8, target="genre")


def test_the_fingerprint_depends_on_tracks_and_labels(prepared):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    relabelled = tracks.assign(label=1 - tracks["label"])
    prints = {segments.fingerprint(built, part) for part in (tracks, tracks.iloc[1:], relabelled)}
    assert len(prints) == 3 and segments.fingerprint(built, tracks.copy()) in prints


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("read", [segments.fixed_segments, segments.random_crops])
def test_a_corrupt_record_is_an_error_not_noise(prepared, read):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    flip(built.directory / tracks["shard"].iloc[0])
    options = {"per_track": 1} if read is segments.fixed_segments else {"seed": 0}
    with pytest.raises(tf.errors.DataLossError):
        take(read(built, tracks, LENGTH, batch_size=8, **options), 3)


def test_a_shard_that_is_cut_during_training_is_named_and_made_again(prepared, tmp_path):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    whole, shard = (
        segments.random_crops(built, tracks, LENGTH, batch_size=20, seed=0),
        built.directory / tracks["shard"].iloc[0],
    )
    content = shard.read_bytes()
    batches = iter(whole)
    next(batches)
    shard.write_bytes(content[:-20])
    with pytest.raises(OSError, match=rf"damaged; the next call makes it again.*{shard.name}"), audio_cache.damage_named(built):
        for _ in range(6):  # some may have been read before
            next(batches)
    audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    assert shard.read_bytes() == content


def test_crops_from_an_address_are_those_from_a_folder(prepared, tmp_path):
    data, built = prepared
    far = audio_cache.build(data, 8000, cache_dir=f"ram://{tmp_path.name}", progress=False)
    tracks, _ = segments.select(data, built, "training", LENGTH)
    near, there = (
        take(segments.random_crops(cache, tracks.iloc[3:], LENGTH, batch_size=8, seed=3, crops_per_track=2), 12)
        for cache in (built, far)
    )
    for one, other in zip(near, there, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_mixup_mixes_audio_and_labels_by_the_same_share(prepared):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    plain = segments.Pipeline(built, tracks, tracks, LENGTH, batch_size=20, n_classes=2)
    mixed = segments.Pipeline(built, tracks, tracks, LENGTH, batch_size=20, n_classes=2, mixup=0.3)
    ((audio_before, before),) = take(plain.crops(0), 1)
    ((audio_after, after),) = take(mixed.crops(0), 1)
    neighbour = np.roll(audio_before, 1, axis=0)
    shares = ((audio_after - neighbour) * (audio_before - neighbour)).sum(axis=1) / ((audio_before - neighbour) ** 2).sum(
        axis=1
    )
    assert (shares > -1e-4).all() and (shares < 1.0001).all() and np.ptp(shares) > 0.5
    np.testing.assert_allclose(audio_after, shares[:, None] * audio_before + (1 - shares[:, None]) * neighbour, atol=1e-5)
    np.testing.assert_allclose(after, shares[:, None] * before + (1 - shares[:, None]) * np.roll(before, 1, axis=0), atol=1e-4)
    held = take(mixed.held_out(), 1)[0][1]
    assert set(np.unique(held)) == {0, 1} and (held.sum(axis=1) == 1).all()
    with pytest.raises(ValueError, match=r"mixup must be .* needs n_classes\. Received: mixup=0\.3, n_classes=0"):
        segments.Pipeline(built, tracks, tracks, LENGTH, mixup=0.3)


def test_resuming_at_an_epoch_gives_the_same_mixup(prepared):
    data, built = prepared
    tracks, _ = segments.select(data, built, "training", LENGTH)
    pipeline = segments.Pipeline(built, tracks, tracks, LENGTH, batch_size=8, n_classes=2, mixup=0.3)
    whole = take(pipeline.crops(3), 3 * pipeline.steps_per_epoch)
    resumed = take(pipeline.crops(3, first_epoch=2), pipeline.steps_per_epoch)
    for one, other in zip(whole[2 * pipeline.steps_per_epoch :], resumed, strict=True):
        for part, same in zip(one, other):
            np.testing.assert_array_equal(part, same)
