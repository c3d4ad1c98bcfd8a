"""The common ground of all genre systems of a comparison: audio, splits, segments, the autoencoder, numbers of epochs."""

import dataclasses
from collections.abc import Callable

import pandas as pd

from fmalib.data import segments
from fmalib.data.audio_cache import Cache
from fmalib.data.datasets import Dataset
from fmalib.genres import evaluation, patch_latent
from fmalib.models import architectures, original
from fmalib.training import autoencoders

CLASSIFIER_SAMPLES = 131_072  # of a time-domain classifier's segment at 44.1 kHz, in the study
SHORTEST_RATE = 4500  # Hz: below it, the study's head has too few latent frames
BATCH_SIZE = 32
CODEC = "learned"  # as an encoder: the latent that the codec sends
EPOCHS = {"autoencoder": 20, "frozen": 20, "finetuned": 20, "network": 24}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """The common ground of all systems of a comparison.

    Attributes:
        data, cache: the data set and its decoded audio.
        training, validation, test: track tables by `segments.select_splits`, with the labels for classifiers.
        unlabelled: (training, validation) tables for autoencoders, the same whatever labels a classifier gets.
        skipped: tracks left out, with columns `path`, `reason`.
        domain, encoder, latent: of the autoencoder, see `fmalib.models.architectures.ARCHITECTURES`.
        autoencoder_length, length: samples of a segment, for the autoencoder and for the classifiers.
        segments_per_track: segments that vote.
        epochs: most epochs of each phase: `autoencoder`, `frozen`, `finetuned`, `network`.
        min_segments: an epoch has at least this many; a data set with fewer tracks gives several crops of each.
        head: function of (encoder, number of genres) that returns the uncompiled classifier of `latent_frozen`,
            `latent_finetuned` and `random_frozen`, its encoder frozen; None takes `classifiers.latent_classifier`.
        network: function of `components` that returns the uncompiled autoencoder of `patches_svm` and the like; None takes
            `patch_autoencoder.patch_autoencoder`.
        music: sound files without labels, on which patch autoencoders train besides.
        refit: whether a probe, once its setting is chosen on validation, trains on validation tracks too, and a network from
            scratch once more, on both; for folds, whose validation is taken from few tracks. Validation predictions are those
            from before.
        patch_seconds: duration of a segment, of classifiers on a patch autoencoder; less where a track is shorter.
        progress: whether to show bars.
    """

    data: Dataset
    cache: Cache
    training: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    unlabelled: tuple
    skipped: pd.DataFrame
    domain: str
    encoder: str
    latent: int
    autoencoder_length: int
    length: int
    epochs: dict
    segments_per_track: int = 5
    min_segments: int = 512
    head: Callable | None = None
    network: Callable | None = None
    music: tuple = ()
    refit: bool = False
    patch_seconds: float = 10.0
    progress: bool = True

    def __str__(self):
        seconds = self.length / self.cache.sample_rate
        return (
            f"Tracks: {len(self.training)} training, {len(self.validation)} validation, {len(self.test)} test, "
            f"{len(self.skipped)} skipped; {self.segments_per_track} segments of {seconds:.2f} s vote"
        )

    @property
    def crops(self):
        """Crops of each labelled training track in an epoch."""
        return segments.crops_for(self.training, self.min_segments)

    @property
    def tracks(self):
        """The tracks of all splits, whatever labels are known, in reading order."""
        tracks = pd.concat([*self.unlabelled, self.test])
        return tracks.loc[self.cache.tracks.index[self.cache.tracks.index.isin(tracks.index)]]

    def pipeline(self, mixup=0.0):
        """Returns the `segments.Pipeline` of the classifiers; mixup makes their labels one-hot vectors."""
        options = {"n_classes": len(self.data.genres), "mixup": mixup} if mixup else {}
        options |= {"batch_size": BATCH_SIZE, "crops_per_track": self.crops}
        return segments.Pipeline(self.cache, self.training, self.validation, self.length, **options)

    def audio_pipeline(self, length, batch_size):
        """Returns the `segments.Pipeline` of an autoencoder, on unlabelled tracks; `length` in samples."""
        training, validation = self.unlabelled
        crops = segments.crops_for(training, self.min_segments)
        options = {"target": "audio", "batch_size": batch_size, "crops_per_track": crops}
        return segments.Pipeline(self.cache, training, validation, length, **options)

    def rows(self, split):
        """Returns the segment table of a split by name, one row for each segment that votes."""
        return segments.segment_table(getattr(self, split), self.length, self.segments_per_track)

    def clips(self, split):
        """Returns the segment table of a split by name with one row a clip, for systems that read whole clips."""
        return getattr(self, split).reset_index()[["track_id", "label", "artist"]].assign(start=0)

    def batches(self, split):
        """Returns the audio of `rows`, a `tf.data.Dataset` of (audio, label) batches."""
        options = {"per_track": self.segments_per_track, "batch_size": BATCH_SIZE}
        return segments.fixed_segments(self.cache, getattr(self, split), self.length, **options)

    def of_patches(self, encoder):
        """Returns the comparison with a patch autoencoder and longer segments, since its codes are means over time.

        Classifiers on it have the head `patterns`, whatever head a system names.
        """
        shortest = min(tracks["samples"].min() for tracks in (self.training, self.validation, self.test))
        length = int(min(self.patch_seconds * self.cache.sample_rate, shortest))
        return dataclasses.replace(self, encoder=encoder, length=length, autoencoder_length=length, head=None)

    def with_validation(self):
        """Returns the comparison whose training tracks are those of training and validation, for a network's last training."""
        known = pd.concat([self.training, self.validation])
        return dataclasses.replace(self, training=known.loc[self.tracks.index[self.tracks.index.isin(known.index)]])

    def with_permuted_labels(self, seed):
        """Returns the comparison with permuted labels in training and validation."""
        parts = enumerate((self.training, self.validation))
        training, validation = (evaluation.permute_labels(tracks, seed + part) for part, tracks in parts)
        return dataclasses.replace(self, training=training, validation=validation)

    def with_artists(self, share, seed):
        """Returns the comparison with labels of a share of the training artists; autoencoders still train on all.

        Labels of validation only select, since they would outnumber the others.
        """
        return dataclasses.replace(self, training=evaluation.share_of_artists(self.training, share, seed), refit=False)


