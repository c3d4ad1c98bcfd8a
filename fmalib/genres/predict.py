"""A trained classifier as two files, `classifier.keras` and `classifier.json`, and its predictions over time."""

import dataclasses
import errno
import os
from pathlib import Path

import keras
import numpy as np

from fmalib import files, paths
from fmalib.data import audio, formats
from fmalib.models import layers, sparse_layers  # noqa: F401  (Keras knows the layers once they are imported)

FORMAT = 2
PLAIN = ("system", "genres", "dataset", "note")  # fields of `Classifier` whose JSON key is their name
KEYS = {"sample_rate": "sample_rate_hz", "length": "segment_samples", **{name: name for name in PLAIN}}
SEGMENTS_AT_ONCE = 32  # an hour of overlapping segments need not lie in memory together


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained classifier.

    Attributes:
        model: from `(batch, samples)` to genre probabilities `(batch, genres)`.
        system, genres: name in `fmalib.genres.systems.SYSTEMS`, and genre names by column.
        sample_rate, length: in Hz, and samples of a segment.
        dataset, note: name of the training data set, and its caveat, which may be empty.
    """

    model: keras.Model
    system: str
    genres: tuple
    sample_rate: int
    length: int
    dataset: str
    note: str


def save(classifier, folder):
    """Writes a `Classifier` into a folder, where nobody else writes one, and returns the path of its model file."""
    path = Path(folder) / "classifier.keras"
    files.sweep(folder, "classifier.*")
    with files.atomic(path) as temporary:
        classifier.model.save(temporary)
        digest = files.digest(temporary).hex()  # binds the two files: a writer may die in between
    facts = {key: getattr(classifier, field) for field, key in KEYS.items()}
    files.write_json(path.with_suffix(".json"), {"format": FORMAT, "model_sha256": digest, **facts}, checksum=True)
    return path


def load(folder):
    """Returns the `Classifier` in a folder.

    Raises:
        FileNotFoundError: there is none; the message says how to make one.
        ValueError: its files are damaged, of another version, or do not belong together.
    """
    folder = paths.resolve(folder)
    path, description = folder / "classifier.keras", folder / "classifier.json"
    if not (path.exists() and description.exists()):
        raise FileNotFoundError(
            "There is no trained classifier: execute notebooks/03_classifier.ipynb with a system that is a network "
            f"(make report does), or name its output folder. Received: {folder}"
        )
    facts = files.read_json(description, say=False) or {"format": "without a valid checksum"}
    if facts["format"] != FORMAT:
        problem = f"is damaged or not of format {FORMAT}: execute the notebook again. Received: format {facts['format']}"
        raise ValueError(f"{description} {problem}")
    if (digest := files.digest(path).hex()) != facts["model_sha256"]:
        problem = f"is damaged or belongs to another {description.name}: execute the notebook again. Received: SHA-256 {digest}"
        raise ValueError(f"{path} {problem}")
    fields = {field: facts[key] for field, key in KEYS.items()}
    return Classifier(_load_model(path, facts), **fields | {"genres": tuple(facts["genres"])})


def _load_model(path, facts):
    """Returns the model in a file, which must have the segment length and the genres of `facts`."""
    try:
        model = keras.models.load_model(path, compile=False)  # in safe mode: no code in the file is run
    except Exception as error:  # of many kinds: another version of Keras, a layer that is not known
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ValueError(f"{path} cannot be read: execute the notebook again. Received: {reason}") from error
    has, described = (model.input_shape[-1], model.output_shape[-1]), (facts["segment_samples"], len(facts["genres"]))
    if has != described:
        problem = f"must have {described[0]} samples and {described[1]} genres: execute the notebook again"
        raise ValueError(f"{path} {problem}. Received: {has[0]} samples and {has[1]} genres")
    return model


def recordings(name):
    """Returns (paths, failed) of a name: the file itself, or all audio files below a folder, sorted, hidden ones left out.

    `failed` is a dict from paths below a folder that cannot be looked at to their `fmalib.data.audio.AudioError`.

    Raises:
        fmalib.data.audio.AudioError: a folder without audio files.
    """
    path, failed = Path(name).expanduser(), {}
    if not os.fspath(name):
        raise audio.AudioError("an empty name")
    if not path.is_dir():
        return [path], failed

    def keep(relative, reason):
        failed[path / relative] = audio.AudioError(reason)

    found = [path / relative for relative in formats.audio_files(path, keep)]
    if not found and not failed:
        raise audio.AudioError("no audio file in this folder")
    return found, failed


def read_recording(path, sample_rate, length):
    """Returns a recording as input for a classifier: float32 `(samples,)`.

    Args:
        path: of an audio file.
        sample_rate, length: of the classifier, in Hz, and samples of a segment, the shortest recording.

    Raises:
        FileNotFoundError: there is no such file.
        fmalib.data.audio.AudioError: it is no regular file, cannot be decoded, or is shorter than a segment.
    """
    try:
        return audio.to_float(_decode(Path(path).expanduser(), sample_rate, length))
    except audio.AudioError as error:
        raise audio.AudioError(f"{path}: {error}") from error


def _decode(path, sample_rate, length, notice=None):
    """Returns a checked recording, int16 `(samples,)`; errors are without the file's name, remarks go to `notice`."""
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
    if not path.is_file():  # a pipe could be waited for without end
        raise audio.AudioError("not a regular file")
    with paths.quiet_stderr():
        signal = audio.decode(path, sample_rate, notice=notice)
    if len(signal) < length:
        raise audio.AudioError(
            f"a recording must hold one segment of {length / sample_rate:.1f} s. Received: {len(signal) / sample_rate:.1f} s"
        )
    return signal


