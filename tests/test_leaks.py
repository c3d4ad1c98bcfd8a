"""Guards against leaks; `benchmarks/mutants.py` breaks each of them and shows that a test notices.

The heart: test tracks get other audio, lengths, labels and artists, and nothing that is fitted changes by a bit. The mirror:
the same done to training tracks changes all of it.
"""

import dataclasses
import runpy

import keras
import numpy as np
import pandas as pd
import pytest
import soundfile
from helpers import REPOSITORY, tone

from fmalib.data import audio_cache, datasets, segments, splits
from fmalib.genres import comparison, evaluation, pooling, probes, results, systems
from fmalib.latent import maps, representations
from fmalib.training import runs

GENRES, EACH = ("High", "Low"), 14  # tracks a genre, two an artist
SINGLE = (["training"] * 6 + ["validation"] * 4 + ["test"] * 4) * len(GENRES)
SETTINGS = {"min_segments": 16, "progress": False, "epochs": {"autoencoder": 1, "frozen": 2, "finetuned": 1, "network": 1}}


def sound(genre, number, changed):
    """Returns 8.3 s of a tone in noise at 8 kHz; genres overlap in pitch and level. A changed one is 8.5 s of noise."""
    rng = np.random.default_rng([number, genre == "Low", changed])
    if changed:
        return rng.normal(0, rng.uniform(0.02, 0.3), 68_000).astype(np.float32)
    pitch = (400 if genre == "Low" else 500) * rng.lognormal(0, 0.3)
    return rng.uniform(0.2, 1) * tone(pitch, 8.3, seed=number) + rng.normal(0, 0.1, 66_400).astype(np.float32)


