"""What a map is made of, by name: pooled latents, a classifier's last features, controls; the same segments in the same order.

All of them hear the same spans of 8.192 s of each track, whatever the sample rate.
"""

import dataclasses
import hashlib
import time

import keras
import numpy as np
import pandas as pd

from fmalib import audio, autoencoders, cache as caches, features, mel, models, paths, probes, segments, systems
from fmalib import study as studies
from fmalib.progress import bar
from fmalib.tracks import SPLITS, join_excluded

SECONDS = autoencoders.SNIPPET / autoencoders.SAMPLE_RATES["frequency"]  # of a span
OTHER_LATENTS = {"frequency": 64, "time": 32}  # of autoencoders that are not the named one
CLASSIFIER = "latent_finetuned"
REPRESENTATIONS = {
    "latent": "pooled latent of the named autoencoder",
    "frequency": "pooled latent of the study's frequency-domain autoencoder",
    "time": "pooled latent of the study's time-domain autoencoder",
    "denoising": "pooled latent of a denoising autoencoder of MDCT frames",
    "variational": "pooled latent of a variational autoencoder of MDCT frames",
    "linear": "control: pooled principal components of MDCT frames, as many as a frequency-domain latent has channels",
    "untrained": "control: pooled latent of the named autoencoder before training",
    "classifier": "last features of a genre classifier on the named autoencoder's latent: SUPERVISED on training",
    "log_mel": "control: mean and deviation of 128 log-mel bands",
    "mfcc": "control: seven statistics of 20 MFCCs",
}


@dataclasses.dataclass(frozen=True)
class Spans:
    """Segments that every representation describes.

    Attributes:
        studies: a `fmalib.study.Study` for each domain, `"frequency"` and `"time"`, of the same data set.
        tracks: of all splits, indexed by `track_id`; columns `genre`, `artist`, `label`, `split`; only those that both sample
            rates hold.
        per_track: segments of each track.
        domain: of the named autoencoder.
        skipped: tracks left out, with columns `path`, `reason`.
    """

    studies: dict
    tracks: pd.DataFrame
    per_track: int
    domain: str
    skipped: pd.DataFrame

    def __str__(self):
        counts = ", ".join(f"{len(self.of(split))} {split}" for split in SPLITS)
        return f"Tracks: {counts}, {len(self.skipped)} skipped; {self.per_track} spans of {SECONDS:.2f} s of each"

    @property
    def study(self):
        """The study of the named autoencoder."""
        return self.studies[self.domain]

    def of(self, split):
        """Returns the tracks of a split, or of `"all"`."""
        return self.tracks if split == "all" else self.tracks[self.tracks["split"] == split]

    def rows(self, split):
        """Returns the segment table of a split, or of `"all"`, in the order of the representations' rows."""
        cache = self.studies["frequency"].cache
        tracks = self.of(split).join(cache.tracks[["samples"]])
        return segments.segment_table(tracks, length(cache.sample_rate), self.per_track)


def length(sample_rate):
    """Returns the samples of a span."""
    return round(SECONDS * sample_rate)


def prepare(data, decoded, *, domain="frequency", encoder="study", latent=64, per_track=3, epochs=None, min_segments=512,
            progress=True):
    """Returns the `Spans` of a data set.

    Args:
        data: the data set.
        decoded: dict from domain to its cache, `"frequency"` and `"time"`.
        domain, encoder, latent: the named autoencoder, see `fmalib.autoencoders.MODELS`.
        per_track: segments of each track.
        epochs, min_segments: as for `fmalib.study.prepare`.

    Raises:
        ValueError: no such autoencoder, fewer than two genres, or no track long enough for a span.
    """
    named = {
        name: studies.prepare(
            data, decoded[name], domain=name, encoder=encoder if name == domain else "study",
            latent=latent if name == domain else OTHER_LATENTS[name], segments_per_track=per_track, epochs=epochs,
            min_segments=min_segments, progress=progress,
        )
        for name in autoencoders.SAMPLE_RATES
    }
    parts, left_out = [], [data.excluded]
    for split in SPLITS:
        (kept, skipped), (others, more) = (
            segments.select(data, study.cache, split, length(study.cache.sample_rate)) for study in named.values()
        )
        parts.append(kept.loc[kept.index.isin(others.index), ["genre", "artist", "label"]].assign(split=split))
        left_out += [skipped, more[~more.index.isin(skipped.index)]]
    return Spans(named, pd.concat(parts), per_track, domain, join_excluded(left_out))


