"""Deep embedded clustering: DEC (Xie et al. 2016) and IDEC (Guo et al. 2017) train an encoder further without labels.

Points are assigned softly to a given number of centres, and the assignments are drawn towards a sharper version of them.
"""

import dataclasses
import itertools
import time

import keras
import numpy as np
import pandas as pd
from keras import layers, ops
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from fmalib.genres import pooling
from fmalib.latent import clustering
from fmalib.models import classifiers
from fmalib.models.layers import LogCompression, SoftAssignment
from fmalib.progress import bar

GAMMA = 0.1  # weight of IDEC's clustering loss beside that of reconstructions
SMALL_BATCH = 32  # points, where there are hundreds
SIZE = 10  # of the embedding, in both papers


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Updates of the target and the end of training; the defaults are IDEC's for MNIST."""

    update_interval: int = 140  # steps between two targets
    tolerance: float = 1e-3  # share of points that change their cluster between two targets, below which training has converged
    max_updates: int = 100  # targets, at most
    batch_size: int = 256  # points in a step


@dataclasses.dataclass(frozen=True)
class DeepClusters:
    """Clusters by deep embedded clustering.

    Attributes:
        model: from inputs to soft assignments `(batch, clusters)`, and reconstructions for IDEC.
        stages: embeddings at each update of the target, the first before any training: `(updates, points, features)`.
        stage_labels: clusters at each update, `(updates, points)`.
        history: one row an update: `changed` (share of points in another cluster than at the last update), `divergence` (of
            the assignments from their target, nats).
        converged: whether the tolerance ended training, not `max_updates`.
        seconds: of training.
    """

    model: keras.Model
    stages: np.ndarray
    stage_labels: np.ndarray
    history: pd.DataFrame
    converged: bool
    seconds: float

    @property
    def labels(self):
        """Cluster of each point at the end, `(points,)`."""
        return self.stage_labels[-1]

    def __str__(self):
        ended = "converged" if self.converged else "stopped, not converged,"
        return f"{ended} after {len(self.history) - 1} updates in {self.seconds:.0f} s"


def target_distribution(assignment):
    """Returns the target of soft assignments, both `(points, clusters)`: squared, by cluster size (Xie et al. 2016, eq. 3)."""
    sharper = assignment**2 / assignment.sum(axis=0)
    return sharper / sharper.sum(axis=1, keepdims=True)


def deep_clusters(network, inputs, n_clusters, schedule, *, reconstruction_weight=None, optimizer=None, seed=0, progress=True):
    """Returns the `DeepClusters` of inputs: by DEC, or by IDEC where reconstructions have a weight.

    Args:
        network: for DEC, model from inputs to embeddings `(batch, features)`; for IDEC, to embeddings and reconstructions.
            A copy of it is trained.
        inputs: array of shape `(points, ...)`.
        n_clusters: their number; k-means gives the first centres.
        schedule: a `Schedule`.
        reconstruction_weight: of the mean squared error of reconstructions, beside `GAMMA` of the clustering loss.
        optimizer: a Keras optimizer; None takes Adam at 1e-3, as published for IDEC.
        seed: of k-means and of the order of points.

    Raises:
        ValueError: fewer points than clusters, fewer than two clusters, points or embeddings that are not finite, or a network
            without the outputs that it needs.
    """
    clustering.check_points(inputs, n_clusters)
    idec = reconstruction_weight is not None
    if len(network.outputs) != 1 + idec:
        raise ValueError(
            "DEC needs a network from inputs to embeddings; IDEC, to embeddings and reconstructions. "
            f"Received: {len(network.outputs)} outputs"
        )
    started = time.perf_counter()
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    embed = keras.Model(copy.inputs, copy.outputs[0])
    points = embed.predict(inputs, batch_size=schedule.batch_size, verbose=0)
    labels, centres = clustering.kmeans(points, n_clusters, seed=seed)
    assign = SoftAssignment(n_clusters, name="assignment")
    model = keras.Model(copy.inputs, [assign(copy.outputs[0]), *copy.outputs[1:]])
    assign.set_weights([centres])
    weights = [GAMMA, reconstruction_weight] if idec else [1.0]
    model.compile(optimizer or keras.optimizers.Adam(1e-3), ["kl_divergence", "mse"][: 1 + idec], loss_weights=weights)
    found = _train(model, embed, labels, inputs, schedule, seed, progress)
    return DeepClusters(model=model, seconds=time.perf_counter() - started, **found)


