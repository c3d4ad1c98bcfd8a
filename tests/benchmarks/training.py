"""Does fmalib train as fast as PyTorch? `python tests/benchmarks/training.py`, which needs `pip install torch`

Trains both autoencoders of the original study on one random batch, by `fit` as in `fmalib.training.runs`, and the same
networks in PyTorch in another process. First it copies the weights and checks that both outputs are the same, before and
after three steps. Then both take turns, so that other load on the machine affects both. It prints milliseconds per segment
of 65,536 samples and the ratio of the turns.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import fmalib  # noqa: F401 - before TensorFlow, whose settings it makes

SAMPLES = 65_536
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-5
EPSILON = 1e-12  # of Adam: Keras adds it before the bias correction, PyTorch after it, so a larger one is not the same
SETTINGS = {  # latent channels, segments in a batch, steps in a turn
    "frequency": (64, 8, 8),
    "time": (32, 32, 24),
}


def torch_networks():
    """Returns {name: (network, whether it works on an STFT)} in PyTorch, the study's framework, axes in its order."""
    from torch import nn

    (frequency, _, _), (timely, _, _) = SETTINGS["frequency"], SETTINGS["time"]
    return {
        "frequency": (
            nn.Sequential(
                nn.Conv2d(2, 8, 5, 2),
                nn.ReLU(),
                nn.Conv2d(8, 32, 5, 2),
                nn.ReLU(),
                nn.Conv2d(32, frequency, (62, 1)),
                nn.ConvTranspose2d(frequency, 32, (62, 1)),
                nn.ReLU(),
                nn.ConvTranspose2d(32, 8, 5, 2),
                nn.ReLU(),
                nn.ConvTranspose2d(8, 2, 5, 2),
            ),
            True,
        ),
        "time": (
            nn.Sequential(
                nn.Conv1d(1, 64, 512, 256),
                nn.ReLU(),
                nn.Conv1d(64, timely, 1),
                nn.ReLU(),
                nn.ConvTranspose1d(timely, 64, 1),
                nn.ReLU(),
                nn.ConvTranspose1d(64, 1, 512, 256),
            ),
            False,
        ),
    }


def serve_torch(folder, name, threads):
    """Answers each number of steps on standard input by their seconds, and leaves its output in `torch.npy`."""
    import torch

    torch.set_num_threads(threads)
    network, spectral = torch_networks()[name]
    weights = np.load(folder / "weights.npz")
    with torch.no_grad():
        for parameter, key in zip(network.parameters(), weights.files, strict=True):
            # PyTorch's axes are those of Keras backwards; a convolution over one axis has an axis of 1 more in it.
            parameter.copy_(torch.from_numpy(weights[key].T.copy()).reshape(parameter.shape))
    audio = torch.from_numpy(np.load(folder / "audio.npy"))
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, eps=EPSILON, weight_decay=WEIGHT_DECAY)
    window = torch.hann_window(512)

    def target():
        if not spectral:
            return audio[:, None]
        spectrum = torch.stft(audio, 512, 128, window=window, pad_mode="reflect", return_complex=True)
        return torch.view_as_real(spectrum).permute(0, 3, 1, 2).contiguous()

    def step():
        optimizer.zero_grad()
        wanted = target()
        loss = torch.nn.functional.mse_loss(network(wanted), wanted)
        loss.backward()
        optimizer.step()
        return loss

    for line in sys.stdin:
        steps, loss = int(line), None
        started = time.perf_counter()
        for _ in range(steps):
            loss = step()
        if loss is not None:
            loss.item()
        seconds = time.perf_counter() - started
        if steps < 4:  # a check, no measurement
            with torch.no_grad():
                output = network(target())
            np.save(folder / "torch.npy", (output.permute(0, 3, 2, 1) if spectral else output[:, 0]).numpy())
        print(seconds, flush=True)


def build(name):
    """Returns fmalib's autoencoder, compiled as the notebooks do."""
    import keras

    from fmalib.models import losses, original

    make, loss = {
        "frequency": (original.frequency_autoencoder, losses.SpectralLoss()),
        "time": (original.time_autoencoder, "mse"),
    }[name]
    model = make(samples=SAMPLES, latent=SETTINGS[name][0], weight_decay=WEIGHT_DECAY)
    model.compile(keras.optimizers.Adam(LEARNING_RATE, epsilon=EPSILON), loss)
    return model