def check(names):
    """Raises ValueError unless each is the name of a representation."""
    for name in names:
        if name not in REPRESENTATIONS:
            raise ValueError(f"features must be of {', '.join(REPRESENTATIONS)}. Received: {name!r}")


def represent(name, spans, seed=0):
    """Returns a named representation of all spans, as `fmalib.probes.Features`: what is trained or computed is found again.

    Pooled latents are the group `energy` of `fmalib.probes.Pooling`, of which a filter's phase is no part. Nothing of it is
    selected by genre. The classifier was taught the genres of training tracks, so only its test tracks may be looked at; it
    hears the middle of a span where its own segments are shorter.

    Raises:
        ValueError: no such name.
    """
    check([name])
    if name == "mfcc":
        return _mfcc(spans)
    study = spans.study
    if name == "log_mel":
        study = spans.studies["frequency"]
        rate = study.cache.sample_rate
        inputs = keras.Input((length(rate),), name="audio")
        encoder = keras.Model(inputs, mel.LogMel(rate, 128, *mel.frame_sizes(rate), name="log_mel")(inputs), name="log_mel")
        return _section(_features(name, encoder, spans, study, logarithmic=True), slice(0, 256))
    if name == "classifier":
        result = systems.run(CLASSIFIER, study, seed)
        return _features(name, _last_features(result.model, length(study.cache.sample_rate)), spans, study)
    study, trained = _source(name, spans)
    autoencoder = studies.train_autoencoder(study, seed, trained=trained)
    encoder = models.with_length(autoencoder.features, _valid(study))
    table = _features(autoencoder.name, encoder, spans, study)
    return _section(table, table.sections["energy"])


def named_autoencoder(spans, seed=0):
    """Returns the trained `fmalib.autoencoders.Autoencoder` that is named by domain, encoder and latent."""
    return studies.train_autoencoder(spans.study, seed)


