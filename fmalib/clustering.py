"""Clusters of latent vectors: k-means, Gaussian mixtures, and deep embedded clustering (DEC, IDEC) as Keras models.

Deep embedded clustering goes on training an autoencoder's encoder, so that its clusters become purer: points are
assigned softly to centres, and the assignments are drawn towards a sharper version of themselves. No label is used; the
number of clusters is given. `scores` compares clusters with genres.
"""

import dataclasses
import time

import keras
import numpy as np
import pandas as pd
from keras import layers, ops

from fmalib import classifiers, probes, training
from fmalib.progress import bar

RESTARTS = 20  # of k-means and of the mixture, as in both papers
BATCH_SIZE = 256
UPDATE_INTERVAL = 140  # steps between two targets; IDEC's for MNIST
TOLERANCE = 1e-3  # share of points that change their cluster between two targets, below which it ends
GAMMA = 0.1  # weight of the clustering loss beside the reconstruction's, IDEC's
FEW = 32  # points in a batch where there are hundreds
STACK = (500, 500, 2000, 10)  # units of the autoencoder of both papers


@keras.saving.register_keras_serializable(package="fmalib")
class SoftAssignment(layers.Layer):
    """`(batch, features)` to shares of the centres, `(batch, clusters)`: Student's t (Xie et al. 2016, eq. 1)."""

    def __init__(self, n_clusters, **options):
        super().__init__(**options)
        self.n_clusters = n_clusters

    def build(self, shape):
        self.centres = self.add_weight(shape=(self.n_clusters, shape[-1]), initializer="glorot_uniform", name="centres")

    def call(self, points):
        squares = ops.sum((ops.expand_dims(points, 1) - self.centres) ** 2, axis=2)
        closeness = 1.0 / (1.0 + squares)
        return closeness / ops.sum(closeness, axis=1, keepdims=True)

    def compute_output_shape(self, shape):
        return (shape[0], self.n_clusters)

    def get_config(self):
        return {**super().get_config(), "n_clusters": self.n_clusters}


def target_distribution(assignment):
    """Returns the target of soft assignments, both `(points, clusters)`: squared, by cluster size (Xie et al. 2016, eq. 3)."""
    sharper = assignment**2 / assignment.sum(axis=0)
    return sharper / sharper.sum(axis=1, keepdims=True)


@dataclasses.dataclass(frozen=True)
class DeepClusters:
    """What deep embedded clustering found.

    Attributes:
        labels: cluster of each point, `(points,)`.
        model: from inputs to soft assignments `(batch, clusters)`, and reconstructions for IDEC.
        stages: embeddings at each update of the target, the first before any training: `(updates, points, features)`.
        history: one row an update: `changed` (share of points whose cluster is another one than at the last update),
            `divergence` (of the assignments from their target, nats).
        stage_labels: clusters at each update, `(updates, points)`.
        converged: whether the stopping rule ended it, rather than the most updates allowed.
        seconds: what it took.
    """

    labels: np.ndarray
    model: keras.Model
    stages: np.ndarray
    history: pd.DataFrame
    stage_labels: np.ndarray
    converged: bool
    seconds: float

    def __str__(self):
        ended = "converged" if self.converged else "stopped, not converged,"
        return f"{ended} after {len(self.history) - 1} updates in {self.seconds:.0f} s"