def load(folder, changed=()):
    """Returns the `Dataset` of a folder of 28 tracks, without a split; those at `changed` places have other audio."""
    for place in range(EACH * len(GENRES)):
        genre, number = GENRES[place // EACH], place % EACH
        path = folder / "music" / genre / f"artist {genre} {number // 2}" / f"{number:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound(genre, number, place in changed), 8000)
    return datasets.load(str(folder / "music"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A function that returns a data set and its decoded audio, where all tracks of one split are changed.

    Its arguments are the split, `"single"` or the number of a fold, and the name of the changed split, or None. Each world
    has audio, features and runs of its own, so that nothing is found from another one.
    """
    made = {}

    def make(which, changed):
        folder = tmp_path_factory.mktemp("world")
        tracks = load(folder).tracks
        split = np.array(SINGLE if which == "single" else splits.folds(tracks, 2)[which])
        places = np.flatnonzero(split == changed)
        data = load(folder, places)
        tracks, ids = data.tracks.assign(split=split), data.tracks.index[places]
        # Other labels, and not as many of each.
        tracks.loc[ids, "genre"] = [GENRES[number % 3 > 0] for number in range(len(ids))]
        tracks.loc[ids, "artist"] = [f"other {number // 3}" for number in range(len(ids))]
        data = dataclasses.replace(data, tracks=tracks)
        return folder, data, audio_cache.build(data, 8000, cache_dir=folder / "cache", progress=False)

    def get(which="single", changed=None):
        if (which, changed) not in made:
            made[which, changed] = make(which, changed)
        return made[which, changed]

    return get


@pytest.fixture
def opened(world, monkeypatch):
    """A function of a world's names and of options for `comparison.prepare` that returns the comparison."""

    def prepare(*names, **options):
        folder, data, decoded = world(*names)
        monkeypatch.setenv("FMALIB_RUNS", str(folder / "runs"))
        return comparison.prepare(data, decoded, **{"latent": 4, "segments_per_track": 2, **SETTINGS, **options})

    return prepare


def flat(arrays):
    return np.concatenate([np.ravel(array) for array in arrays])


def fitted(name, own, monkeypatch):
    """Returns all that a system fits and selects on a comparison, a dict of arrays and texts."""
    found, given, fit = [], [], probes.fit

    def fit_and_keep(kind, *rows, **options):
        given.append(rows)
        found.append(fit(kind, *rows, **options))
        return found[-1]

    with monkeypatch.context() as patch:
        patch.setattr(probes, "fit", fit_and_keep)
        result = systems.run(name, own)
    facts = {"validation": result.validation_probabilities, "temperature": result.summary()["temperature"]}
    facts |= {f"losses, {phase}": history[["loss", "val_loss"]] for phase, history in result.histories.items()}
    if result.model:
        facts["weights"] = flat(result.model.get_weights())
    for probe, rows in zip(found, given):
        facts["fitted and selected on"] = flat(rows)  # of so few tracks, one selection tells little
        scaler, classifier = probe.model
        attributes = probes.KINDS[probe.description.split()[0]].fitted
        facts |= {"scaler": flat([scaler.mean_, scaler.scale_]), "selected": probe.description}
        facts["coefficients"] = flat(getattr(classifier, attribute) for attribute in attributes)
    return facts


def assert_only_training_counts(base, other_test, other_training, selected=("selected",)):
    """Fitted values are the same with other test tracks, and differ with other training tracks, but for selections."""
    assert base.keys() == other_test.keys() == other_training.keys() and base
    for name, value in base.items():
        assert np.array_equal(value, other_test[name]), f"{name} depends on test tracks"
        assert name in selected or not np.array_equal(value, other_training[name]), f"{name} does not depend on training"


def some_slow(names, *fast):
    """Returns parameters of which all but a few are marked as slow."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name not in fast)) for name in names]


FAST = ("mel_pca", "mfcc_svm", "latent_linear", "majority", "shuffled_mel_pca")


FITTED = [
    name for name in systems.SYSTEMS if not name.startswith("pretrained")
]  # whose rate is another; only a probe is fitted


@pytest.mark.parametrize("name", some_slow([*FITTED, "shuffled_mel_pca"], *FAST))
def test_nothing_that_a_system_fits_depends_on_test_tracks(opened, monkeypatch, name):
    facts = [fitted(name, opened("single", changed), monkeypatch) for changed in (None, "test", "training")]
    assert_only_training_counts(*facts)


FOLDED = ["random_encoder", "mfcc_svm", "mel_pca", "latent_linear", "patches_svm"]


@pytest.mark.parametrize("fold", [0, 1])
@pytest.mark.parametrize("name", some_slow(FOLDED, "random_encoder"))
def test_nothing_that_a_fold_fits_depends_on_the_tracks_that_it_tests(opened, monkeypatch, name, fold):
    facts = [fitted(name, opened(fold, changed), monkeypatch) for changed in (None, "test", "training")]
    assert_only_training_counts(*facts)


AUTOENCODERS = ["time-study", "frequency-pca", "frequency-deep", "frequency-study"]


@pytest.mark.parametrize("name", some_slow(AUTOENCODERS, *AUTOENCODERS[:2]))
def test_no_autoencoder_depends_on_test_tracks(opened, name):
    facts, (domain, encoder) = [], name.split("-")
    for changed in (None, "test", "training"):
        own = opened("single", changed, domain=domain, encoder=encoder)
        autoencoder = comparison.train_autoencoder(own, 0)
        facts.append({"weights": flat(autoencoder.network.get_weights())})
        if autoencoder.history is not None:
            facts[-1]["losses"] = autoencoder.history[["loss", "val_loss"]]
        if name != "frequency-study":  # which does not standardise
            scaled, loss = autoencoder.encoder.get_layer("standardise"), autoencoder.network.loss
            facts[-1] |= {"standardisation": np.ravel([scaled.scale, scaled.offset]), "scale of the loss": loss.std}
    assert_only_training_counts(*facts)


@pytest.mark.parametrize("name", some_slow(["untrained", "linear", "log_mel", "mfcc", "time", "classifier"], "untrained"))
def test_no_representation_of_other_tracks_depends_on_test_tracks(world, monkeypatch, name):
    """A representation of any track shows what it was fitted on: whitening, encoder, classifier."""
    facts = []
    for changed in (None, "test", "training"):
        folder, data, decoded = world("single", changed)
        monkeypatch.setenv("FMALIB_RUNS", str(folder / "runs"))
        both = dict.fromkeys(("frequency", "time"), decoded)
        shared = representations.prepare(data, both, encoder="pca", latent=4, per_track=2, **SETTINGS)
        table = representations.represent(name, shared)
        facts.append({"validation": table.of(shared.of("validation"))})
    # Nothing is fitted for the last two.
    assert_only_training_counts(*facts, selected=("validation",) if name in ("log_mel", "mfcc") else ())


def rows_of(track_ids, labels):
    return pd.DataFrame({"track_id": track_ids, "label": labels, "artist": [f"artist {i}" for i in track_ids], "start": 0})


def test_the_temperature_is_fitted_on_the_validation_of_its_own_fold():
    rng, drawn = np.random.default_rng(0), []
    for fold in range(2):
        validation = rng.dirichlet([1, 1], 40)
        labels = (rng.random(40) < validation[:, 1] ** 0.5).astype(int)
        facts = {"validation_probabilities": validation, "validation_rows": rows_of(np.arange(40), labels)}
        test = {"probabilities": rng.dirichlet([9, 1], 8), "rows": rows_of(np.arange(8) + 8 * fold, rng.integers(0, 2, 8))}
        drawn.append(results.Result(seed=0, **test, **facts, n_parameters=0, seconds=0.0))
    fitted = [evaluation.fit_temperature(own.validation_probabilities, own.validation_rows["label"]) for own in drawn]
    assert [own.summary()["temperature"] for own in drawn] == fitted and fitted[0] != fitted[1]
    both = results.pooled(drawn)
    scaled, temperature = both.scaled()
    assert temperature == both.summary()["temperature"] == np.mean(fitted)
    expected = [evaluation.with_temperature(own.probabilities, each) for own, each in zip(drawn, fitted)]
    np.testing.assert_array_equal(scaled, np.concatenate(expected))
    turned = dataclasses.replace(both, probabilities=both.probabilities[:, ::-1], rows=both.rows.assign(label=1))
    assert turned.summary()["temperature"] == temperature


def test_a_permuted_control_has_permuted_validation_and_training_labels(opened):
    own = opened()
    permuted = own.with_permuted_labels(1)
    for split in ("training", "validation"):
        true, other = getattr(own, split)["label"], getattr(permuted, split)["label"]
        assert (true != other).any() and sorted(true) == sorted(other)
        pipeline = permuted.pipeline()
        assert getattr(pipeline, split)["label"].equals(other)  # of the loss that early stopping watches
        assert (permuted.rows(split)["label"] == np.repeat(other.to_numpy(), 2)).all()
    assert permuted.test.equals(own.test)
    result = systems.run("shuffled_mfcc_svm", own, seed=1)
    assert result.validation_rows["label"].tolist() == permuted.validation["label"].tolist()
    assert result.rows["label"].tolist() == own.test["label"].tolist()


def test_a_probe_is_selected_on_validation_alone():
    """One section holds the labels of training rows, and noise in the others; the other section is honest."""
    rng = np.random.default_rng(0)
    labels, held_labels = np.arange(80) % 2, np.arange(40) % 2
    copied = np.concatenate([labels * 9.0, rng.normal(size=40)])
    honest = np.concatenate([labels, held_labels]) + rng.normal(0, 0.5, 120)
    rows = np.stack([copied, honest], axis=1)
    sections = {"copied": slice(0, 1), "honest": slice(1, 2)}
    for kind in probes.KINDS:
        probe = probes.fit(kind, rows[:80], labels, rows[80:], held_labels, sections=sections, n_genres=2)
        assert f"{kind} on honest" in probe.description
        same = probes.fit(kind, rows[:80], labels, 1e3 * rows[80:], held_labels, sections={"honest": slice(1, 2)}, n_genres=2)
        assert same.model[0].mean_ == pytest.approx(honest[:80].mean())  # of the scaler: training rows alone


def test_features_of_a_latent_are_found_for_the_same_encoder_and_training_tracks_only(opened):
    own = opened()
    tracks = own.cache.tracks.loc[own.cache.tracks.index.isin(own.test.index)].join(own.test[["label"]])
    audio = keras.Input((8192,))
    plain, relu = (
        keras.Model(audio, keras.layers.Dense(3, activation=name)(keras.layers.Reshape((64, 128))(audio)))
        for name in ("linear", "relu")
    )
    relu.set_weights(plain.get_weights())

    def features(encoder, unlabelled):
        options = {"per_track": 1, "progress": False}
        return pooling.latent_features("latent", encoder, own.cache, tracks, unlabelled, **options).values

    first = features(plain, own.training)
    assert not np.array_equal(features(plain, own.validation), first)
    assert not np.array_equal(features(relu, own.training), first)
    plain.set_weights([weights + 0.1 for weights in plain.get_weights()])
    assert not np.array_equal(features(plain, own.training), first)


def tiny(seed):
    runs.set_seed(seed)
    model = keras.Sequential([keras.Input((512,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_a_run_is_found_for_the_same_weights_audio_tracks_and_labels_only(opened, tmp_path):
    own, changed = opened(), opened("single", "test")
    permuted = own.with_permuted_labels(1)

    def run(seed=0, cache=own.cache, training=own.training, validation=own.validation):
        pipeline = segments.Pipeline(cache, training, validation, 512)
        options = {"epochs": 1, "seed": 0, "runs_dir": tmp_path, "progress": False}
        return runs.train_or_load("tiny", tiny(seed), pipeline, **options)

    assert not run().loaded and run().loaded
    assert not run(seed=1).loaded  # other initial weights: the seed of crops is the same
    assert not run(cache=changed.cache).loaded
    assert not run(training=permuted.training).loaded
    assert not run(validation=permuted.validation).loaded


def test_systems_are_compared_track_by_track_whatever_their_order():
    rng = np.random.default_rng(0)
    artists = np.repeat(np.arange(10), 3)
    first, second = (pd.DataFrame({"label": 1, "artist": artists, "predicted": rng.integers(0, 2, 30)}) for _ in range(2))
    expected = evaluation.compare(first, second)
    assert expected["only_first"] == ((first["predicted"] == 1) & (second["predicted"] == 0)).sum()
    assert evaluation.compare(first, second.sample(frac=1, random_state=1)) == expected


@pytest.mark.parametrize("seed", range(5))
def test_no_split_and_no_fold_divides_an_artist(seed):
    rng = np.random.default_rng(seed)
    tracks = pd.DataFrame({"genre": rng.choice(list("ABC"), 150), "artist": rng.integers(0, 40, 150).astype(str)})
    for split in [splits.by_artist(tracks, seed), *splits.folds(tracks, 4, seed)]:
        split = pd.Series(np.array(split), tracks.index)
        assert set(split) == {"training", "validation", "test"}
        assert (split.groupby(tracks["artist"]).nunique() == 1).all()
    tested = sum((split == "test").astype(int) for split in splits.folds(tracks, 4, seed))
    assert (tested == 1).all()


def test_a_split_that_divides_artists_says_so_in_its_folds_too(tmp_path):
    honest = load(tmp_path)
    leaky = datasets.load(str(tmp_path / "music"), split="random70")
    for data in (leaky, *datasets.folds(leaky, 2)):
        assert (data.tracks.groupby("artist")["split"].nunique() > 1).any()
        assert data.caveat.startswith("Leaky split (random70): artists have tracks in several splits")
    assert "Leaky" not in honest.caveat


def test_each_split_reads_its_own_tracks(opened):
    own = opened()
    tables = {"training": own.training, "validation": own.validation, "test": own.test}
    for split, table in tables.items():
        expected = own.data.tracks.index[own.data.tracks["split"] == split]
        assert set(table.index) == set(expected)
        assert set(own.rows(split)["track_id"]) == set(expected)
    assert [set(table.index) for table in own.unlabelled] == [set(own.training.index), set(own.validation.index)]
    audio = own.audio_pipeline(8192, 4)
    for pipeline in (own.pipeline(), audio):
        assert pipeline.training.equals(own.training) and pipeline.validation.equals(own.validation)
    held = np.concatenate([batch for batch, _ in audio.held_out()])
    per_track = {"per_track": segments.VALIDATION_SEGMENTS, "batch_size": 4}
    expected = np.concatenate([batch for batch, _ in segments.fixed_segments(own.cache, own.validation, 8192, **per_track)])
    np.testing.assert_array_equal(held, expected)


def test_crops_are_of_the_tracks_asked_for_whatever_else_their_shards_hold(opened):
    own = opened()
    some = own.training.iloc[::2].assign(label=np.arange(len(own.training.iloc[::2])))
    crops = segments.random_crops(own.cache, some, 512, batch_size=len(some), seed=0)
    assert sorted(next(iter(crops))[1].numpy()) == some["label"].tolist()


def test_a_supervised_map_places_a_point_whatever_else_it_shows():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    training = rng.normal(size=(60, 8)) + labels[:, None]
    shown = rng.normal(size=(40, 8))
    options = {"training": training, "training_labels": labels}
    alone = maps.embed("lda", shown[:20], **options).points
    beside = maps.embed("lda", np.concatenate([shown[:20], 9 + 9 * shown[20:]]), **options).points[:20]
    np.testing.assert_allclose(beside, alone, rtol=1e-5)
    assert {name for name, method in maps.METHODS.items() if method.supervised} == {"lda", "umap_supervised"}
    assert [name for name, kind in representations.REPRESENTATIONS.items() if kind.supervised] == ["classifier"]


def test_the_majority_is_that_of_training(opened):
    own = opened("single", "training")
    shares = own.training["label"].value_counts(normalize=True).sort_index()
    assert shares[0] != 0.5 and systems.run("majority", own).probabilities[0].tolist() == shares.tolist()


MUTANTS = runpy.run_path(str(REPOSITORY / "tests" / "benchmarks" / "mutants.py"))["MUTANTS"]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_mutant_still_finds_its_line_and_its_tests(mutant):
    assert (REPOSITORY / mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}" in (REPOSITORY / path).read_text(encoding="utf-8")
