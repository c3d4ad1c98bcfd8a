import json
import os
import socket
import subprocess
import sys
import threading

import keras
import numpy as np
import pandas as pd
import pytest

from fmalib.data import audio_cache, datasets, segments
from fmalib.training import autoencoders

TRAIN = """
import os, sys
import tensorflow as tf
from fmalib.training import autoencoders, callbacks, distribution
if os.environ.get("TWO_DEVICES"):
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, 2 * [tf.config.LogicalDeviceConfiguration()])
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
else:
    strategy = distribution.strategy()
from fmalib.data import audio_cache, datasets, segments

music, cache, folder, stop_in = sys.argv[1:]
data = datasets.load(music)
decoded = audio_cache.build(data, 8000, cache_dir=cache, progress=False)
train, validation = (segments.select(data, decoded, split, 2048)[0] for split in ("training", "validation"))
pipeline = segments.Pipeline(decoded, train, validation, 2048, target="audio", batch_size=8, crops_per_track=2)
back_up = callbacks.Backup.on_epoch_end

def stop(self, epoch, logs=None):
    if epoch == int(stop_in):
        os._exit(9)
    back_up(self, epoch, logs)

callbacks.Backup.on_epoch_end = stop
options = {"latent": 4, "epochs": 4, "seed": 0, "runs_dir": folder, "progress": False, "strategy": strategy}
ours = autoencoders.train("time", "study", pipeline, **options)
print(strategy.num_replicas_in_sync, ours.description, float(ours.network.count_params()))
"""


@pytest.fixture
def trained(genre_folder, tmp_path):
    """The autoencoder that this process alone has trained on the two-genre folder."""
    data = datasets.load(str(genre_folder))
    decoded = audio_cache.build(data, 8000, cache_dir=tmp_path / "cache", progress=False)
    train, validation = (segments.select(data, decoded, split, 2048)[0] for split in ("training", "validation"))
    pipeline = segments.Pipeline(decoded, train, validation, 2048, target="audio", batch_size=8, crops_per_track=2)
    options = {"latent": 4, "epochs": 4, "seed": 0, "progress": False, "runs_dir": tmp_path / "alone"}
    return autoencoders.train("time", "study", pipeline, **options)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for found in sockets:
        found.bind(("127.0.0.1", 0))
    ports = [found.getsockname()[1] for found in sockets]
    for found in sockets:
        found.close()
    return ports


def start(arguments, **environment):
    """Starts a training process; its output is text."""
    hidden = {"CUDA_VISIBLE_DEVICES": "-1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    command, pipes = (
        [sys.executable, "-c", TRAIN, *map(str, arguments)],
        {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT},
    )
    return subprocess.Popen(command, env={**os.environ, **hidden, **environment}, text=True, **pipes)


def by_two(*arguments):
    """Trains by two workers on loopback; returns [(exit status, output)]."""
    cluster, found = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}, {}

    def wait(number):
        configuration = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": number}})
        process = start(arguments, TF_CONFIG=configuration)
        try:
            output = process.communicate(timeout=200)[0]
        finally:
            process.kill()
        found[number] = process.returncode, output

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found[0], found[1]


def check_same(history, trained):
    """Compares the losses and weights in a run folder, by its history, with those of another training."""
    assert history.parent.name == trained.run
    columns = ["epoch", "loss", "val_loss"]
    np.testing.assert_allclose(pd.read_csv(history)[columns], trained.history[columns], rtol=1e-4)
    kept = keras.models.load_model(history.parent / "model.keras")
    for ours, theirs in zip(kept.get_weights(), trained.network.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("stop_in", [-1, 2])
def test_two_devices_of_a_process_train_as_one_does(trained, genre_folder, tmp_path, stop_in):
    arguments = [genre_folder, tmp_path / "cache", tmp_path / "two"]
    if stop_in >= 0:
        process = start([*arguments, stop_in], TWO_DEVICES="1")
        assert process.communicate(timeout=200)[0] is not None and process.returncode == 9
    process = start([*arguments, -1], TWO_DEVICES="1")
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 0 and "\n2 " in f"\n{output}" and " trained: 4 epochs" in output, output
    (history,) = (tmp_path / "two").rglob("history.csv")
    check_same(history, trained)


@pytest.mark.slow
def test_two_workers_train_as_one_process_does_and_resume(trained, genre_folder, tmp_path):
    arguments = [genre_folder, tmp_path / "cache", tmp_path / "two"]
    for status, output in by_two(*arguments, 2):  # the chief dies in its third epoch, behind the log and before the backup
        assert status != 0, output
    (history,) = (tmp_path / "two").rglob("history.csv")
    assert len(pd.read_csv(history)) == 3 and not (history.parent / "model.keras").exists()
    for status, output in by_two(*arguments, -1):
        assert status == 0 and "\n2 " in f"\n{output}" and " trained: 4 epochs" in output, output
    assert sorted(file.name for file in history.parent.iterdir()) == [".lock", "history.csv", "model.keras", "run.json"]
    check_same(history, trained)
    for status, output in by_two(*arguments, -1):
        assert status == 0 and " found: 4 epochs" in output, output
