"""Genre systems by name, on equal terms: the same tracks, of which systems read the same segments or the whole clip.

Everything that a system selects, it selects on validation. `fmalib.genres.comparison.prepare` fixes what all systems share.
Cross-validation takes a list of comparisons, one a fold, and pools the test tracks of all folds.
"""

import dataclasses
from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import pandas as pd

from fmalib.codec import listening
from fmalib.data import audio_cache
from fmalib.data.tracks import SPLITS
from fmalib.genres import codec_latent, descriptors, patch_latent, pooling, probes
from fmalib.genres.comparison import BATCH_SIZE, CODEC, check_genres, encoder_for, train_autoencoder
from fmalib.genres.results import FMA_SMALL, Result, pooled, seconds_at_fma_small
from fmalib.models import audeep, classifiers
from fmalib.training import runs

MIXUP = 0.3
PATCH_RATE = 3e-4  # of learning, where a patch autoencoder is fine-tuned: a higher one forgets patterns
PATIENCE = 7  # epochs without a better validation loss, of heads; the learning rate falls within five
OF_NETWORKS = ("latent_frozen", "latent_finetuned", "latent_lstm", "latent_pooled", "random_encoder", "random_frozen")
PERMUTED = "shuffled_"  # before a system's name: the same on permuted labels


@dataclasses.dataclass(frozen=True)
class System:
    """A way to name a genre: `build(comparison, seed)` trains it, or finds it, and returns its `Result`.

    `learns` is False where permuted labels cannot change the predictions.
    """

    build: Callable
    description: str
    learns: bool = True


def check(names):
    """Raises ValueError unless each is a system's name, with or without `shuffled_` before it."""
    for name in names:
        if name not in _ALL:
            raise ValueError(f"systems must be of {', '.join(SYSTEMS)}, or one of these after {PERMUTED!r}. Received: {name!r}")


def possible(names, encoder):
    """Returns the names of systems that an encoder allows: of the codec's latent, none that needs the encoder's network."""
    return [name for name in names if encoder != CODEC or name.removeprefix(PERMUTED) not in OF_NETWORKS]


def describe(name):
    """Returns the description of a system by its name."""
    return _ALL[name].description


def run(name, comparison, seed=0):
    """Returns the `fmalib.genres.results.Result` of a system by its name in `SYSTEMS`, or of `shuffled_` and a name.

    Trainings and features of the same data, settings and seed are found again.

    Args:
        name: of the system.
        comparison: a `Comparison`, or a list with one a fold, of which the results are `pooled`.
        seed: of initial weights, crops and permuted labels.

    Raises:
        ValueError: no such system, or training tracks of a single genre.
    """
    check([name])
    for part in _folds(comparison):
        check_genres(part.training)  # before an autoencoder is trained in vain
    results = [_ALL[name].build(part, seed) for part in _folds(comparison)]
    named = [dataclasses.replace(result, name=name, description=result.description or describe(name)) for result in results]
    return pooled(named)


def repeat(name, comparison, seeds):
    """Returns the results of a system for several seeds, a list; `comparison` as for `run`."""
    return [run(name, comparison, seed) for seed in seeds]


def learning_curve(name, comparison, shares, seed=0):
    """Returns a table of accuracy by track over shares of training artists; args as for `run`.

    Columns are `share`, `n_tracks` (of training, the mean over folds), `accuracy`, and the interval `low`, `high`.
    """
    rows = []
    for share in shares:
        parts = [part.with_artists(share, seed) for part in _folds(comparison)]
        result = run(name, parts, seed).summary()
        n_tracks = round(np.mean([len(part.training) for part in parts]))
        rows.append((share, n_tracks, result["accuracy_vote"], *result["accuracy_vote_ci95"]))
    return pd.DataFrame(rows, columns=["share", "n_tracks", "accuracy", "low", "high"])


def bitrate_curve(comparison, kind="linear", seed=0):
    """Returns a table of accuracy by track over the bitrate of the latent that the codec sends.

    Args:
        comparison, seed: as for `run`.
        kind: of the probe, see `fmalib.genres.probes.KINDS`.

    Returns:
        Columns are `step`, `kbps` (by `codec_latent.bitrates` of the first fold), `accuracy`, and the interval `low`, `high`.
    """
    first = _folds(comparison)[0]
    kbps, rows = codec_latent.bitrates(first.cache, first.tracks, first.length), []
    for step in codec_latent.STEPS:
        result = pooled([_codec_probe(part, seed, kind=kind, step=step) for part in _folds(comparison)]).summary()
        rows.append((step, kbps[step], result["accuracy_vote"], *result["accuracy_vote_ci95"]))
    return pd.DataFrame(rows, columns=["step", "kbps", "accuracy", "low", "high"])