def deep_clusters(
    network, inputs, n_clusters, *, reconstruction_loss=None, reconstruction_weight=1.0, gamma=GAMMA,
    update_interval=UPDATE_INTERVAL, tolerance=TOLERANCE, max_updates=100, batch_size=BATCH_SIZE, optimizer=None, seed=0,
    progress=True,
):
    """Returns the `DeepClusters` of some inputs: DEC (Xie et al. 2016), or IDEC (Guo et al. 2017).

    Centres start where k-means puts them. Every `update_interval` steps all points are assigned anew and the target is
    computed from that; it ends when fewer than `tolerance` of the points have changed their cluster.

    Args:
        network: for DEC, model from inputs to embeddings `(batch, features)`; for IDEC, to both embeddings and
            reconstructions. It stays as it is: a copy is trained.
        inputs: array of shape `(points, ...)`.
        n_clusters: how many to look for.
        reconstruction_loss: makes it IDEC: a Keras loss of (inputs, reconstructions), kept beside the clustering loss.
        reconstruction_weight: of that loss; gamma is the weight of the other.
        gamma, update_interval, tolerance, batch_size: as published for MNIST, but for tolerance the same everywhere.
        max_updates: ends it in any case, and `converged` says so.
        optimizer: a Keras optimizer; None takes the papers': for DEC, gradient descent at 0.01 (with momentum 0.9, as in IDEC's
            own comparison); for IDEC, Adam at 1e-3.
        seed: of k-means and of the order of points.

    Raises:
        ValueError: fewer points than clusters, fewer than two clusters, or a network without the outputs that it needs.
    """
    _check_points(inputs, n_clusters)
    idec = reconstruction_loss is not None
    if len(network.outputs) != 1 + idec:
        raise ValueError(
            "DEC needs a network from inputs to embeddings; IDEC, to embeddings and reconstructions. "
            f"Received: {len(network.outputs)} outputs"
        )
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    embed = keras.Model(copy.inputs, copy.outputs[0])
    points = embed.predict(inputs, batch_size=batch_size, verbose=0)
    labels, centres = kmeans(points, n_clusters, seed=seed)
    assign = SoftAssignment(n_clusters, name="assignment")
    model = keras.Model(copy.inputs, [assign(copy.outputs[0]), *copy.outputs[1:]])
    assign.set_weights([centres])
    optimizer = optimizer or (keras.optimizers.Adam(1e-3) if idec else keras.optimizers.SGD(0.01, 0.9))
    if idec:
        model.compile(optimizer, ["kl_divergence", reconstruction_loss], loss_weights=[gamma, reconstruction_weight])
    else:
        model.compile(optimizer, "kl_divergence")
    stages, stage_labels, rows = [], [], []
    order = _batches(len(inputs), batch_size, rng)
    converged = False
    name = "IDEC" if idec else "DEC"
    for update in bar(range(max_updates + 1), total=max_updates, desc=name, unit="update", progress=progress):
        points = embed.predict(inputs, batch_size=batch_size, verbose=0)
        assignment = ops.convert_to_numpy(assign(points))
        target = target_distribution(assignment)
        last, labels = labels, assignment.argmax(axis=1)
        changed = float((labels != last).mean())
        stages.append(points)
        stage_labels.append(labels)
        rows.append((changed, float((target * np.log((target + 1e-12) / (assignment + 1e-12))).sum(axis=1).mean())))
        converged = update > 0 and changed < tolerance
        if converged or update == max_updates:
            break
        for _ in range(update_interval):
            batch = next(order)
            model.train_on_batch(inputs[batch], [target[batch], inputs[batch]] if idec else target[batch])
    history = pd.DataFrame(rows, columns=["changed", "divergence"])
    return DeepClusters(
        labels, model, np.stack(stages), history, np.stack(stage_labels), converged, time.perf_counter() - started
    )