def over_time(classifier, signal):
    """Returns (times, probabilities) of segments that overlap by half, the last one at the very end.

    Times are the middles in seconds, `(segments,)`; probabilities are of shape `(segments, genres)`. `signal` is of shape
    `(samples,)` at the classifier's sample rate, at least one segment long: floats, or int16, which take less memory.

    Raises:
        ValueError: the classifier returned probabilities that are not finite.
    """
    last = len(signal) - classifier.length
    starts = np.unique(np.append(np.arange(0, last + 1, classifier.length // 2), last))
    probabilities = []
    for part in np.split(starts, range(SEGMENTS_AT_ONCE, len(starts), SEGMENTS_AT_ONCE)):
        batch = np.stack([signal[start : start + classifier.length] for start in part])
        batch = audio.to_float(batch) if batch.dtype == np.int16 else batch
        probabilities.append(classifier.model.predict_on_batch(batch))
    probabilities = np.concatenate(probabilities)
    if not np.isfinite(probabilities).all():
        raise ValueError("the classifier returned values that are not finite: train it again. Received: nan")
    return (starts + classifier.length / 2) / classifier.sample_rate, probabilities


def classify(classifier, path, *, each_segment=False):
    """Returns what a classifier says of an audio file, a dict of plain values, as for JSON.

    Keys: `file` (bytes that are no UTF-8 and lone surrogates as backslash escapes), `segments` (their number), `genre` (the
    likeliest), `probabilities` (by genre, mean of the segments, likeliest first), `notes` (remarks of the decoder), and with
    `each_segment` `over_time`: a dict of `seconds` (the middle), `genre` and `probability` of each segment.

    Raises:
        OSError, fmalib.data.audio.AudioError, ValueError: as above, but without the file's name.
    """
    notes = []
    signal = _decode(Path(path).expanduser(), classifier.sample_rate, classifier.length, notes.append)
    times, probabilities = over_time(classifier, signal)
    mean, genres = probabilities.mean(axis=0), classifier.genres
    shares = {genres[column]: float(mean[column]) for column in mean.argsort()[::-1]}
    found = {"file": paths.printable(path), "segments": len(times), "genre": next(iter(shares)), "probabilities": shares}
    if each_segment:
        found["over_time"] = [
            {"seconds": float(time), "genre": genres[row.argmax()], "probability": float(row.max())}
            for time, row in zip(times, probabilities)
        ]
    return found | {"notes": notes}
