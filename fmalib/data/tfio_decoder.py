"""Decoding within a TensorFlow graph by tensorflow-io, as an alternative that has to be asked for (`fmalib[tfio]`).

`fmalib.data.audio` stays the default: it reads more formats, counts what it reads, works beside any TensorFlow, and takes a
seventeenth of the processor time (47 MP3s of 30 s to 8 kHz, 29 against 494 ms each). One of 24 FMA clips failed here.
tensorflow-io 0.37.1, the last release (2024), loads its operations beside TensorFlow 2.16 only: an environment of its own.
"""

import functools
import importlib.metadata
from pathlib import Path

import tensorflow as tf

from fmalib.data import audio
from fmalib.data.audio import AudioError

VERSIONS = "tensorflow-io 0.37.1 needs TensorFlow 2.16, CPython 3.10 to 3.12 and numpy 1"
FORMATS = {".mp3": ("mp3", None), ".ogg": ("vorbis", None), ".flac": ("flac", tf.int16), ".wav": ("wav", tf.int16)}


def function(suffix, rate, sample_rate):
    """Returns a function of a file's name, a string tensor, for `tf.data.Dataset.map`: int16 audio `(samples,)` as of `decode`.

    Args:
        suffix: of the files, a key of FORMATS; flac and wav of 16 bits.
        rate: of the files, in Hz.
        sample_rate: of the result, in Hz.

    Raises:
        ImportError: tensorflow-io is not installed or does not load.
        AudioError: an unknown suffix.
    """
    if suffix not in FORMATS:
        raise AudioError(f"tensorflow-io decodes {', '.join(FORMATS)}, use soundfile. Received: {suffix}")
    name, dtype = FORMATS[suffix]
    operations = _operations()
    options = {"dtype": dtype} if dtype else {}

    def decoded(path):
        sound = getattr(operations, f"decode_{name}")(tf.io.read_file(path), **options)
        sound = tf.cast(sound, tf.float32) / (32768.0 if dtype else 1.0)
        mono = tf.reduce_mean(sound, axis=1, keepdims=True)
        if rate != sample_rate:
            mono = operations.resample(mono, rate, sample_rate)
        return tf.cast(tf.clip_by_value(tf.round(mono[:, 0] * 32768.0), -32768, 32767), tf.int16)

    return decoded


def decode(path, sample_rate, *, expected_seconds=None, notice=None):
    """Returns the audio of a file, int16 of shape `(samples,)`, as `fmalib.data.audio.decode` does, but by tensorflow-io.

    Headers are believed, channels that cancel each other stay so, and another filter resamples: samples differ.

    Args:
        path, sample_rate, expected_seconds, notice: as for `fmalib.data.audio.decode`; the only remark is "length: ...".

    Raises:
        AudioError: a format other than FORMATS, not decodable, empty or silent.
        ImportError: tensorflow-io is not installed or does not load.
        OSError: the file cannot be opened.
    """
    audio.check_rate(sample_rate)
    rate, _ = audio.channels_of(path)
    try:
        sound = _graph(Path(path).suffix.lower(), int(rate), int(sample_rate))(str(path)).numpy()
    except tf.errors.OpError as error:
        raise AudioError(f"not readable by tensorflow-io: {error.message}") from error
    if not sound.any():
        raise AudioError("digital silence" if len(sound) else "no audio in the file")
    seconds = len(sound) / sample_rate
    if notice and expected_seconds and seconds < audio.SHORTEST_SHARE * expected_seconds:
        notice(f"length: {seconds:.1f} s were read, the data set's table has {expected_seconds:.1f} s")
    return sound


@functools.cache
def _graph(suffix, rate, sample_rate):
    return tf.function(function(suffix, rate, sample_rate), input_signature=[tf.TensorSpec([], tf.string)])


@functools.cache
def _operations():
    """Returns `tensorflow_io.audio`, whose compiled operations load."""
    try:
        import tensorflow_io
        from tensorflow_io.python.ops import core_ops

        core_ops.io_audio_decode_mp3  # noqa: B018 - the first operation asked for loads the library
        return tensorflow_io.audio
    except (ImportError, NotImplementedError, OSError, RuntimeError, AttributeError, tf.errors.OpError) as error:
        raise ImportError(f"{VERSIONS}: pip install 'tensorflow-io[tensorflow]==0.37.1' 'numpy<2'. {_received()}") from error


def _received():
    try:
        installed = importlib.metadata.version("tensorflow-io")
    except importlib.metadata.PackageNotFoundError:
        installed = "none"
    return f"Received: tensorflow-io {installed}, TensorFlow {tf.__version__}"