def _folds(comparison):
    return comparison if isinstance(comparison, list) else [comparison]


def compiled(model, pipeline, first_epoch=0, rate=1e-3, epochs=None):
    """Returns the classifier with the study's optimizer, Adam, its rate a quarter less every five epochs, and the labels' loss.

    `first_epoch` counts the epochs of an earlier phase, for the learning rate. With `epochs`, the rate falls to 0 within them
    along a cosine instead.
    """
    loss = "categorical_crossentropy" if pipeline.n_classes else "sparse_categorical_crossentropy"
    steps = pipeline.steps_per_epoch
    if epochs:
        rate = keras.optimizers.schedules.CosineDecay(rate, epochs * steps)
    else:
        rate = runs.staircase(rate, steps_per_epoch=steps, first_epoch=first_epoch)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def _head(comparison, seed, *, head="study", mixup=0.0, finetune=True, trained=True):
    if comparison.encoder in patch_latent.ENCODERS:
        comparison, head = comparison.of_patches(comparison.encoder), "patterns"
    autoencoder = train_autoencoder(comparison, seed, trained=trained)
    pipeline, name = comparison.pipeline(mixup), f"{autoencoder.name}_{head}"
    build = comparison.head if comparison.head and head == "study" else partial(classifiers.latent_classifier, head=head)

    def frozen():
        return compiled(build(encoder_for(comparison, autoencoder), len(comparison.data.genres)), pipeline)

    def unfrozen():
        rate = PATCH_RATE if head == "patterns" else 1e-3
        return compiled(classifiers.unfrozen(trainings["frozen"].model), pipeline, comparison.epochs["frozen"], rate)

    trainings = {"frozen": _train(f"{name}_frozen", frozen, pipeline, "frozen", comparison, seed)}
    if finetune:
        trainings["fine-tuned"] = _train(f"{name}_finetuned", unfrozen, pipeline, "finetuned", comparison, seed)
    result = _network_result(comparison, seed, trainings)
    before = (autoencoder.run,) if autoencoder.run else ()
    return dataclasses.replace(result, seconds=result.seconds + autoencoder.seconds, runs=before + result.runs)


def _network(comparison, seed, *, name, network, mixup=0.0):
    """Returns the result of a network trained from scratch, for all epochs, since few validation tracks select none well."""
    sizes, epochs = {"samples": comparison.length, "sample_rate": comparison.cache.sample_rate}, comparison.epochs["network"]

    def trained(part):
        pipeline = part.pipeline(mixup)

        def build():
            return compiled(network(len(part.data.genres), **sizes), pipeline, epochs=epochs)

        return _train(name, build, pipeline, "network", part, seed, runs.LAST)

    known = trained(comparison.with_validation()) if comparison.refit else None
    return _network_result(comparison, seed, {"network": trained(comparison)}, known)


def _audeep(comparison, seed):
    pipeline, rate = comparison.audio_pipeline(comparison.length, BATCH_SIZE), comparison.cache.sample_rate

    def build():
        model = audeep.recurrent_autoencoder(samples=comparison.length, sample_rate=rate)
        model.compile(keras.optimizers.Adam(1e-3, clipnorm=2.0), audeep.loss(rate))
        return model

    training = _train("audeep", build, pipeline, "autoencoder", comparison, seed)
    result = _probe(comparison, seed, "audeep", audeep.encoder_of(training.model), seconds=training.seconds)
    facts = {"runs": (training.directory.name,), "histories": {"autoencoder": training.history}}
    return dataclasses.replace(result, seconds_fma_small=seconds_at_fma_small(training, pipeline), **facts)


def _latent_probe(comparison, seed, *, kind="linear", trained=True):
    if comparison.encoder == CODEC and trained:
        return _codec_probe(comparison, seed, kind=kind)
    if comparison.encoder in patch_latent.ENCODERS:
        return _patches(comparison, seed, kind=kind, encoder=comparison.encoder, learned=trained)
    autoencoder = train_autoencoder(comparison, seed, trained=trained)
    encoder, seconds = encoder_for(comparison, autoencoder), autoencoder.seconds if autoencoder.run else 0.0
    result = _probe(comparison, seed, autoencoder.name, encoder, kind, seconds=seconds)
    return dataclasses.replace(result, runs=(autoencoder.run,) if autoencoder.run else ())