def dec_and_idec(network, audio, n_clusters, *, max_updates=15, seed=0, progress=True):
    """Returns the `DeepClusters` of audio by both methods, a dict of `dec` and `idec`, from one `pooled_network`.

    What differs from the papers, since there are hundreds of points here and not tens of thousands: batches of 32, a new
    target after each pass, and Adam for both (gradient descent at 0.01 put all segments into one cluster). The error of
    reconstructions counts by its share of the audio's power.

    Args:
        network: by `pooled_network(..., reconstruct=True)`.
        audio: float32 `(segments, samples)`.
        n_clusters, max_updates, seed, progress: as for `deep_clusters`.
    """
    encoder = keras.Model(network.inputs, network.outputs[0])
    power = float(np.mean(audio**2)) or 1.0
    steps = -(-len(audio) // FEW)
    options = {"update_interval": steps, "batch_size": FEW, "max_updates": max_updates, "seed": seed, "progress": progress}
    dec = deep_clusters(encoder, audio, n_clusters, optimizer=keras.optimizers.Adam(1e-3), **options)
    reconstruction = {"reconstruction_loss": "mse", "reconstruction_weight": 1.0 / power}
    return {"dec": dec, "idec": deep_clusters(network, audio, n_clusters, **reconstruction, **options)}


def _batches(n_points, batch_size, rng):
    """Yields rows of batches without end; each pass in an order of its own."""
    while True:
        order = rng.permutation(n_points)
        yield from np.array_split(order, -(-n_points // batch_size))


def stacked_autoencoder(features, units=STACK):
    """Returns the fully connected autoencoder of both papers, for vectors.

    Args:
        features: of an input.
        units: of the encoder's layers; ReLU, but for the last. The decoder mirrors them.

    Returns:
        Model from `(batch, features)` to (embeddings `(batch, units[-1])`, reconstructions `(batch, features)`).
    """
    inputs = keras.Input((features,), name="vectors")
    x = inputs
    for number, size in enumerate(units):
        inner = number < len(units) - 1
        x = layers.Dense(size, activation="relu" if inner else None, name=f"encoder{number + 1}" if inner else "embedding")(x)
    embedding = x
    for number, size in enumerate(units[-2::-1]):
        x = layers.Dense(size, activation="relu", name=f"decoder{number + 1}")(x)
    return keras.Model(inputs, [embedding, layers.Dense(features, name="reconstruction")(x)], name="stacked_autoencoder")


def pretrained(vectors, *, units=STACK, epochs=150, dropout=0.2, batch_size=BATCH_SIZE, seed=0):
    """Returns a `stacked_autoencoder` trained to undo dropout on its input (Vincent et al. 2008), not layer by layer but whole.

    Args:
        vectors: float array of shape `(points, features)`; both papers scale them to a mean square of 1.
        dropout: share of an input's values that are set to 0.
    """
    training.set_seed(seed)
    network = stacked_autoencoder(vectors.shape[1], units)
    inputs = keras.Input(vectors.shape[1:])
    noisy = layers.Dropout(dropout, seed=seed)(inputs)
    autoencoder = keras.Model(inputs, network(noisy)[1])
    autoencoder.compile(keras.optimizers.Adam(1e-3), "mse")
    autoencoder.fit(vectors, vectors, batch_size=batch_size, epochs=epochs, verbose=0)
    return network


def pooled_network(autoencoder, inputs, *, size=STACK[-1], reconstruct=False):
    """Returns a trained autoencoder as a network that `deep_clusters` can go on training.

    Its encoder; energy, logarithm, and mean, deviation and maximum over time of each channel, as in the pooled head of
    `fmalib.classifiers`; then a dense layer that begins as the first principal components of these, scaled to a mean square
    of 1.

    Args:
        autoencoder: a `fmalib.autoencoders.Autoencoder` whose latent is quantities: not the sparse one. The divergence of a
            variational one stays part of the loss.
        inputs: segments to start from, float32 `(segments, samples)`.
        size: of the embedding, at most.
        reconstruct: whether the decoded waveforms `(batch, samples)` are a second output, for IDEC.
    """
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    if autoencoder.model.name == "sparse_autoencoder":
        raise ValueError("The sparse autoencoder's words cannot be trained further. Received: model='sparse'")
    audio = keras.Input(autoencoder.model.input.shape[1:], name="audio")
    latent = autoencoder.encoder(audio, training=False)  # no noise of a denoising one, no sample of a variational one
    x = classifiers.Energy(probes.energy_frames(latent.shape[1]), name="energy")(latent)
    compress = classifiers.LogCompression(name="compress")
    pooled = classifiers.OverTime(name="over_time")(compress(x))
    sizes = keras.Model(audio, x).predict(inputs, batch_size=probes.BATCH_SIZE, verbose=0)
    compress.set_weights([np.log(probes.KNEE * sizes.std() + 1e-12)])
    values = keras.Model(audio, pooled).predict(inputs, batch_size=probes.BATCH_SIZE, verbose=0)
    scaler = StandardScaler().fit(values)
    pca = PCA(min(size, *values.shape), svd_solver="full").fit(scaler.transform(values))
    scale = 1.0 / (float(np.sqrt(pca.explained_variance_.mean())) or 1.0)
    kernel = (pca.components_ / scaler.scale_).T * scale
    embedding = layers.Dense(kernel.shape[1], name="embedding")
    outputs = [embedding(pooled)] + ([autoencoder.decoder(latent)] if reconstruct else [])
    embedding.set_weights([kernel, -scaler.mean_ @ kernel])
    return keras.Model(audio, outputs, name="pooled_autoencoder")


def kmeans(points, n_clusters, *, seed=0):
    """Returns (cluster of each point `(points,)`, centres `(clusters, features)`): the best of 20 starts of k-means."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    _check_points(points, n_clusters)
    with threadpool_limits(1):  # exact from run to run, and on this few points faster
        found = KMeans(n_clusters, n_init=RESTARTS, random_state=seed).fit(points)
    return found.labels_, found.cluster_centers_


def gaussian_mixture(points, n_clusters, *, seed=0):
    """Returns each point's component, `(points,)`, in the best of 20 mixtures of Gaussians with diagonal covariances."""
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    _check_points(points, n_clusters)
    with threadpool_limits(1):
        mixture = GaussianMixture(n_clusters, covariance_type="diag", n_init=RESTARTS, reg_covar=1e-3, random_state=seed)
        return mixture.fit_predict(np.asarray(points, np.float64))


def scores(clusters, labels):
    """Returns how well clusters agree with labels.

    Args:
        clusters, labels: ints of shape `(points,)`.

    Returns:
        dict of `nmi` (normalised mutual information, arithmetic mean), `ari` (adjusted Rand index; 0 for a random
        partition) and `accuracy`, after the best one-to-one match of clusters and labels (Hungarian method; a random
        partition's is above 1 / clusters).
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
    from sklearn.metrics.cluster import contingency_matrix

    counts = contingency_matrix(labels, clusters)
    matched = counts[linear_sum_assignment(-counts)].sum()
    return {
        "nmi": float(normalized_mutual_info_score(labels, clusters)),
        "ari": float(adjusted_rand_score(labels, clusters)),
        "accuracy": float(matched / len(labels)),
    }


def _check_points(points, n_clusters):
    if not 2 <= n_clusters <= len(points):
        raise ValueError(f"n_clusters must be from 2 to the number of points. Received: {n_clusters} for {len(points)} points")
