"""What all genre systems of a comparison share: audio, splits, segments, the autoencoder, lengths of training."""

import dataclasses

import pandas as pd

from fmalib import autoencoders, evaluation, models, segments, tracks, training
from fmalib.cache import Cache
from fmalib.datasets import Dataset

CLASSIFIER_SAMPLES = 131_072  # of a time-domain classifier's segment at 44.1 kHz, in the study
SHORTEST_RATE = 4500  # Hz: below it, the study's head has too few latent frames
BATCH_SIZE = 32


@dataclasses.dataclass(frozen=True)
class Study:
    """What all systems share: audio, splits, segments, encoder, lengths of training.

    Attributes:
        data, cache: the data set and its decoded audio.
        training, validation, test: track tables by `segments.select`; their labels are what is learned.
        listened: (training, validation) tables that autoencoders hear, whatever the labels are made to be.
        skipped: tracks left out, with columns `path`, `reason`.
        domain, encoder, latent: which autoencoder, see `fmalib.autoencoders`.
        snippet, length: samples of a segment for the autoencoder and for the classifiers.
        segments_per_track: which vote.
        epochs: at most, by phase: `autoencoder`, `frozen`, `finetuned`, `network`.
        min_segments: an epoch has up to so many from data sets with fewer tracks, which give several crops of each.
        progress: whether to show bars.
    """

    data: Dataset
    cache: Cache
    training: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    listened: tuple
    skipped: pd.DataFrame
    domain: str
    encoder: str
    latent: int
    snippet: int
    length: int
    segments_per_track: int
    epochs: dict
    min_segments: int
    progress: bool = True

    def __str__(self):
        seconds = self.length / self.cache.sample_rate
        return (
            f"Tracks: {len(self.training)} training, {len(self.validation)} validation, {len(self.test)} test, "
            f"{len(self.skipped)} skipped; {self.segments_per_track} segments of {seconds:.2f} s vote"
        )

    @property
    def crops(self):
        """Random segments of each training track in an epoch."""
        return max(1, self.min_segments // len(self.training))

    def pipeline(self, **options):
        """Returns the `segments.Pipeline` of the classifiers."""
        settings = {"batch_size": BATCH_SIZE, "crops_per_track": self.crops} | options
        return segments.Pipeline(self.cache, self.training, self.validation, self.length, **settings)

    def rows(self, side):
        """Returns the segment table of a side that votes: `"validation"` or `"test"`."""
        return segments.segment_table(getattr(self, side), self.length, self.segments_per_track)

    def shuffled(self, seed):
        """Returns the study with the labels of training and validation dealt out anew."""
        sides = [evaluation.shuffle_labels(side, seed + part) for part, side in enumerate((self.training, self.validation))]
        return dataclasses.replace(self, training=sides[0], validation=sides[1])

    def with_artists(self, share, seed):
        """Returns the study with the labels of a share of the training artists; autoencoders still hear all."""
        return dataclasses.replace(self, training=evaluation.share_of_artists(self.training, share, seed))


def prepare(data, decoded, *, domain="time", encoder="study", latent=32, segments_per_track=5, epochs=None, min_segments=512,
            progress=True):
    """Returns the `Study` of a data set.

    Args:
        data, decoded: the data set and its cache, at any sample rate; the study's are `autoencoders.SAMPLE_RATES`.
        domain, encoder, latent: the autoencoder, see `fmalib.autoencoders.MODELS`.
        epochs: dict, at most, by phase: `autoencoder`, `frozen`, `finetuned`, `network`; 20, 20, 20, 24 by default.

    Raises:
        ValueError: no such autoencoder, fewer than two genres, too low a rate, or no track long enough.
    """
    autoencoders.check(domain, encoder, "mse")
    if len(data.genres) < 2:
        raise ValueError(f"A classifier needs two genres or more. Received: {data.root} with {', '.join(data.genres)}")
    if decoded.sample_rate < SHORTEST_RATE:
        raise ValueError(
            f"The classifier's poolings need {SHORTEST_RATE} Hz or more. Received: sample_rate={decoded.sample_rate}"
        )
    snippet = length = autoencoders.snippet_length(domain, decoded.sample_rate)
    if domain == "time":
        length = models.valid_length(CLASSIFIER_SAMPLES * decoded.sample_rate // autoencoders.SAMPLE_RATES["time"])
    sides, left_out = zip(*(segments.select(data, decoded, name, length) for name in tracks.SPLITS))
    return Study(
        data, decoded, *sides, sides[:2], tracks.join_excluded([data.excluded, *left_out]), domain, encoder, latent, snippet,
        length, segments_per_track, {"autoencoder": 20, "frozen": 20, "finetuned": 20, "network": 24} | (epochs or {}),
        min_segments, progress,
    )


def train_autoencoder(study, seed, *, trained=True):
    """Returns the study's `autoencoders.Autoencoder`: trained or found, or with its first weights."""
    listened, validation = study.listened
    pipeline = segments.Pipeline(
        study.cache, listened, validation, study.snippet, target="audio", batch_size=autoencoders.BATCH_SIZES[study.domain],
        crops_per_track=max(1, study.min_segments // len(listened)),
    )
    if not trained:
        training.set_seed(seed)
        return autoencoders.untrained(study.domain, study.encoder, pipeline, latent=study.latent)
    return autoencoders.train(
        study.domain, study.encoder, pipeline, latent=study.latent, epochs=study.epochs["autoencoder"], seed=seed,
        progress=study.progress,
    )


def encoder_for(study, autoencoder):
    """Returns the autoencoder's encoder for the classifiers' segments."""
    encoder = autoencoder.features
    if study.length != study.snippet:
        encoder = models.with_length(encoder, study.length)
    return encoder
