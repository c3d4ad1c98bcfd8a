"""Representations of the same segments of 8.192 s by name: pooled latents, a classifier's last features, controls."""

import dataclasses
import functools
from collections.abc import Callable

import joblib
import keras
import numpy as np
import pandas as pd

from fmalib import content, files
from fmalib.codec import listening
from fmalib.data import audio, audio_cache, segments
from fmalib.data.tracks import SPLITS, join_excluded
from fmalib.genres import codec_latent, descriptors, patch_latent, pooling, systems
from fmalib.genres.comparison import CODEC, train_autoencoder
from fmalib.genres.comparison import prepare as prepare_comparison
from fmalib.models import architectures, original, patch_autoencoder
from fmalib.models.layers import LogMel
from fmalib.progress import bar
from fmalib.signal import mel

SECONDS = architectures.SEGMENT / architectures.SAMPLE_RATES["frequency"]  # of a segment
OTHER_LATENTS = {"frequency": 64, "time": 32}  # of autoencoders that are not the named one
CLASSIFIER = "latent_finetuned"
LOG_MEL_BANDS = 128


@dataclasses.dataclass(frozen=True)
class SharedSegments:
    """Segments that every representation describes.

    Attributes:
        comparisons: a `fmalib.genres.comparison.Comparison` for each domain, `"frequency"` and `"time"`.
        tracks: all that both sample rates hold, indexed by `track_id`; columns `genre`, `artist`, `label`, `split`.
        per_track: segments of each track.
        domain: of the named autoencoder.
        skipped: tracks left out, with columns `path`, `reason`.
    """

    comparisons: dict
    tracks: pd.DataFrame
    per_track: int
    domain: str
    skipped: pd.DataFrame

    def __str__(self):
        counts = ", ".join(f"{len(self.of(split))} {split}" for split in SPLITS)
        return f"Tracks: {counts}, {len(self.skipped)} skipped; {self.per_track} segments of {SECONDS:.2f} s of each"

    @property
    def comparison(self):
        """The comparison of the named autoencoder."""
        return self.comparisons[self.domain]

    def of(self, split):
        """Returns the tracks of a split, or of `"all"`."""
        return self.tracks if split == "all" else self.tracks[self.tracks["split"] == split]

    def rows(self, split):
        """Returns the segment table of a split, or of `"all"`, in the order of the representations' rows."""
        cache = self.comparisons["frequency"].cache
        tracks = self.of(split).join(cache.tracks[["samples"]])
        return segments.segment_table(tracks, length(cache.sample_rate), self.per_track)


def length(sample_rate):
    """Returns the samples of a segment."""
    return round(SECONDS * sample_rate)


def prepare(data, decoded, *, domain="frequency", encoder="study", latent=64, per_track=3, **options):
    """Returns the `SharedSegments` of a data set.

    Args:
        data, decoded: the data set, and a dict from domain to its cache, `"frequency"` and `"time"`.
        domain, encoder, latent: the named autoencoder, see `fmalib.genres.comparison.prepare`; an encoder of
            `patch_latent.ENCODERS` needs the domain `"time"`.
        per_track: segments of each track.
        options: `epochs`, `min_segments` and `progress` of `fmalib.genres.comparison.prepare`.

    Raises:
        ValueError: no such autoencoder, or no track long enough for a segment.
    """
    if encoder not in (*patch_latent.ENCODERS, CODEC):
        architectures.find(domain, encoder)
    networks = {name: ("study", size) for name, size in OTHER_LATENTS.items()} | {domain: (encoder, latent)}
    options |= {"segments_per_track": per_track, "patch_seconds": SECONDS}  # a classifier's own are no longer
    comparisons = {
        name: prepare_comparison(data, decoded[name], domain=name, encoder=model, latent=size, **options)
        for name, (model, size) in networks.items()
    }
    (splits, skipped), (others, more) = (
        segments.select_splits(data, decoded[name], length(decoded[name].sample_rate)) for name in networks
    )
    tracks = pd.concat(
        tracks.loc[tracks.index.isin(other.index), ["genre", "artist", "label"]].assign(split=split)
        for split, tracks, other in zip(SPLITS, splits, others)
    )
    skipped = join_excluded([skipped, more[~more.index.isin(skipped.index)]])
    return SharedSegments(comparisons, tracks, per_track, domain, skipped)


def named_autoencoder(shared, seed=0):
    """Returns the trained `fmalib.training.autoencoders.Autoencoder` that is named by domain, encoder and latent.

    It is None where the encoder is the codec's, with the package's weights.
    """
    return None if shared.comparison.encoder == CODEC else train_autoencoder(shared.comparison, seed)


