"""The latent of a patch autoencoder as one vector a track: how much each pattern is used."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from fmalib import content, files
from fmalib.data import audio, audio_cache
from fmalib.genres.descriptors import Features
from fmalib.models import patch_autoencoder
from fmalib.progress import bar
from fmalib.training import patch_training, runs

ENCODERS = {
    "patches": "sparse autoencoder of log-mel patches, trained on the training tracks",
    "pretrained": "sparse autoencoder of log-mel patches with the package's weights, trained on other music",
}
RATES = (22_050, 44_100)  # Hz, whose frames last as long as those of the package's weights


@dataclasses.dataclass(frozen=True)
class Encoder:
    """The encoder of a patch autoencoder, and where it comes from.

    Attributes:
        name: key of `ENCODERS`, or `"patches_untrained"`.
        patches: model from whitened patches `(batch, components)` to codes `(batch, latent)`.
        whitening: the `patch_autoencoder.Whitening`.
        sample_rate: of the audio, in Hz.
        seconds: duration of its training.
        run: name of its run folder, or None.
        description: one line on its training.
    """

    name: str
    patches: keras.Model
    whitening: patch_autoencoder.Whitening
    sample_rate: int
    seconds: float = 0.0
    run: str | None = None
    description: str = ""

    def __str__(self):
        return self.description

    def of_length(self, samples=None):
        """Returns the model from audio `(batch, samples)` to codes `(batch, patches, latent)`; None takes any length."""
        return patch_autoencoder.waveform_encoder(self.patches, self.whitening, self.sample_rate, samples)


def check_rate(sample_rate):
    """Raises ValueError unless frames at a sample rate last as long as those of the package's weights."""
    if sample_rate not in RATES:
        rates = " or ".join(map(str, RATES))
        raise ValueError(f"The pretrained encoder needs sample_rate={rates}. Received: sample_rate={sample_rate}")


def pretrained(sample_rate):
    """Returns the `Encoder` with the package's weights; raises as `check_rate`."""
    check_rate(sample_rate)
    encoder, whitening, _ = patch_training.load()
    return Encoder("pretrained", encoder, whitening, sample_rate, description="weights of the package")


def trained(comparison, seed=0, *, learned=True):
    """Returns the `Encoder` of a comparison's unlabelled tracks and music: trained, or found if the same was trained before.

    `learned=False` keeps its first weights, with the same whitening, which is fitted on the same tracks.
    """
    runs.set_seed(seed)
    network = (comparison.network or patch_autoencoder.patch_autoencoder)(components=patch_autoencoder.COMPONENTS)
    started = [np.asarray(weights) for weights in network.get_weights()]

    def compute():
        patches = prepare(comparison, seed)
        kept = {"mean": patches.whitening.mean, "components": patches.whitening.components, "hours": patches.hours}
        if not learned:
            return kept | {f"weights_{number}": weights for number, weights in enumerate(started)}
        options = {"epochs": epochs(comparison), "seed": seed, "progress": comparison.progress}
        run = patch_training.train(network, patches, **options)
        kept |= {f"weights_{number}": weights for number, weights in enumerate(run.model.get_weights())}
        return kept | {"run": run.directory.name, "training_seconds": run.seconds}

    music = [list(part.index) for part in comparison.unlabelled], patch_training.sound_facts(comparison.music)
    made_by = content.network(network), content.code(*runs.DECISIVE, "genres.patch_latent"), epochs(comparison), seed, learned
    file = comparison.cache.directory / f"encoder-{content.key(comparison.cache.key, *made_by, *music, length=16)}.npz"
    kept = files.computed_once(file, compute)
    network.set_weights([kept[f"weights_{number}"] for number in range(len(started))])
    facts = {"whitening": patch_autoencoder.Whitening(kept["mean"], kept["components"])}
    facts |= {"sample_rate": comparison.cache.sample_rate, "patches": network.get_layer("encoder")}
    if not learned:
        return Encoder(name="patches_untrained", description="untrained", **facts)
    run, seconds = str(kept["run"]), float(kept["training_seconds"])
    description = f"{run}, trained in {seconds:.0f} s on {kept['hours']:.2f} h of music"
    return Encoder(name="patches", seconds=seconds, run=run, description=description, **facts)


def prepare(comparison, seed=0):
    """Returns the `patch_training.Patches` of a comparison's unlabelled tracks and music."""
    training, validation = comparison.unlabelled
    options = {"paths": comparison.music, "seed": seed, "progress": comparison.progress}
    return patch_training.of_tracks(comparison.cache, training.index, validation.index, **options)


def epochs(comparison):
    """Returns the epochs of a patch autoencoder's training."""
    return min(patch_training.EPOCHS, comparison.epochs["autoencoder"])


def named(comparison, seed=0, *, encoder=None, learned=True):
    """Returns the `Encoder` of a name in `ENCODERS`; None takes the comparison's."""
    if (encoder or comparison.encoder) == "pretrained":
        return pretrained(comparison.cache.sample_rate)
    return trained(comparison, seed, learned=learned)


def table(encoder, cache, tracks, *, progress=True):
    """Returns one vector for each track, `Features` `(tracks, latent)`, of its whole length; kept on disk.

    Args:
        encoder: an `Encoder`.
        cache, tracks: decoded audio, and the track table, of which the index counts.
    """
    model = encoder.of_length()
    code = content.code("signal", "models", "genres.patch_latent")
    key = content.key(content.network(model), code, cache.key, list(tracks.index), length=16)

    @tf.function(input_signature=[tf.TensorSpec((1, None), tf.float32)])
    def pooled(signal):
        return patch_autoencoder.pooled(model(signal))

    def compute():
        shown = bar(audio_cache.read(cache, tracks.index), total=len(tracks), desc="Patches", unit="track", progress=progress)
        least = patch_autoencoder.SECONDS * cache.sample_rate + 1
        vectors = {}
        for track_id, samples in shown:
            signal = audio.to_float(samples)
            signal = np.pad(signal, (0, max(0, int(np.ceil(least)) - len(signal))))
            vectors[track_id] = pooled(signal[None]).numpy()[0]
        return {"track_ids": np.array(list(vectors)), "values": np.array(list(vectors.values()))}

    kept = files.computed_once(cache.directory / f"{encoder.name}-{key}.npz", compute)
    return Features(kept["values"], kept["track_ids"], {"all": slice(None)}, float(kept["seconds"]))