def _train(model, embed, labels, inputs, schedule, seed, progress):
    """Trains a model of soft assignments; returns the fields of `DeepClusters` that follow from its updates, a dict."""
    idec = len(model.outputs) == 2
    rng, n_batches = np.random.default_rng(seed), -(-len(inputs) // schedule.batch_size)
    orders = (rng.permutation(len(inputs)) for _ in itertools.count())  # one a pass
    batches = itertools.chain.from_iterable(np.array_split(order, n_batches) for order in orders)
    name, last = "IDEC" if idec else "DEC", schedule.max_updates
    stages, stage_labels, rows = [], [labels], []
    for update in bar(range(last + 1), total=last, desc=name, unit="update", progress=progress):
        stages.append(embed.predict(inputs, batch_size=schedule.batch_size, verbose=0))
        assignment = ops.convert_to_numpy(model.get_layer("assignment")(stages[-1]))
        target = target_distribution(assignment)
        stage_labels.append(assignment.argmax(axis=1))
        changed = float((stage_labels[-1] != stage_labels[-2]).mean())
        rows.append((changed, float((target * np.log((target + 1e-12) / (assignment + 1e-12))).sum(axis=1).mean())))
        converged = update > 0 and changed < schedule.tolerance
        if converged or update == last:
            break
        for batch in itertools.islice(batches, schedule.update_interval):
            model.train_on_batch(inputs[batch], [target[batch], inputs[batch]] if idec else target[batch])
    history = pd.DataFrame(rows, columns=["changed", "divergence"])
    return {"stages": np.stack(stages), "stage_labels": np.stack(stage_labels[1:]), "history": history, "converged": converged}


def dec_and_idec(network, audio, n_clusters, *, max_updates=15, seed=0, progress=True):
    """Returns the `DeepClusters` of audio by both methods, a dict of `dec` and `idec`, from one `pooled_network`.

    The papers have tens of thousands of points, a set of segments hundreds. So a batch has 32, each pass ends with a new
    target, and DEC has Adam too: gradient descent at 0.01 put all segments into one cluster.

    Args:
        network: by `pooled_network(..., reconstruct=True)`. Reconstructions are weighted by the inverse of the audio's power.
        audio: float32 `(segments, samples)`.
        n_clusters, max_updates, seed, progress: as for `deep_clusters` and `Schedule`.
    """
    encoder = keras.Model(network.inputs, network.outputs[0])
    power = float(np.mean(audio**2)) or 1.0
    schedule = Schedule(update_interval=-(-len(audio) // SMALL_BATCH), max_updates=max_updates, batch_size=SMALL_BATCH)
    options = {"seed": seed, "progress": progress}
    dec = deep_clusters(encoder, audio, n_clusters, schedule, **options)
    return {"dec": dec, "idec": deep_clusters(network, audio, n_clusters, schedule, reconstruction_weight=1 / power, **options)}


def pooled_network(autoencoder, inputs, *, size=SIZE, reconstruct=False):
    """Returns a trained autoencoder as a network that `deep_clusters` can train further.

    After the encoder: energy; logarithm; mean, deviation and maximum over time, as in the pooled head of
    `fmalib.models.classifiers`; a dense layer whose first weights give their principal components, at a mean square of 1.

    Args:
        autoencoder: a `fmalib.training.autoencoders.Autoencoder`. The divergence of a variational one stays part of the loss.
        inputs: segments to start from, float32 `(segments, samples)`.
        size: of the embedding, at most.
        reconstruct: whether the decoded waveforms `(batch, samples)` are a second output, for IDEC.

    Raises:
        ValueError: a latent of codewords.
    """
    if autoencoder.architecture.codewords:
        raise ValueError(f"Codewords cannot be trained further. Received: {autoencoder.name}")
    audio = keras.Input(autoencoder.model.input.shape[1:], name="audio")
    latent = autoencoder.encoder(audio, training=False)  # without the noise of a denoising one, or a variational one's samples
    x = classifiers.energy(latent, pooling.energy_frames(latent.shape[1]))
    compress = LogCompression(name="compress")
    pooled = classifiers.over_time(compress(x))
    sizes = keras.Model(audio, x).predict(inputs, batch_size=pooling.BATCH_SIZE, verbose=0)
    compress.set_weights([np.log(pooling.KNEE * sizes.std() + 1e-12)])
    values = keras.Model(audio, pooled).predict(inputs, batch_size=pooling.BATCH_SIZE, verbose=0)
    scaler = StandardScaler().fit(values)
    pca = PCA(min(size, *values.shape), svd_solver="full").fit(scaler.transform(values))
    scale = 1.0 / (float(np.sqrt(pca.explained_variance_.mean())) or 1.0)
    kernel = (pca.components_ / scaler.scale_).T * scale
    embedding = layers.Dense(kernel.shape[1], name="embedding")
    outputs = [embedding(pooled)] + ([autoencoder.decoder(latent)] if reconstruct else [])
    embedding.set_weights([kernel, -scaler.mean_ @ kernel])
    return keras.Model(audio, outputs, name="pooled_autoencoder")
