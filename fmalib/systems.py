"""Every way to name a genre, by name, on equal terms: same tracks, same segments but for whole-clip MFCC statistics.

What there is to select is selected on validation.

`fmalib.study.prepare` fixes what all of them share; `run` trains a system, or finds it, and keeps what it said.
"""

import dataclasses
import functools

import keras
import numpy as np
import pandas as pd

from fmalib import classifiers, evaluation, features, probes, recurrent, segments, training
from fmalib.study import BATCH_SIZE, encoder_for, train_autoencoder

FMA_SMALL = 6400  # training clips, for which times are extrapolated
MIXUP = 0.3
PATIENCE = 7  # epochs without a better validation loss; the learning rate falls within five
SHUFFLED = "shuffled_"  # before a system's name: the same on shuffled labels
SYSTEMS = {
    "latent_frozen": "the study's head on the frozen encoder",
    "latent_finetuned": "the study's recipe: its head on the frozen encoder, then everything trained",
    "latent_lstm": "the head of the study's frequency branch, then fine-tuned",
    "latent_pooled": "our head: log compression, statistics over time, then fine-tuned",
    "latent_linear": "linear probe on the pooled latent",
    "latent_knn": "k nearest neighbours in the pooled latent",
    "latent_svm": "support vector machine on the pooled latent",
    "cnn": "our network on log-mel spectrograms, from scratch, augmented",
    "bbnn": "bottom-up broadcast network (Liu et al. 2019), from scratch",
    "audeep": "recurrent sequence autoencoder (auDeep) and a linear probe",
    "mfcc_svm": "control: statistics of MFCCs over the whole clip, and an SVM",
    "mel_pca": "control: principal components of log-mel frames, pooled as the latent, and a linear probe",
    "random_encoder": "control: linear probe on the untrained encoder (of `sparse`, a plain MDCT: nothing random)",
    "random_frozen": "control: the study's head on the untrained encoder, frozen",
    "majority": "control: always the most frequent genre",
}


@dataclasses.dataclass(frozen=True)
class Result:
    """What a system said about validation and test.

    Attributes:
        name, seed: of the run.
        probabilities, rows: of the test, `(segments, genres)` and their segment table; a system that sees whole clips has
            one row a track.
        validation_probabilities, validation_rows: the same of validation, for calibration.
        n_parameters: of the encoder and the classifier; a probe's pooling and scaling are not counted.
        seconds: of training, autoencoder included, as it took when it was trained; of a probe, computing the features of
            all splits, fitting not included.
        seconds_fma_small: an epoch (or the one pass of a probe) on 6,400 clips, extrapolated; None where nothing is heard.
        runs: names of run folders.
        model: Keras model from segments to probabilities; None for probes and controls.
        histories: dict from phase to table of epochs.
        description: one line.
    """

    name: str
    seed: int
    probabilities: np.ndarray
    rows: pd.DataFrame
    validation_probabilities: np.ndarray
    validation_rows: pd.DataFrame
    n_parameters: int
    seconds: float
    seconds_fma_small: float | None = None
    runs: tuple = ()
    model: keras.Model | None = None
    histories: dict = dataclasses.field(default_factory=dict)
    description: str = ""

    def __str__(self):
        return f"{self.name}, seed {self.seed}: {self.description or describe(self.name)}"

    @property
    def votes(self):
        """The majority vote of each test track, see `evaluation.votes`."""
        return evaluation.votes(self.probabilities, self.rows)

    def summary(self):
        """Returns `evaluation.summarise` of the test, with `n_parameters`, `seconds`, calibration before and after."""
        labels = self.rows["label"]
        temperature = evaluation.fit_temperature(self.validation_probabilities, self.validation_rows["label"])
        scaled = evaluation.with_temperature(self.probabilities, temperature)
        return {
            **evaluation.summarise(self.probabilities, self.rows, self.probabilities.shape[1]),
            "n_parameters": self.n_parameters, "seconds": self.seconds,
            "seconds_per_epoch_fma_small": self.seconds_fma_small,
            "calibration_error": evaluation.calibration_error(self.probabilities, labels),
            "temperature": temperature,
            "calibration_error_scaled": evaluation.calibration_error(scaled, labels),
        }


