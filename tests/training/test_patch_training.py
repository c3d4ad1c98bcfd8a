import numpy as np
import pytest
import soundfile
from helpers import tone

from fmalib.data import audio_cache, datasets
from fmalib.models import patch_autoencoder
from fmalib.training import patch_training, runs

RATE = 8000


@pytest.fixture(scope="module")
def small():
    """Two clusters of whitened patches: few patterns rebuild them well."""
    rng = np.random.default_rng(0)
    centres = 4 * rng.normal(size=(5, 8))
    patches = (centres[rng.integers(5, size=3000)] + 0.1 * rng.normal(size=(3000, 8))).astype(np.float32)
    whitening = patch_autoencoder.Whitening(np.zeros(8, np.float32), np.eye(8, dtype=np.float32))
    facts = {"whitening": whitening, "sample_rate": RATE, "hours": 0.1, "key": "small"}
    return patch_training.Patches(training=patches[:2500], validation=patches[2500:], **facts)


def network():
    runs.set_seed(0)
    return patch_autoencoder.patch_autoencoder(components=8, latent=16, active=2)


def test_training_learns_and_is_found_again(small, tmp_path, monkeypatch):
    monkeypatch.setenv("FMALIB_RUNS", str(tmp_path))
    run = patch_training.train(network(), small, epochs=40, progress=False)
    losses = run.history["val_loss"]
    assert losses.iloc[-1] < 0.75 * losses.iloc[0] and not run.loaded
    again = patch_training.train(network(), small, epochs=40, progress=False)
    assert again.loaded
    np.testing.assert_array_equal(
        again.model.predict(small.validation, verbose=0), run.model.predict(small.validation, verbose=0)
    )


def test_an_epoch_has_every_patch_at_most_once(small):
    batches = [batch.numpy() for batch, same in small.crops(3).take(2 * small.steps_per_epoch)]
    assert small.steps_per_epoch == 2 and [len(batch) for batch in batches] == 4 * [patch_training.BATCH_SIZE]
    first, second = np.concatenate(batches[:2]), np.concatenate(batches[2:])
    assert len(np.unique(first, axis=0)) == len(first) and (first != second).any()
    resumed = next(iter(small.crops(3, first_epoch=1)))[0]
    np.testing.assert_array_equal(resumed, batches[2])


def test_patches_of_tracks_and_of_files(genre_folder, tmp_path):
    data = datasets.load(str(genre_folder))
    cache = audio_cache.build(data, RATE, cache_dir=tmp_path / "cache", progress=False)
    ids = list(cache.tracks.index)
    soundfile.write(tmp_path / "more.wav", np.tile(tone(900, seed=1), 4), RATE)
    plain = patch_training.of_tracks(cache, ids[:12], ids[12:], progress=False)
    again = patch_training.of_tracks(cache, ids[:12], ids[12:], progress=False)
    more = patch_training.of_tracks(cache, ids[:12], ids[12:], paths=(tmp_path / "more.wav",), progress=False)
    np.testing.assert_array_equal(plain.training, again.training)
    assert plain.key == again.key != more.key and more.hours == pytest.approx(plain.hours * 16 / 12, rel=0.05)
    assert plain.hours == pytest.approx(36 / 3600, rel=0.05) and plain.training.shape[1] == patch_autoencoder.COMPONENTS
    assert np.isfinite(more.training).all() and plain.training.var(axis=0).mean() == pytest.approx(1, abs=0.3)
    files = patch_training.of_files(sorted(genre_folder.rglob("*.wav")), RATE, progress=False)
    assert files.sample_rate == RATE and len(files.training) > 5 * len(files.validation) > 0


def test_validation_decides_nothing_about_the_whitening(genre_folder, tmp_path):
    cache = audio_cache.build(datasets.load(str(genre_folder)), RATE, cache_dir=tmp_path / "cache", progress=False)
    ids = list(cache.tracks.index)
    one, other = (patch_training.of_tracks(cache, ids[:10], held, progress=False) for held in (ids[10:12], ids[12:]))
    np.testing.assert_array_equal(one.whitening.components, other.whitening.components)
    np.testing.assert_array_equal(one.training, other.training)


def test_too_short_music_is_refused():
    with pytest.raises(ValueError, match=r"recordings of 1 s or more. Received: none"):
        patch_training.drawn(list(patch_training.spectrograms([np.zeros(RATE // 2, np.float32)], RATE)), [], RATE, key="short")


def test_patterns_are_pictures_of_what_the_decoder_adds(small):
    wide = patch_autoencoder.Whitening(np.ones(2 * 32, np.float32), np.eye(64, 8, dtype=np.float32))
    patches = patch_training.Patches(**{**vars(small), "whitening": wide})
    model = network()
    pictures, usage = patch_training.patterns(model, patches)
    assert pictures.shape == (16, 2, 32) and usage.sum() <= 2 + 1e-6 and (usage >= 0).all()
    kernel = model.get_layer("decoder").get_layer("patch").get_weights()[0]
    most = usage.argmax()
    assert abs(np.corrcoef(pictures[most].ravel()[:8], kernel[most])[0, 1]) == pytest.approx(1)


def test_weights_are_written_and_read(small, tmp_path):
    model = network()
    patch_training.save(tmp_path / "weights.npz", model, small.whitening, RATE)
    encoder, whitening, rate = patch_training.load(tmp_path / "weights.npz")
    assert rate == RATE and whitening.components.dtype == np.float32
    x = small.validation[:50]
    found, wanted = (model.predict(x, verbose=0) for model in (encoder, model.get_layer("encoder")))
    assert (np.abs(found - wanted) < 0.05).mean() > 0.99 and (found > 0).sum(axis=1).max() == 2  # near ties may swap


@pytest.mark.parametrize("damage", ["cut", "names", "shapes", "pickle"])
def test_files_that_are_no_weights_are_refused_by_name(small, tmp_path, damage):
    path = tmp_path / "weights.npz"
    patch_training.save(path, network(), small.whitening, RATE)
    with np.load(path) as kept:
        arrays = dict(kept)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "names":
        np.savez(path, mean=arrays["mean"])
    elif damage == "shapes":
        np.savez(path, **{**arrays, "bias": arrays["bias"][:-1]})
    else:
        np.savez(path, **{**arrays, "bias": np.array([{"code": 1}], dtype=object)})
    with pytest.raises(ValueError, match=r"weights.npz must be a file of a patch autoencoder. Received: "):
        patch_training.load(path)


def test_the_package_has_weights():
    encoder, whitening, rate = patch_training.load()
    assert rate == patch_autoencoder.SAMPLE_RATE and whitening.components.shape == (43 * 32, patch_autoencoder.COMPONENTS)
    assert encoder.output.shape[1] == patch_autoencoder.LATENT
    assert patch_training.PACKAGE.stat().st_size < 2_000_000
