"""Training on several devices by `tf.distribute`: all GPUs of a machine, or several machines in step.

A model that is built within `strategy().scope()` is trained by that strategy. Each batch is cut into equal parts, one a device,
and gradients are added: a training is the same on one device and on many, up to the rounding of sums. `batch_size` stays that
of the whole batch.

Several machines run the same script, each with its own number in the environment variable TF_CONFIG:

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'

They must see the decoded audio and the run folder under the same names; worker 0, the chief, is the only one that writes. If
one of them dies, the training ends; started again on all, it goes on behind the last whole epoch. Every machine reads all
segments and trains on its part of them.

Keras 3.15 does not know several workers: `fit` fails (github.com/keras-team/keras/issues/20585). `prepare` mends two places.
"""

import contextlib
import json
import os

import tensorflow as tf

from fmalib import files


def strategy():
    """Returns the strategy for this process, to be asked for before any other use of TensorFlow.

    It is `tf.distribute.MultiWorkerMirroredStrategy` where TF_CONFIG names several workers, `MirroredStrategy` where there are
    several GPUs, else the default one, of a single device.

    Raises:
        RuntimeError: by TensorFlow, where TF_CONFIG names several workers and TensorFlow has been used before.
    """
    cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
    if sum(len(cluster.get(kind, ())) for kind in ("chief", "worker")) > 1:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def is_chief(model):
    """Returns whether this process writes the files of a model's training; of a single process it does."""
    return model.distribute_strategy.extended.should_checkpoint


def by_chief(model, function=int):
    """Returns the result of a function, an integer or None (0), that only the chief calls; the other workers wait for it."""
    result = int(function() or 0) if is_chief(model) else 0
    if not _several_workers(model):
        return result

    return int(_of_first_device(model.distribute_strategy, tf.constant(result, tf.int64)))


@tf.function
def _of_first_device(by, value):
    """Returns the value that the first device of a strategy has, to all of them."""

    def mine(value):
        return tf.where(tf.equal(tf.distribute.get_replica_context().replica_id_in_sync_group, 0), value, 0)

    return by.reduce("SUM", by.run(mine, args=(value,)), axis=None)


@contextlib.contextmanager
def locked(model, lock):
    """Holds a lock as `fmalib.files.locked` does, on the chief; the other workers do not ask for it."""
    with files.locked(lock, "*") if is_chief(model) else contextlib.nullcontext():
        yield


def shared(batches):
    """Returns a `tf.data.Dataset` whose batches are cut into a part for each device of a strategy.

    TensorFlow's other way, by files, would draw other batches.
    """
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return batches.with_options(options)


def prepare(model, batches):
    """Makes `fit` of a model run on several workers; does nothing where there is one.

    Keras averages the logs of a step over an axis that scalars lack, so they get one. And it fails to build the metrics from a
    batch that is spread over workers, so they are built before.

    Args:
        model: compiled, built within the scope of its strategy.
        batches: a `tf.data.Dataset` of batches like those of the training.
    """
    if not _several_workers(model):
        return
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=next(iter(batches)))
    model._maybe_symbolic_build = lambda **_: None
    model.train_step, model.test_step = _with_axis(model.train_step), _with_axis(model.test_step)


def _with_axis(step):
    def stepped(data):
        return {name: value[tf.newaxis] for name, value in step(data).items()}

    return stepped


def _several_workers(model):
    by = model.distribute_strategy
    return isinstance(by, tf.distribute.MultiWorkerMirroredStrategy) and bool(by.cluster_resolver.cluster_spec().jobs)
