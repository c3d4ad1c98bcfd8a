"""Work that the fault tests disturb: `python tests/faults/jobs.py JOB FOLDER` does it, or goes on with it.

A job returns what must be the same after any disturbance, plain values. Everything it writes lies in the folder, beside the
music, which must be there. `started` appears once all imports are done.
"""

import hashlib
import importlib
import json
import os
import subprocess
import sys
import traceback
import zipfile
from pathlib import Path

import numpy as np
import soundfile

REPOSITORY = Path(__file__).resolve().parents[2]
RATE, SECONDS, LENGTH = 8000, 6.0, 4096
SILENT = {"progress": False}


def make_music(folder):
    """Writes two genres of twenty noisy tones each, ten artists a genre."""
    time = np.arange(int(RATE * SECONDS)) / RATE
    for genre, pitch in (("High", 1500), ("Low", 200)):
        for number in range(20):
            path = folder / genre / f"artist {number // 2}" / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).normal(0, 0.05, len(time))
            soundfile.write(path, 0.4 * np.sin(2 * np.pi * (pitch + 10 * number) * time) + noise, RATE)


def files_in(folder, patterns=("*",)):
    """Returns {name: SHA-256} of the files below a folder, without locks."""
    found = sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()})
    shown = [path for path in found if path.suffix != ".lock" and path.name != ".lock"]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in shown}


def _arrays(values):
    return hashlib.sha256(b"".join(np.ascontiguousarray(value).tobytes() for value in values)).hexdigest()


def corpus(folder):
    """The synthetic corpus, made by two processes."""
    from fmalib.data import synth

    return files_in(synth.make_corpus(folder / "corpus", tracks_per_genre=6, n_jobs=2, **SILENT))


def unpacking(folder):
    """An archive of the music, unpacked."""
    from fmalib import files
    from fmalib.data import extract

    archive, music = folder / "archive.zip", folder / "music"
    files.sweep(folder, archive.name)
    if not archive.exists():
        with files.atomic(archive) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_BZIP2) as file:
            for path in sorted(music.rglob("*.wav")):
                file.write(path, Path("unpacked") / path.relative_to(music))
    extract.unpack(archive, folder / "unpacked", **SILENT)
    return files_in(folder / "unpacked")


def _decoded(folder):
    from fmalib.data import audio_cache, datasets

    data = datasets.load(str(folder / "music"))
    return data, audio_cache.build(data, RATE, **SILENT)


def cache(folder):
    """Decoded audio."""
    return files_in(_decoded(folder)[1].directory, ["*.tfrecord", "*.json"])


def _autoencoder(folder, domain, latent):
    from fmalib.data import segments
    from fmalib.training import autoencoders

    data, decoded = _decoded(folder)
    (training, validation, _), _ = segments.select_splits(data, decoded, LENGTH)
    settings = {"target": "audio", "batch_size": 8, "crops_per_track": 2}
    pipeline = segments.Pipeline(decoded, training, validation, LENGTH, **settings)
    trained = autoencoders.train(domain, "study", pipeline, latent=latent, epochs=8, seed=0, **SILENT)
    history = trained.history.drop(columns="seconds").to_numpy().tolist()
    return {"history": history, "weights": _arrays(trained.network.get_weights())}


def training_frequency(folder):
    """The study's autoencoder in the frequency domain."""
    return _autoencoder(folder, "frequency", 16)


def training_time(folder):
    """The study's autoencoder in the time domain."""
    return _autoencoder(folder, "time", 4)


def _comparison(folder):
    from fmalib.genres import comparison

    epochs = {"autoencoder": 2, "frozen": 4, "finetuned": 4, "network": 1}
    settings = {"latent": 4, "epochs": epochs, "min_segments": 32, "segments_per_track": 2}
    return comparison.prepare(*_decoded(folder), **settings, **SILENT)


def finetuning(folder):
    """The study's classifier: autoencoder, head, then everything fine-tuned; kept as a file."""
    from fmalib.genres import predict, systems

    compared = _comparison(folder)
    result = systems.run("latent_finetuned", compared)
    facts = {"system": result.name, "dataset": compared.data.name, "note": ""}
    sizes = {"sample_rate": compared.cache.sample_rate, "length": compared.length}
    made = predict.Classifier(model=result.model, genres=compared.data.genres, **sizes, **facts)
    predict.save(made, folder / "classifier")
    kept = predict.load(folder / "classifier")
    return {"votes": result.votes.to_numpy().tolist(), "genres": kept.genres, "weights": _arrays(kept.model.get_weights())}


def tables(folder):
    """Features kept on disk: MFCC statistics, properties of tracks, a pooled latent."""
    from fmalib.genres import descriptors, pooling, systems
    from fmalib.training import autoencoders

    compared = _comparison(folder)
    mfcc = descriptors.mfcc_table(compared.cache, **SILENT)
    properties = descriptors.property_table(compared.cache, **SILENT)
    encoder = autoencoders.untrained("time", "study", compared.pipeline(), latent=4).encoder
    unlabelled = compared.unlabelled[0]
    latent = pooling.latent_features("untrained", encoder, compared.cache, compared.training, unlabelled, 2, **SILENT)
    accuracy = systems.run("mfcc_svm", compared).summary()["accuracy_vote"]
    return {"values": [_arrays([table]) for table in (mfcc.values, properties.to_numpy(), latent.values)], "accuracy": accuracy}


def notebook(folder):
    """A notebook, by papermill."""
    out = folder / "notebook"
    out.mkdir(exist_ok=True)
    settings = {"dataset": folder / "music", "out_dir": out, "quick": True, "domain": "time", "latent": 4, "min_segments": 32}
    options = [part for name, value in settings.items() for part in ("-p", name, str(value))]
    source = REPOSITORY / "notebooks" / "02_autoencoder.ipynb"
    command = [
        sys.executable,
        "-m",
        "papermill",
        "--log-level",
        "ERROR",
        "--no-progress-bar",
        source,
        out / "02.ipynb",
        *options,
    ]
    subprocess.run(list(map(str, command)), cwd=REPOSITORY, check=True)
    pictures = [path.name for path in sorted((out / "figures").iterdir())]
    return {"metrics": _timeless(json.loads((out / "metrics.json").read_text())), "pictures": pictures}


def _timeless(value):
    """Returns plain values without durations and paths."""
    if isinstance(value, dict):
        dropped = ("second", "out_dir", "loaded")
        return {key: _timeless(part) for key, part in value.items() if not any(word in key for word in dropped)}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


JOBS = {
    job.__name__: job for job in (corpus, unpacking, cache, training_frequency, training_time, finetuning, tables, notebook)
}


def environment(folder):
    """Returns the environment in which a job keeps everything in its folder."""
    return {**os.environ, "FMALIB_CACHE": str(folder / "cache"), "FMALIB_RUNS": str(folder / "runs")}


def preload():
    """Imports what jobs need: a fork of this process can start at once."""
    importlib.import_module("fmalib.notebook")
    importlib.import_module("fmalib.latent.representations")


def main(name, folder):
    os.environ |= environment(folder)
    if name != "notebook":
        preload()
    (folder / "started").touch()
    result = JOBS[name](folder)
    (folder / "result.json").write_text(json.dumps(result, indent=1))


def forked(name, folder):
    """Does a job in a process that was forked for it: a session of its own, with `log` for all it prints."""
    os.setsid()
    with open(folder / "log", "wb") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    try:
        main(name, folder)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)  # else joblib's idle processes are waited for


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).resolve())