def _mel_pca(comparison, seed):
    sizes = {"samples": comparison.length, "latent": comparison.latent}
    encoder = probes.mel_pca_encoder(comparison.cache, comparison.unlabelled[0], **sizes)
    return _probe(comparison, seed, "mel_pca", encoder, logarithmic=True)


def _probe(comparison, seed, name, encoder, kind="linear", *, seconds=0.0, logarithmic=False):
    """Returns the result of a probe on an encoder's latent; its seconds leave out the probe's fitting."""
    cache, tracks, training = comparison.cache, comparison.tracks, comparison.unlabelled[0]
    per_track, options = comparison.segments_per_track, {"logarithmic": logarithmic, "progress": comparison.progress}
    table = pooling.latent_features(name, encoder, cache, tracks, training, per_track, **options)
    result = _probe_result(comparison, seed, kind, table, comparison.rows)
    n_parameters = encoder.count_params() + result.n_parameters
    return dataclasses.replace(result, n_parameters=n_parameters, seconds=seconds + table.seconds)


def _codec_probe(comparison, seed, *, kind="linear", step=listening.USUAL):
    """Returns the result of a probe on the latent that the codec sends; one pass over the audio serves all steps."""
    sizes, options = (comparison.length, comparison.segments_per_track), {"progress": comparison.progress}
    tables = codec_latent.tables(comparison.cache, comparison.tracks, *sizes, **options)
    return _probe_result(comparison, seed, kind, tables[step], comparison.rows)


def _patches(comparison, seed, *, kind="svm", encoder="patches", learned=True):
    """Returns the result of a probe on the latent of a patch autoencoder, over whole clips."""
    found = patch_latent.named(comparison, seed, encoder=encoder, learned=learned)
    table = patch_latent.table(found, comparison.cache, comparison.tracks, progress=comparison.progress)
    result = _probe_result(comparison, seed, kind, table, comparison.clips)
    facts = {"seconds": found.seconds + table.seconds, "runs": (found.run,) if found.run else ()}
    facts |= {"n_parameters": found.of_length().count_params() + result.n_parameters}
    return dataclasses.replace(result, description=f"{result.description}; {found}", **facts)


def _mfcc_svm(comparison, seed):
    table = descriptors.mfcc_table(comparison.cache, progress=comparison.progress)
    result = _probe_result(comparison, seed, "svm", table, comparison.clips)
    return dataclasses.replace(result, description=f"{result.description} of 140 MFCC statistics")


def _majority(comparison, seed):
    labels, n_genres = comparison.training["label"], len(comparison.data.genres)
    shares = labels.value_counts(normalize=True).reindex(range(n_genres), fill_value=0.0).to_numpy()
    facts = {"n_parameters": 0, "seconds": 0.0}
    return _result(seed, lambda split: np.tile(shares, (len(comparison.rows(split)), 1)), comparison.rows, **facts)


def _train(name, build, pipeline, phase, comparison, seed, patience=PATIENCE):
    """Returns the `runs.Run` of the compiled network that `build()` returns; half precision where there is a GPU."""
    options = {"epochs": comparison.epochs[phase], "seed": seed, "patience": patience, "progress": comparison.progress}
    with runs.mixed_precision():
        runs.set_seed(seed)
        return runs.train_or_load(name, build(), pipeline, **options)


def _network_result(comparison, seed, trainings, known=None):
    """Returns the result of the last of several trainings, a dict from phase to `runs.Run`.

    `known` is a training on validation tracks too, which predicts the test in its place.
    """
    last, every = list(trainings.values())[-1], [*trainings.values(), *([known] if known else [])]
    models = {"validation": last.model, "test": every[-1].model}

    def predict(split):
        with audio_cache.damage_named(comparison.cache):
            return models[split].predict(comparison.batches(split), verbose=0)

    return _result(
        seed,
        predict,
        comparison.rows,
        n_parameters=last.model.count_params(),
        seconds=sum(training.seconds for training in every),
        seconds_fma_small=seconds_at_fma_small(last, comparison.pipeline()),
        runs=tuple(training.directory.name for training in every),
        model=models["test"],
        histories={phase: training.history for phase, training in trainings.items()},
        description="; ".join(map(str, trainings.values())) + (f"; {known.directory.name}: validation too" if known else ""),
    )