def check(names):
    """Raises ValueError unless each is a system's name, with or without `shuffled_` before it."""
    for name in names:
        if name.removeprefix(SHUFFLED) not in SYSTEMS or name == SHUFFLED + "majority":
            raise ValueError(
                f"systems must be of {', '.join(SYSTEMS)}, or one of these after {SHUFFLED!r}. Received: {name!r}"
            )


def describe(name):
    """Returns what a system is, in words."""
    return SYSTEMS[name.removeprefix(SHUFFLED)] + (", on shuffled labels" if name.startswith(SHUFFLED) else "")


def run(name, study, seed=0):
    """Returns the `Result` of a system by its name in `SYSTEMS`, or of `shuffled_` and a name.

    What was trained or computed before with the same data, settings and seed is found again.
    """
    check([name])
    if name.startswith(SHUFFLED):
        result = run(name.removeprefix(SHUFFLED), study.shuffled(seed), seed)
        return dataclasses.replace(result, name=name, description=f"{result.description} (shuffled labels)")
    build = {
        "latent_frozen": functools.partial(_head, head="study", finetune=False),
        "latent_finetuned": functools.partial(_head, head="study"),
        "latent_lstm": functools.partial(_head, head="lstm"),
        "latent_pooled": functools.partial(_head, head="pooled"),
        "random_frozen": functools.partial(_head, head="study", finetune=False, trained=False),
        "latent_linear": functools.partial(_latent_probe, kind="linear"),
        "latent_knn": functools.partial(_latent_probe, kind="knn"),
        "latent_svm": functools.partial(_latent_probe, kind="svm"),
        "random_encoder": functools.partial(_latent_probe, kind="linear", trained=False),
        "cnn": functools.partial(_network, name="cnn", network=classifiers.genre_cnn, mixed=True),
        "bbnn": functools.partial(_network, name="bbnn", network=classifiers.bbnn),
        "audeep": _audeep, "mfcc_svm": _mfcc_svm, "mel_pca": _mel_pca, "majority": _majority,
    }
    return dataclasses.replace(build[name](study, seed), name=name)


def _head(study, seed, *, head, finetune=True, trained=True):
    autoencoder = train_autoencoder(study, seed, trained=trained)
    pipeline = _mixed(study) if head == "pooled" else study.pipeline()
    name = f"{autoencoder.name}_{head}"

    def build_frozen():
        encoder = encoder_for(study, autoencoder)
        return _compiled(classifiers.latent_classifier(encoder, len(study.data.genres), head=head), pipeline)

    runs = {"frozen": _train(f"{name}_frozen", build_frozen, pipeline, study.epochs["frozen"], seed, study)}
    if finetune:
        def build_finetuned():
            return _compiled(classifiers.unfrozen(runs["frozen"].model), pipeline, first_epoch=study.epochs["frozen"])

        runs["fine-tuned"] = _train(f"{name}_finetuned", build_finetuned, pipeline, study.epochs["finetuned"], seed, study)
    return _network_result(study, seed, runs, before=autoencoder)


def _network(study, seed, *, name, network, mixed=False):
    pipeline = _mixed(study) if mixed else study.pipeline()

    def build():
        return _compiled(network(len(study.data.genres), samples=study.length, sample_rate=study.cache.sample_rate), pipeline)

    return _network_result(study, seed, {"network": _train(name, build, pipeline, study.epochs["network"], seed, study)})