def read_segments(shared, rows, domain):
    """Yields (row number, audio) of a segment table, track by track; float32 `(samples,)` at full scale 1.

    The rows are by `SharedSegments.rows`, all or some, in any order. The domain, `"frequency"` or `"time"`, gives the rate.
    """
    cache, counted = shared.comparisons[domain].cache, shared.comparisons["frequency"].cache.sample_rate
    whole = length(cache.sample_rate)
    track_ids, starts = rows["track_id"].to_numpy(), rows["start"].to_numpy()
    for track_id, samples in audio_cache.read(cache, list(np.unique(track_ids))):
        for number in np.flatnonzero(track_ids == track_id):
            first = min(starts[number] * cache.sample_rate // counted, len(samples) - whole)
            yield number, audio.to_float(samples[first : first + whole])


def segment_audio(shared, rows, samples=None):
    """Returns the audio of a segment table at the named autoencoder's rate, float32 `(segments, samples)`.

    `samples` is the length of the middle part that is read; None takes the length that the autoencoder was trained on.
    """
    samples = samples or shared.comparison.autoencoder_length
    middle = np.empty((len(rows), samples), np.float32)
    for number, segment in read_segments(shared, rows, shared.domain):
        first = (len(segment) - samples) // 2
        middle[number] = segment[first : first + samples]
    return middle


def _latent(shared, seed, *, domain="frequency", encoder=None, same_size=False, trained=True):
    """Returns the pooled latent of the named autoencoder, or of another one at its own size or at the named one's."""
    comparison = shared.comparison
    if not encoder and comparison.encoder in patch_latent.ENCODERS:
        return _patches(shared, seed, encoder=comparison.encoder, learned=trained)
    if not encoder and comparison.encoder == CODEC and trained:
        return _codec(shared, seed)
    if encoder:
        named = domain == shared.domain and (same_size or encoder == comparison.encoder)
        latent = comparison.latent if named else OTHER_LATENTS[domain]
        comparison = dataclasses.replace(shared.comparisons[domain], encoder=encoder, latent=latent)
    autoencoder = train_autoencoder(comparison, seed, trained=trained)
    whole = architectures.valid_length(comparison.domain, length(comparison.cache.sample_rate))
    table = _features(autoencoder.name, original.with_length(autoencoder.features, whole), shared, comparison)
    return _section(table, table.sections["energy"])  # which does not depend on the phase of a filter


def _classifier(shared, seed):
    classifier = systems.run(CLASSIFIER, shared.comparison, seed).model
    encoder = _last_features(classifier, length(shared.comparison.cache.sample_rate))
    return _features("classifier", encoder, shared, shared.comparison)


def _last_features(classifier, samples):
    """Returns a classifier without its last layer, on the middle of inputs `(batch, samples)`."""
    inputs = keras.Input((samples,), name="audio")
    own = classifier.input.shape[1]
    first = (samples - own) // 2
    features = keras.Model(classifier.input, classifier.layers[-2].output)
    return keras.Model(inputs, features(inputs[:, first : first + own]), name="last_features")


def _log_mel(shared, seed):
    comparison = shared.comparisons["frequency"]
    rate = comparison.cache.sample_rate
    inputs = keras.Input((length(rate),), name="audio")
    bands = LogMel(rate, LOG_MEL_BANDS, *mel.frame_sizes(rate), name="log_mel")(inputs)
    table = _features("log_mel", keras.Model(inputs, bands, name="log_mel"), shared, comparison, logarithmic=True)
    return _section(table, slice(0, 2 * LOG_MEL_BANDS))


def _features(name, encoder, shared, comparison, *, logarithmic=False):
    tracks = _rows_of(comparison.cache, shared.tracks)
    unlabelled = tracks[tracks["split"] == "training"]
    options = {"logarithmic": logarithmic, "progress": comparison.progress}
    return pooling.latent_features(name, encoder, comparison.cache, tracks, unlabelled, shared.per_track, **options)


def _section(table, section):
    return dataclasses.replace(table, values=table.values[..., section], sections={"all": slice(None)})


def _rows_of(cache, tracks):
    """Returns the tracks in the cache's reading order, with `shard` and `samples`."""
    return cache.tracks.loc[cache.tracks.index.isin(tracks.index), ["shard", "samples"]].join(tracks)


def _mfcc(shared, seed):
    comparison, per_track = shared.comparisons["frequency"], shared.per_track
    cache, samples = comparison.cache, length(comparison.cache.sample_rate)
    tracks = _rows_of(cache, shared.tracks)

    def compute():
        batches = segments.fixed_segments(cache, tracks, samples, per_track=per_track, batch_size=per_track)
        shown = bar(batches, total=len(tracks), desc="MFCC statistics", unit="track", progress=comparison.progress)
        statistics = joblib.delayed(descriptors.mfcc_statistics)
        jobs = (statistics(signal, cache.sample_rate) for batch, _ in shown for signal in np.asarray(batch))
        values = joblib.Parallel(n_jobs=2, prefer="threads", pre_dispatch="2*n_jobs")(jobs)
        return {"track_ids": tracks.index.to_numpy(), "values": np.reshape(values, (len(tracks), per_track, -1))}

    code = content.code("data.sources", "data.segments")
    key = content.key(descriptors.code(), code, samples, per_track, list(tracks.index), length=16)
    with audio_cache.damage_named(cache):
        kept = files.computed_once(cache.directory / f"mfcc-segments-{key}.npz", compute)
    return pooling.Features(kept["values"], kept["track_ids"], {"all": slice(None)}, float(kept["seconds"]))


def _patches(shared, seed, *, encoder="patches", learned=True):
    """Returns the latent of a patch autoencoder, pooled over each segment."""
    comparison = shared.comparisons["time"]
    found = patch_latent.named(comparison, seed, encoder=encoder, learned=learned)
    codes = found.of_length(length(comparison.cache.sample_rate))
    return _features(found.name, keras.Model(codes.input, patch_autoencoder.pooled(codes.output)), shared, comparison)


def _codec(shared, seed):
    comparison, cache = shared.comparisons["frequency"], shared.comparisons["frequency"].cache
    sizes, tracks = (length(cache.sample_rate), shared.per_track), _rows_of(cache, shared.tracks)
    options = {"steps": (listening.USUAL,), "progress": comparison.progress}
    return codec_latent.tables(cache, tracks, *sizes, **options)[listening.USUAL]


@dataclasses.dataclass(frozen=True)
class Representation:
    """A description of segments."""

    build: Callable  # function of (shared segments, seed) that returns `pooling.Features`
    description: str
    supervised: bool = False  # genres of training tracks are used, so only test tracks may be looked at


def _pooled(description, **choice):
    return Representation(functools.partial(_latent, **choice), description)


REPRESENTATIONS = {
    "latent": _pooled("pooled latent of the named autoencoder"),
    "frequency": _pooled("pooled latent of the study's frequency-domain autoencoder", domain="frequency", encoder="study"),
    "time": _pooled("pooled latent of the study's time-domain autoencoder", domain="time", encoder="study"),
    "denoising": _pooled("pooled latent of a denoising autoencoder of MDCT frames", encoder="denoising", same_size=True),
    "variational": _pooled("pooled latent of a variational autoencoder of MDCT frames", encoder="variational", same_size=True),
    "linear": _pooled("control: pooled PCA of MDCT frames, as many components as channels", encoder="pca", same_size=True),
    "untrained": _pooled("control: pooled latent of the named autoencoder before training", trained=False),
    "patches": Representation(_patches, "sparse autoencoder of log-mel patches, trained on the training tracks"),
    "pretrained": Representation(
        functools.partial(_patches, encoder="pretrained"), "the same autoencoder with the package's weights, of other music"
    ),
    "patches_untrained": Representation(
        functools.partial(_patches, learned=False), "control: the same autoencoder before training, its whitening fitted"
    ),
    "classifier": Representation(
        _classifier, "last features of a genre classifier on the named latent: SUPERVISED on training", supervised=True
    ),
    "codec": Representation(_codec, "pooled envelope that the codec sends in the profile `listening`, untrained here"),
    "log_mel": Representation(_log_mel, "control: mean and deviation of 128 log-mel bands"),
    "mfcc": Representation(_mfcc, "control: seven statistics of 20 MFCCs"),
}


def represent(name, shared, seed=0):
    """Returns a named representation of all segments, `fmalib.genres.pooling.Features`; earlier results are found again.

    Look at the test tracks alone of a supervised one. The classifier describes the middle of a segment if its own are shorter.

    Raises:
        ValueError: no such name, a supervised one of a single genre, or values that are not finite.
    """
    if name not in REPRESENTATIONS:
        raise ValueError(f"name must be one of {', '.join(REPRESENTATIONS)}. Received: name={name!r}")
    genres = shared.comparison.data.genres
    if REPRESENTATIONS[name].supervised and len(genres) < 2:
        raise ValueError(f"{name} is supervised and needs two genres or more. Received: {', '.join(genres)}")
    features = REPRESENTATIONS[name].build(shared, seed)
    if wrong := int((~np.isfinite(features.values)).any(axis=-1).sum()):
        raise ValueError(
            f"{name} is not finite: leave it out, or train with another seed. Received: {wrong} segments that are not"
        )
    return features


def possible(names, genres, encoder=None):
    """Returns the names of representations that can be made, a list.

    With a single genre, none is supervised; of the codec's latent there is neither an untrained network nor a classifier.

    Args:
        names: of representations.
        genres: of the data set.
        encoder: as for `prepare`.

    Raises:
        ValueError: no name is left.
    """
    kept = [name for name in names if len(genres) > 1 or not REPRESENTATIONS[name].supervised]
    kept = [name for name in kept if encoder != CODEC or name not in ("untrained", "classifier")]
    if not kept:
        raise ValueError(
            f"One genre needs a representation that is not supervised, and encoder={CODEC!r} one without a network. "
            f"Received: {', '.join(names)}"
        )
    return kept