def cuts(spans, rows, domain):
    """Yields (row number, audio) of the spans in a segment table, track by track; float32 `(samples,)` at full scale 1.

    Args:
        rows: by `Spans.rows`, all or some, in any order, none of them twice.
        domain: `"frequency"` or `"time"`, for its sample rate.
    """
    cache, counted = spans.studies[domain].cache, spans.studies["frequency"].cache.sample_rate
    whole = length(cache.sample_rate)
    if not rows.index.is_unique:
        twice = list(rows.index[rows.index.duplicated()])
        raise ValueError(f"Each row of the table must have an index of its own. Received twice: {twice}")
    starts = {track_id: part for track_id, part in rows["start"].groupby(rows["track_id"].to_numpy())}
    numbers = {index: number for number, index in enumerate(rows.index)}
    for track_id, samples in caches.read(cache, list(starts)):
        for index, start in starts[track_id].items():
            first = min(start * cache.sample_rate // counted, len(samples) - whole)
            yield numbers[index], audio.to_float(samples[first : first + whole])


def span_audio(spans, rows, samples=None):
    """Returns the audio of the spans in a segment table at the named autoencoder's rate, float32 `(segments, samples)`.

    Args:
        rows: by `Spans.rows`, all or some.
        samples: of the middle of each; None takes what the autoencoder was trained on.
    """
    samples = samples or spans.study.snippet
    heard = np.empty((len(rows), samples), np.float32)
    for number, span in cuts(spans, rows, spans.domain):
        first = (len(span) - samples) // 2
        heard[number] = span[first : first + samples]
    return heard


def _source(name, spans):
    """Returns (study, whether to train) of an autoencoder's latent."""
    study = spans.study
    if name in ("frequency", "time"):
        if name == spans.domain and study.encoder == "study":
            return study, True
        return dataclasses.replace(spans.studies[name], encoder="study", latent=OTHER_LATENTS[name]), True
    if name in ("denoising", "variational", "linear"):
        frequency = spans.studies["frequency"]
        latent = study.latent if spans.domain == "frequency" else OTHER_LATENTS["frequency"]
        return dataclasses.replace(frequency, encoder="pca" if name == "linear" else name, latent=latent), True
    return study, name != "untrained"


def _valid(study):
    """Returns the samples of a span as the study's models need them."""
    whole = length(study.cache.sample_rate)
    if study.domain == "time":
        return models.valid_length(whole)
    return models.valid_length(whole, kernel=models.FREQUENCY_SHORTEST, stride=models.FREQUENCY_STEP)


def _features(name, encoder, spans, study, *, logarithmic=False):
    tracks = _rows_of(study.cache, spans.tracks)
    listened = tracks[tracks.index.isin(spans.of("training").index)]
    return probes.latent_features(
        name, encoder, study.cache, tracks, listened, encoder.input.shape[1], spans.per_track, logarithmic=logarithmic,
        progress=study.progress,
    )


def _section(table, section):
    return dataclasses.replace(table, values=table.values[..., section], sections={"all": slice(None)})


def _rows_of(cache, tracks):
    """Returns the tracks in the cache's reading order, with `shard` and `samples`."""
    found = cache.tracks.loc[cache.tracks.index.isin(tracks.index), ["shard", "samples"]]
    return found.join(tracks)


def _last_features(classifier, samples):
    """Returns a classifier up to its last layer but one, for inputs of which it hears the middle."""
    inputs = keras.Input((samples,), name="audio")
    spare = samples - classifier.input.shape[1]
    x = keras.layers.Reshape((samples, 1), name="add_channel")(inputs)
    x = keras.layers.Cropping1D((spare // 2, spare - spare // 2), name="middle")(x)
    x = keras.layers.Reshape((samples - spare,), name="drop_channel")(x)
    return keras.Model(inputs, keras.Model(classifier.input, classifier.layers[-2].output)(x), name="last_features")


def _mfcc(spans):
    """Returns MFCC statistics of spans; computed once and kept on disk."""
    import joblib

    study = spans.studies["frequency"]
    cache, samples = study.cache, length(study.cache.sample_rate)
    tracks = _rows_of(cache, spans.tracks)
    digest = hashlib.sha256(repr([features.MFCC_VERSION, samples, spans.per_track, list(tracks.index)]).encode()).hexdigest()[:16]
    file = cache.directory / f"mfcc-spans-{digest}.npz"
    if not file.exists():
        started = time.perf_counter()
        batches = segments.fixed_segments(cache, tracks, samples, per_track=spans.per_track, batch_size=spans.per_track)
        shown = bar(batches, total=len(tracks), desc="MFCC statistics", unit="track", progress=study.progress)
        jobs = (joblib.delayed(_of_track)(np.asarray(batch), cache.sample_rate) for batch, _ in shown)
        values = np.stack(joblib.Parallel(n_jobs=2, prefer="threads", pre_dispatch="2*n_jobs")(jobs))
        with paths.atomic(file) as temporary:
            np.savez(temporary, track_ids=tracks.index.to_numpy(), values=values, seconds=time.perf_counter() - started)
    with np.load(file, allow_pickle=False) as kept:
        return probes.Features(kept["values"], kept["track_ids"], {"all": slice(None)}, float(kept["seconds"]))


def _of_track(batch, sample_rate):
    return np.stack([features.mfcc_statistics(signal, sample_rate) for signal in batch])