def _audeep(study, seed):
    listened, validation = study.listened
    pipeline = segments.Pipeline(
        study.cache, listened, validation, study.length, target="audio", batch_size=BATCH_SIZE,
        crops_per_track=max(1, study.min_segments // len(listened)),
    )

    def build():
        rate = study.cache.sample_rate
        model = recurrent.recurrent_autoencoder(samples=study.length, sample_rate=rate)
        model.compile(keras.optimizers.Adam(1e-3, clipnorm=2.0), recurrent.loss(rate))
        return model

    trained = _train("audeep", build, pipeline, study.epochs["autoencoder"], seed, study)
    encoder = recurrent.encoder_of(trained.model)
    result = _probe(study, seed, "audeep", encoder, "linear", seconds=trained.seconds)
    return dataclasses.replace(
        result, runs=(trained.directory.name,), histories={"autoencoder": trained.history},
        seconds_fma_small=_at_fma_small(trained, pipeline),
    )


def _latent_probe(study, seed, *, kind, trained=True):
    autoencoder = train_autoencoder(study, seed, trained=trained)
    encoder = encoder_for(study, autoencoder)
    result = _probe(study, seed, autoencoder.name, encoder, kind, seconds=autoencoder.seconds if autoencoder.run else 0.0)
    return dataclasses.replace(result, runs=(autoencoder.run,) if autoencoder.run else ())


def _mel_pca(study, seed):
    encoder = probes.mel_pca_encoder(study.cache, study.listened[0], samples=study.length, latent=study.latent)
    return _probe(study, seed, "mel_pca", encoder, "linear", logarithmic=True)


def _probe(study, seed, name, encoder, kind, *, seconds=0.0, logarithmic=False):
    """Returns the result of a probe on an encoder's latent; fitting it is not counted in its seconds."""
    listened = pd.concat([*study.listened, study.test]).sort_index()
    order = study.cache.tracks.index[study.cache.tracks.index.isin(listened.index)]
    table = probes.latent_features(
        name, encoder, study.cache, listened.loc[order], study.listened[0], study.length, study.segments_per_track,
        logarithmic=logarithmic, progress=study.progress,
    )
    sides = [table.of(side) for side in (study.training, study.validation, study.test)]
    labels = [np.repeat(side["label"].to_numpy(), study.segments_per_track) for side in (study.training, study.validation)]
    probe = probes.fit(
        kind, sides[0], labels[0], sides[1], labels[1], sections=table.sections, n_genres=len(study.data.genres)
    )
    return Result(
        kind, seed, probe.predict(sides[2]), study.rows("test"), probe.predict(sides[1]), study.rows("validation"),
        encoder.count_params() + probe.n_parameters, seconds + table.seconds,
        seconds_fma_small=table.seconds / len(table.track_ids) * FMA_SMALL, description=probe.description,
    )


def _mfcc_svm(study, seed):
    table = features.mfcc_table(study.cache, progress=study.progress)
    values = pd.DataFrame(table.values, index=table.track_ids)
    sides = [values.loc[side.index].to_numpy() for side in (study.training, study.validation, study.test)]
    probe = probes.fit(
        "svm", sides[0], study.training["label"].to_numpy(), sides[1], study.validation["label"].to_numpy(),
        n_genres=len(study.data.genres),
    )
    rows = [side.reset_index()[["track_id", "label", "artist"]].assign(start=0) for side in (study.validation, study.test)]
    return Result(
        "mfcc_svm", seed, probe.predict(sides[2]), rows[1], probe.predict(sides[1]), rows[0], probe.n_parameters, table.seconds,
        seconds_fma_small=table.seconds / len(values) * FMA_SMALL, description=f"{probe.description} of 140 MFCC statistics",
    )


def _majority(study, seed):
    share = study.training["label"].value_counts(normalize=True).reindex(range(len(study.data.genres)), fill_value=0.0)
    rows = {side: study.rows(side) for side in ("validation", "test")}
    said = {side: np.tile(share.to_numpy(), (len(table), 1)) for side, table in rows.items()}
    return Result("majority", seed, said["test"], rows["test"], said["validation"], rows["validation"], 0, 0.0)


def _mixed(study):
    """Returns the pipeline with mixup."""
    return study.pipeline(n_classes=len(study.data.genres), mixup=MIXUP)


def _compiled(model, pipeline, *, first_epoch=0):
    """Returns the model with the study's optimizer, Adam at 1e-3, a quarter less every five epochs, and the labels' loss."""
    loss = "categorical_crossentropy" if pipeline.n_classes else "sparse_categorical_crossentropy"
    rate = training.staircase(1e-3, steps_per_epoch=pipeline.steps_per_epoch, first_epoch=first_epoch)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def _train(name, build, pipeline, epochs, seed, study):
    with training.mixed_precision():
        return training.train_or_load(
            name, build, pipeline, epochs=epochs, seed=seed, patience=PATIENCE, progress=study.progress
        )


def _network_result(study, seed, runs, *, before=None):
    """Returns the result of trained phases; the last one's model is what counts."""
    last = list(runs.values())[-1]
    said = {
        side: last.model.predict(
            segments.fixed_segments(
                study.cache, getattr(study, side), study.length, per_track=study.segments_per_track, batch_size=BATCH_SIZE
            ),
            verbose=0,
        )
        for side in ("validation", "test")
    }
    names = [run.directory.name for run in runs.values()]
    return Result(
        "", seed, said["test"], study.rows("test"), said["validation"], study.rows("validation"), last.model.count_params(),
        sum(run.seconds for run in runs.values()) + (before.seconds if before else 0.0),
        seconds_fma_small=_at_fma_small(last, study.pipeline()),
        runs=tuple([before.run] if before and before.run else []) + tuple(names), model=last.model,
        histories={phase: run.history for phase, run in runs.items()},
        description="; ".join(str(run) for run in runs.values()),
    )


def _at_fma_small(run, pipeline):
    """Returns the seconds of an epoch with one crop of each of 6,400 clips and FMA-small's 800 validation clips.

    A validation segment, which only goes forward, counts as a third of a training segment.
    """
    later = run.history["seconds"][1:] if len(run.history) > 1 else run.history["seconds"]  # the first one compiles
    validation = segments.VALIDATION_SEGMENTS / 3
    here = len(pipeline.training) * pipeline.crops_per_track + len(pipeline.validation) * validation
    return float(later.median() * (FMA_SMALL + FMA_SMALL / 8 * validation) / here)


def repeat(name, study, seeds):
    """Returns the results of a system for several seeds, a list."""
    return [run(name, study, seed) for seed in seeds]


def over_seeds(results):
    """Returns a summary of one system's results: that of the first seed, with means and deviations over all.

    Adds `seeds`, `accuracy_segment_mean`, `accuracy_segment_std`, `accuracy_vote_mean`, `accuracy_vote_std`; the deviation is
    that of a sample, None for one seed. `seconds` are of one seed.
    """
    summaries = [result.summary() for result in results]
    spread = {"seeds": [result.seed for result in results]}
    for key in ("accuracy_segment", "accuracy_vote"):
        values = [summary[key] for summary in summaries]
        spread[f"{key}_mean"] = float(np.mean(values))
        spread[f"{key}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {**summaries[0], **spread}


def table(summaries):
    """Returns summaries by `over_seeds`, a dict by name, as a table for people: one row a system."""
    rows = {
        name: {
            "segment": summary["accuracy_segment"],
            "vote": summary["accuracy_vote"],
            "95 % interval": "{:.2f} to {:.2f}".format(*summary["accuracy_vote_ci95"]),
            "mean vote": summary["accuracy_mean_vote"],
            "macro F1": summary["macro_f1"],
            "calibration error": summary["calibration_error"],
            "after scaling": summary["calibration_error_scaled"],
            "parameters": f"{summary['n_parameters']:,}",
            "seconds": round(summary["seconds"]),
        }
        for name, summary in summaries.items()
    }
    if any(len(summary["seeds"]) > 1 for summary in summaries.values()):
        for name, row in rows.items():
            mean, deviation = summaries[name]["accuracy_vote_mean"], summaries[name]["accuracy_vote_std"]
            row["vote, all seeds"] = f"{mean:.3f} ± {deviation:.3f}"
    return pd.DataFrame(rows).T.infer_objects()


def learning_curve(name, study, shares, seed=0):
    """Returns a table of accuracy by track over the share of training artists: `share`, `n_tracks`, `accuracy`, `low`, `high`."""
    rows = []
    for share in shares:
        part = study.with_artists(share, seed)
        result = run(name, part, seed).summary()
        rows.append((share, len(part.training), result["accuracy_vote"], *result["accuracy_vote_ci95"]))
    return pd.DataFrame(rows, columns=["share", "n_tracks", "accuracy", "low", "high"])