def _probe_result(comparison, seed, kind, table, rows):
    """Returns the result of a probe on `descriptors.Features`; `rows` takes a split's name and returns its segment table."""
    features = {split: table.of(getattr(comparison, split)) for split in SPLITS}
    known = {split: rows(split) for split in SPLITS[:2]}
    training, validation = ((features[split], part["label"].to_numpy()) for split, part in known.items())
    options = {"sections": table.sections, "n_genres": len(comparison.data.genres), "artists": known["training"]["artist"]}
    chosen = last = probes.fit(kind, *training, *validation, **options)
    if comparison.refit:
        artists = np.concatenate([part["artist"] for part in known.values()])
        last = chosen.refitted(*map(np.concatenate, zip(training, validation)), artists)
    facts = {"n_parameters": last.n_parameters, "seconds": table.seconds, "description": last.description}
    facts["seconds_fma_small"] = table.seconds / len(table.track_ids) * FMA_SMALL
    fitted = {"validation": chosen, "test": last}
    return _result(seed, lambda split: fitted[split].predict(features[split]), rows, **facts)


def _result(seed, predict, rows, **facts):
    """Returns the `Result` of two functions of a split's name, for probabilities and segment table, and its other fields."""
    validation = {"validation_probabilities": predict("validation"), "validation_rows": rows("validation")}
    return Result(seed=seed, probabilities=predict("test"), rows=rows("test"), **validation, **facts)


def _permuted(system):
    def build(comparison, seed):
        result = system.build(comparison.with_permuted_labels(seed), seed)
        return dataclasses.replace(result, description=f"{result.description or system.description} (permuted labels)")

    return System(build, f"{system.description}, on permuted labels")


# fmt: off
SYSTEMS = {
    "latent_frozen": System(partial(_head, finetune=False), "the study's head on the frozen encoder"),
    "latent_finetuned": System(_head, "the study's recipe: its head on the frozen encoder, then everything trained"),
    "latent_lstm": System(partial(_head, head="lstm"), "the head of the study's frequency branch, then fine-tuned"),
    "latent_pooled": System(
        partial(_head, head="pooled", mixup=MIXUP), "our head: log compression, statistics over time, then fine-tuned"),
    "latent_linear": System(_latent_probe, "linear probe on the pooled latent"),
    "latent_knn": System(partial(_latent_probe, kind="knn"), "k nearest neighbours in the pooled latent"),
    "latent_svm": System(partial(_latent_probe, kind="svm"), "support vector machine on the pooled latent"),
    "patches_linear": System(
        partial(_patches, kind="linear"), "linear probe on our sparse autoencoder of log-mel patches, over the whole clip"),
    "patches_svm": System(_patches, "support vector machine on our sparse autoencoder of log-mel patches, over the whole clip"),
    "patches_finetuned": System(partial(_patches, kind="gained_svm"), "the same, with a gain for each pattern, from labels"),
    "pretrained_linear": System(
        partial(_patches, kind="linear", encoder="pretrained"), "linear probe on that autoencoder with the package's weights"),
    "pretrained_svm": System(
        partial(_patches, encoder="pretrained"), "support vector machine on that autoencoder with the package's weights"),
    "pretrained_finetuned": System(partial(_patches, kind="gained_svm", encoder="pretrained"), "the same, with such gains"),
    "codec_linear": System(_codec_probe, "linear probe on the latent that the codec sends, the envelope of bands"),
    "codec_svm": System(partial(_codec_probe, kind="svm"), "support vector machine on the latent that the codec sends"),
    "cnn": System(
        partial(_network, name="cnn", network=classifiers.genre_cnn, mixup=MIXUP),
        "our network on log-mel spectrograms, from scratch, augmented"),
    "bbnn": System(
        partial(_network, name="bbnn", network=classifiers.bbnn), "bottom-up broadcast network (Liu et al. 2019) from scratch"),
    "audeep": System(_audeep, "recurrent sequence autoencoder (auDeep) and a linear probe"),
    "mfcc_svm": System(_mfcc_svm, "control: statistics of MFCCs over the whole clip, and an SVM"),
    "mel_pca": System(_mel_pca, "control: principal components of log-mel frames, pooled as the latent, and a linear probe"),
    "patches_random": System(
        partial(_patches, learned=False), "control: support vector machine on the untrained autoencoder of whitened patches"),
    "random_encoder": System(
        partial(_latent_probe, trained=False),
        "control: linear probe on the untrained encoder (of `sparse`, a plain MDCT: nothing random)"),
    "random_frozen": System(
        partial(_head, finetune=False, trained=False), "control: the study's head on the untrained encoder, frozen"),
    "majority": System(_majority, "control: always the most frequent genre", learns=False),
}
# fmt: on
_ALL = SYSTEMS | {PERMUTED + name: _permuted(system) for name, system in SYSTEMS.items() if system.learns}
