"""A trained classifier as two files, and what it says about any recording over time.

`save` writes `classifier.keras` and `classifier.json` beside each other; `load` reads them; `over_time` listens.
"""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np

from fmalib import audio, classifiers, families, paths, sparse  # noqa: F401  (layers are known to Keras once imported)

FORMAT = 1
KEYS = {"format", "system", "genres", "sample_rate_hz", "segment_samples", "dataset", "note"}


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained classifier.

    Attributes:
        model: from `(batch, samples)` to genre probabilities `(batch, genres)`.
        system: its name, see `fmalib.systems`.
        genres: names by column.
        sample_rate: Hz.
        length: samples of a segment.
        dataset: what it was trained on.
        note: what must be said beside its answers; may be empty.
    """

    model: keras.Model
    system: str
    genres: tuple
    sample_rate: int
    length: int
    dataset: str
    note: str


def save(classifier, folder):
    """Writes a `Classifier` into a folder and returns the path of its model file."""
    path = Path(folder) / "classifier.keras"
    with paths.atomic(path) as temporary:
        classifier.model.save(temporary)
    description = {
        "format": FORMAT, "system": classifier.system, "genres": list(classifier.genres),
        "sample_rate_hz": int(classifier.sample_rate), "segment_samples": int(classifier.length),
        "dataset": classifier.dataset, "note": classifier.note,
    }
    paths.write_json(path.with_suffix(".json"), description)
    return path


def load(folder):
    """Returns the `Classifier` that lies in a folder.

    Raises:
        FileNotFoundError: there is none, with how to make one.
        ValueError: its files are damaged or of another version.
    """
    folder = paths.resolve(folder)
    path, description = folder / "classifier.keras", folder / "classifier.json"
    if not (path.exists() and description.exists()):
        raise FileNotFoundError(
            "There is no trained classifier: execute notebooks/03_classifier.ipynb with one of its systems that is a network "
            f"(make report does), or name the folder it wrote into. Received: {folder}"
        )
    try:
        facts = json.loads(description.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{description} is damaged: execute the notebook again. Received: {error}") from error
    if not isinstance(facts, dict) or not KEYS <= set(facts) or facts["format"] != FORMAT:
        raise ValueError(f"{description} is not of format {FORMAT}: execute the notebook again. Received: {description}")
    try:
        model = keras.models.load_model(path, compile=False)  # in safe mode: no code in the file is run
    except Exception as error:  # Keras raises many kinds for a file that is not whole
        reason = str(error).strip().splitlines()[0][:200]
        raise ValueError(f"{path} cannot be read: execute the notebook again. Received: {reason}") from error
    return Classifier(
        model, facts["system"], tuple(facts["genres"]), facts["sample_rate_hz"], facts["segment_samples"], facts["dataset"],
        facts["note"],
    )


def listen(path, sample_rate, length):
    """Returns a recording as a classifier hears it: float32 `(samples,)`.

    Args:
        path: of an audio file.
        sample_rate: of the classifier, Hz.
        length: samples of a segment, the least there must be.

    Raises:
        FileNotFoundError: there is no such file.
        fmalib.audio.AudioError: it cannot be decoded, or is shorter than a segment.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no such file. Received: {path}")
    try:
        with paths.quiet_stderr():
            signal = audio.to_float(audio.decode(path, sample_rate))
    except audio.AudioError as error:
        raise audio.AudioError(f"{path}: {error}") from error
    if len(signal) < length:
        raise audio.AudioError(
            f"{path}: a recording must hold one segment of {length / sample_rate:.1f} s. "
            f"Received: {len(signal) / sample_rate:.1f} s"
        )
    return signal


def over_time(classifier, signal):
    """Returns (times, probabilities) of segments that overlap by half, and one at the very end.

    Args:
        signal: float array of shape `(samples,)` at the classifier's sample rate, at least one segment long.

    Returns:
        times: of the middles of the segments, seconds, `(segments,)`.
        probabilities: `(segments, genres)`.
    """
    last = len(signal) - classifier.length
    starts = np.unique(np.append(np.arange(0, last + 1, classifier.length // 2), last))
    # A few segments at a time, so that an hour of music does not have to lie in memory twice.
    said = [
        classifier.model.predict_on_batch(np.stack([signal[start : start + classifier.length] for start in part]))
        for part in np.split(starts, range(32, len(starts), 32))
    ]
    return (starts + classifier.length / 2) / classifier.sample_rate, np.concatenate(said)