def check_genres(tracks):
    """Raises ValueError unless tracks, a table with column `genre`, are of two genres or more, as a classifier needs."""
    genres = tracks["genre"].unique()
    if len(genres) < 2:
        raise ValueError(
            "A classifier needs tracks of two genres or more; a folder data set has one subfolder per genre. "
            f"Received: {len(tracks)} tracks of {', '.join(genres)}"
        )


def prepare(data, decoded, *, domain="time", encoder="study", latent=32, epochs=None, **options):
    """Returns the `Comparison` of a data set.

    Args:
        data, decoded: the data set and its cache, at any sample rate; the study's are `architectures.SAMPLE_RATES`.
        domain, encoder, latent: of the autoencoder, see `fmalib.models.architectures.ARCHITECTURES`; or an encoder of
            `patch_latent.ENCODERS`, in either domain; or `learned`, the latent that the codec sends, for probes alone.
        epochs: dict of the phases to change in `EPOCHS`.
        **options: `segments_per_track`, `min_segments`, `head`, `network`, `music`, `refit`, `patch_seconds` and `progress`.

    Raises:
        ValueError: no such autoencoder, too low a rate, or no track long enough.
    """
    if encoder == "pretrained":
        patch_latent.check_rate(decoded.sample_rate)  # before other systems are trained for minutes
    elif encoder not in (*patch_latent.ENCODERS, CODEC):
        architectures.find(domain, encoder)
    if decoded.sample_rate < SHORTEST_RATE:
        raise ValueError(
            f"The classifier's poolings need {SHORTEST_RATE} Hz or more. Received: sample_rate={decoded.sample_rate}"
        )
    autoencoder_length = length = architectures.segment_length(domain, decoded.sample_rate)
    if domain == "time":
        length = original.valid_length(CLASSIFIER_SAMPLES * decoded.sample_rate // architectures.SAMPLE_RATES["time"])
    (training, validation, test), skipped = segments.select_splits(data, decoded, length)
    tables = {"training": training, "validation": validation, "test": test, "unlabelled": (training, validation)}
    lengths = {"autoencoder_length": autoencoder_length, "length": length}
    named = {"domain": domain, "encoder": encoder, "latent": latent, "epochs": EPOCHS | (epochs or {})}
    return Comparison(data=data, cache=decoded, skipped=skipped, **tables, **lengths, **named, **options)


def train_autoencoder(comparison, seed, *, trained=True):
    """Returns the comparison's `autoencoders.Autoencoder` or `patch_latent.Encoder`: trained or found, or untrained.

    Raises:
        ValueError: the encoder is the codec's, of which there is no network.
    """
    if comparison.encoder == CODEC:
        raise ValueError(
            "The codec sends its latent as integers, through which no network is trained; name latent_linear, latent_knn or "
            f"latent_svm. Received: encoder={CODEC!r}"
        )
    if comparison.encoder in patch_latent.ENCODERS:
        return patch_latent.named(comparison, seed, learned=trained)
    pipeline = comparison.audio_pipeline(comparison.autoencoder_length, architectures.BATCH_SIZES[comparison.domain])
    options = {"latent": comparison.latent, "seed": seed}
    if not trained:
        return autoencoders.untrained(comparison.domain, comparison.encoder, pipeline, **options)
    options |= {"epochs": comparison.epochs["autoencoder"], "progress": comparison.progress}
    return autoencoders.train(comparison.domain, comparison.encoder, pipeline, **options)


def encoder_for(comparison, autoencoder):
    """Returns the autoencoder's encoder for the classifiers' segments."""
    if comparison.encoder in patch_latent.ENCODERS:
        return autoencoder.of_length(comparison.length)
    if comparison.length == comparison.autoencoder_length:
        return autoencoder.features
    return original.with_length(autoencoder.features, comparison.length)