def measure(name, rounds, threads):
    """Checks that both train the same network; returns the milliseconds per segment of each turn, `(rounds, 2)`."""
    import keras
    import tensorflow as tf

    from fmalib.training import runs

    runs.set_seed(0)
    _, batch, steps = SETTINGS[name]
    audio = np.random.default_rng(0).normal(0, 0.2, (batch, SAMPLES)).astype(np.float32)
    model = build(name)
    data = tf.data.Dataset.from_tensors((audio, audio)).repeat()
    turns = []

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        np.save(folder / "audio.npy", audio)
        np.savez(folder / "weights.npz", *model.get_weights())
        command = [sys.executable, __file__, "--torch", name, "--threads", str(threads), "--folder", str(folder)]
        # By default PyTorch's threads spin where they wait; beside any other work that makes them five times slower.
        environment = {"OMP_WAIT_POLICY": "passive", **os.environ}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as worker:

            def torch_steps(count):
                print(count, file=worker.stdin, flush=True)
                return float(worker.stdout.readline())

            class Turns(keras.callbacks.Callback):
                def on_epoch_begin(self, epoch, logs=None):
                    self.started = time.perf_counter()

                def on_epoch_end(self, epoch, logs=None):
                    seconds = time.perf_counter() - self.started
                    turns.append((seconds, torch_steps(steps)))

            torch_steps(0)
            same(model.predict(audio, verbose=0), np.load(folder / "torch.npy"), 1e-4)
            model.fit(data, steps_per_epoch=3, shuffle=False, verbose=0)
            torch_steps(3)
            same(model.predict(audio, verbose=0), np.load(folder / "torch.npy"), 5e-2)
            # The first turn warms up.
            model.fit(data, steps_per_epoch=steps, epochs=rounds + 1, callbacks=[Turns()], shuffle=False, verbose=0)
            worker.stdin.close()
    return np.array(turns[1:]) / (steps * batch) * 1000


def same(ours, theirs, tolerance):
    """Exits unless two outputs differ by less than a share of their size; Adam's first steps enlarge rounding errors."""
    error = np.sqrt(np.mean((ours - theirs) ** 2) / np.mean(theirs**2))
    if not error < tolerance:
        sys.exit(f"fmalib and PyTorch do not compute the same. Received: relative difference {error:.2g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="turns of each side")
    parser.add_argument("--threads", type=int, default=2, help="of each side")
    parser.add_argument("--model", choices=SETTINGS, nargs="+", default=list(SETTINGS))
    parser.add_argument("--torch", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.torch:
        return serve_torch(options.folder, options.torch, options.threads)
    if importlib.util.find_spec("torch") is None:
        sys.exit("This compares with PyTorch, which fmalib itself does not need: run `pip install torch` first.")

    import tensorflow as tf

    from fmalib.training import runs

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(options.threads)
    versions = {**runs.versions(), "torch": importlib.metadata.version("torch")}
    print(", ".join(f"{name} {versions[name]}" for name in ("tensorflow", "keras", "torch")))
    print(f"{options.threads} threads each; load of the machine before: {os.getloadavg()[0]:.1f}")
    for name in options.model:
        turns = measure(name, options.rounds, options.threads)
        latent, batch, _ = SETTINGS[name]
        print(f"{name} autoencoder, latent {latent}, batches of {batch}; median (quartiles) of {len(turns)} turns")
        for side, values in zip(("fmalib ", "PyTorch"), turns.T):
            print(
                f"  {side} {spread(values)} ms per segment, {1000 / np.median(values):.0f} segments/s; "
                f"fastest {values.min():.2f} ms"
            )
        ratio, fastest = turns[:, 1] / turns[:, 0], turns.min(axis=0)
        print(f"  fmalib trains {spread(ratio)} times as fast; {fastest[1] / fastest[0]:.2f} times by the fastest turns")


def spread(values):
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
