"""Does a test notice each leak? `python tests/benchmarks/mutants.py [--only NAME ...] [--workers 2]`

Each mutant breaks one line that guards against a leak, in a copy of the checkout, and its tests must fail there. The run prints
the test that killed it. The exit status is 1 if a mutant survives. All of them take about a quarter of an hour on two cores.
"""

import argparse
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent.parent
GUARDS, CODECS = "tests/test_leaks.py::test_", "tests/codec/test_classical.py::test_"
SYSTEM = f"{GUARDS}nothing_that_a_system_fits_depends_on_test_tracks"
AUTOENCODER = f"{GUARDS}no_autoencoder_depends_on_test_tracks"
REPRESENTATION = f"{GUARDS}no_representation_of_other_tracks_depends_on_test_tracks"
READS = f"{GUARDS}each_split_reads_its_own_tracks"
FOUND = f"{GUARDS}a_run_is_found_for_the_same_weights_audio_tracks_and_labels_only"
FEATURES = f"{GUARDS}features_of_a_latent_are_found_for_the_same_encoder_and_training_tracks_only"
DIVIDED = f"{GUARDS}no_split_and_no_fold_divides_an_artist"
PERMUTED = f"{GUARDS}a_permuted_control_has_permuted_validation_and_training_labels"


class Mutant(NamedTuple):
    """A line that guards against a leak, and the line without the guard.

    Attributes:
        name, file, leak: of the mutant, of the module, and what would be wrong.
        old, new: text that occurs once in the file, and what takes its place.
        tests: names of tests, as for pytest, of which one must fail.
    """

    name: str
    file: str
    leak: str
    old: str
    new: str
    tests: tuple


# fmt: off
MUTANTS = (
    # What is fitted, and on which tracks.
    Mutant("temperature on test", "fmalib/genres/results.py", "calibration is fitted on what it is measured on",
           "evaluation.fit_temperature(self.validation_probabilities[validated], labels)",
           'evaluation.fit_temperature(self.probabilities[tested], self.rows["label"].to_numpy()[tested])',
           (f"{GUARDS}the_temperature_is_fitted_on_the_validation_of_its_own_fold",)),
    Mutant("temperature of all folds", "fmalib/genres/results.py", "validation tracks of a fold are tested in another",
           "validated = (_fold_of(self.validation_rows) == fold).to_numpy()",
           "validated = np.full(len(self.validation_rows), True)",
           (f"{GUARDS}the_temperature_is_fitted_on_the_validation_of_its_own_fold",)),
    Mutant("mel PCA on test", "fmalib/genres/systems.py", "a control is fitted on test audio",
           "comparison.cache, comparison.unlabelled[0], **sizes", "comparison.cache, comparison.test, **sizes",
           (f"{SYSTEM}[mel_pca]",)),
    Mutant("standardised on all", "fmalib/training/autoencoders.py", "autoencoders know the level of test audio",
           "audio_cache.standardisation(pipeline.cache, pipeline.training.index)",
           "audio_cache.standardisation(pipeline.cache, pipeline.cache.tracks.index)", (f"{AUTOENCODER}[time-study]",)),
    Mutant("PCA autoencoder on all", "fmalib/training/autoencoders.py", "components are fitted on test audio",
           "architecture.solve(network, pipeline.cache, pipeline.training.index)",
           "architecture.solve(network, pipeline.cache, pipeline.cache.tracks.index)", (f"{AUTOENCODER}[frequency-pca]",)),
    Mutant("map whitening on all", "fmalib/latent/representations.py", "maps are whitened on test audio",
           'unlabelled = tracks[tracks["split"] == "training"]', "unlabelled = tracks", (f"{REPRESENTATION}[untrained]",)),
    Mutant("probe whitening on all", "fmalib/genres/systems.py", "probes are whitened on test audio",
           "encoder, cache, tracks, training, per_track", "encoder, cache, tracks, tracks, per_track",
           (f"{GUARDS}nothing_that_a_fold_fits_depends_on_the_tracks_that_it_tests[random_encoder-0]",)),
    Mutant("majority of all", "fmalib/genres/systems.py", "the weakest control knows test labels",
           'labels, n_genres = comparison.training["label"], len(comparison.data.genres)',
           'labels, n_genres = pd.concat([comparison.training, comparison.test])["label"], len(comparison.data.genres)',
           (f"{SYSTEM}[majority]",)),
    Mutant("map scaled on all", "fmalib/latent/maps.py", "a supervised map is standardised on test points",
           "StandardScaler().fit(fitted)", "StandardScaler().fit(np.concatenate([fitted, values]))",
           (f"{GUARDS}a_supervised_map_places_a_point_whatever_else_it_shows",)),
    Mutant("map components on all", "fmalib/latent/maps.py", "a supervised map has principal components of test points",
           'fitted.shape[1])), svd_solver="full").fit(fitted)',
           'fitted.shape[1])), svd_solver="full").fit(np.concatenate([fitted, values]))',
           (f"{GUARDS}a_supervised_map_places_a_point_whatever_else_it_shows",)),
    # What is selected, and on which tracks.
    Mutant("probe selected on test", "fmalib/genres/systems.py", "settings are selected on test",
           "for split in SPLITS[:2]}", "for split in SPLITS[::2]}", (f"{SYSTEM}[mfcc_svm]",)),
    Mutant("probe selected on training", "fmalib/genres/probes.py", "the section that overfits is selected",
           "(probe.predict(held_out).argmax(axis=1) == held_out_labels)", "(probe.predict(features).argmax(axis=1) == labels)",
           (f"{GUARDS}a_probe_is_selected_on_validation_alone",)),
    Mutant("last training on test", "fmalib/genres/comparison.py", "a fold's network from scratch trains on test",
           "known = pd.concat([self.training, self.validation])", "known = pd.concat([self.training, self.test])",
           ("tests/genres/test_comparison.py::test_training_on_validation_too_takes_its_labels_and_no_test_track",)),
    Mutant("networks selected on test", "fmalib/genres/comparison.py", "the best epoch is selected on test",
           "segments.Pipeline(self.cache, self.training, self.validation,",
           "segments.Pipeline(self.cache, self.training, self.test,", (READS,)),
    Mutant("autoencoders selected on test", "fmalib/genres/comparison.py", "the best epoch is selected on test",
           "training, validation = self.unlabelled\n", "training, validation = self.unlabelled[0], self.test\n",
           (READS, f"{AUTOENCODER}[time-study]")),
    Mutant("held out is training", "fmalib/data/segments.py", "the best epoch is selected on training",
           "fixed_segments(self.cache, self.validation,", "fixed_segments(self.cache, self.training,", (READS,)),
    Mutant("validation is test", "fmalib/genres/systems.py", "temperature is fitted on test",
           'predict("validation"), "validation_rows": rows("validation")', 'predict("test"), "validation_rows": rows("test")',
           (f"{SYSTEM}[majority]", f"{SYSTEM}[mfcc_svm]")),
    # Which tracks a split holds.
    Mutant("unlabelled with test", "fmalib/genres/comparison.py", "autoencoders train on test audio",
           '"unlabelled": (training, validation)', '"unlabelled": (pd.concat([training, test]), validation)', (READS,)),
    Mutant("select reads all splits", "fmalib/data/segments.py", "every split holds all tracks",
           'wanted = dataset.tracks[dataset.tracks["split"] == split]', "wanted = dataset.tracks", (READS,)),
    Mutant("crops of a whole shard", "fmalib/data/segments.py", "training reads all that its shards hold",
           'tf.where(label >= 0', 'tf.where(label >= -1',
           (f"{GUARDS}crops_are_of_the_tracks_asked_for_whatever_else_their_shards_hold",)),
    Mutant("artist in two splits", "fmalib/data/splits.py", "artists are recognised, not genres",
           'return [moved.get(artist, "training") for artist in tracks["artist"]]',
           'return [moved.get(artist, "training") if n % 3 else "training" for n, artist in enumerate(tracks["artist"])]',
           (DIVIDED,)),
    Mutant("folds by track", "fmalib/data/splits.py", "artists are recognised, not genres",
           'dealer.split(tracks, tracks["genre"], tracks["artist"])',
           'dealer.split(tracks, tracks["genre"], np.arange(len(tracks)))',
           (DIVIDED,)),
    Mutant("artists not checked", "fmalib/data/splits.py", "a leaky table is taken without a word",
           "    if leaking:", "    if False:", ("tests/data/test_splits.py::test_an_artist_in_two_splits_is_named",)),
    Mutant("official split not checked", "fmalib/data/datasets.py", "a leaky table is taken without a word",
           "    else:\n        assert_artists_disjoint(tracks)\n", "",
           ("tests/data/test_datasets.py::test_an_artist_in_two_splits_of_the_official_split_is_an_error",)),
    Mutant("leaky split not named", "fmalib/data/datasets.py", "results of random70 have no caveat",
           'if split == "random70":\n        yield', 'if split == "random":\n        yield',
           (f"{GUARDS}a_split_that_divides_artists_says_so_in_its_folds_too",)),
    Mutant("copies are kept", "fmalib/data/genre_folder.py", "one recording is in training and test",
           'for number, first in _copies(root, {number: row["path"] for number, row in rows.items()}).items():',
           "for number, first in {}.items():",
           ("tests/data/test_genre_folder.py::test_of_files_with_the_same_bytes_the_first_is_kept",)),
    Mutant("artists by spelling", "fmalib/data/genre_folder.py", "two spellings of an artist are in two splits",
           'artists = tags.unify(tracks["tags"].tolist())', 'artists = [found.artist for found, _ in tracks["tags"]]',
           ("tests/data/test_genre_folder.py::test_one_artist_in_many_spellings_and_words_for_nobody",)),
    # Controls and measures.
    Mutant("control with true validation labels", "fmalib/genres/comparison.py", "the control is selected with true labels",
           "dataclasses.replace(self, training=training, validation=validation)",
           "dataclasses.replace(self, training=training)", (PERMUTED,)),
    Mutant("control with true training labels", "fmalib/genres/comparison.py", "the control learns",
           "dataclasses.replace(self, training=training, validation=validation)",
           "dataclasses.replace(self, validation=validation)", (PERMUTED,)),
    Mutant("labels not permuted", "fmalib/genres/evaluation.py", "the control learns",
           "label=np.random.default_rng(seed).permutation(tracks[\"label\"].to_numpy())", "label=tracks[\"label\"].to_numpy()",
           (PERMUTED,)),
    Mutant("compared by position", "fmalib/genres/evaluation.py", "differences of unlike tracks",
           "(first, second.loc[first.index])", "(first, second)",
           (f"{GUARDS}systems_are_compared_track_by_track_whatever_their_order",)),
    Mutant("tested twice", "fmalib/genres/results.py", "a track counts in two folds",
           "if tested.duplicated().any():", "if False:",
           ("tests/genres/test_results.py::test_a_single_fold_is_itself_and_no_track_is_tested_twice",)),
    Mutant("neighbours of the same artist", "fmalib/latent/maps.py", "maps are measured by artists, not by genres",
           "distance[artists[part, None] == artists] = np.inf",
           "distance[np.arange(len(points))[part, None] == np.arange(len(points))] = np.inf",
           ("tests/latent/test_maps.py::test_neighbours_of_the_same_artist_do_not_count",)),
    # What is found again.
    Mutant("features without training tracks", "fmalib/genres/pooling.py", "whitening of another split is found",
           "(list(tracks.index), list(unlabelled.index))", "(list(tracks.index), [])", (FEATURES,)),
    Mutant("features without the encoder", "fmalib/genres/pooling.py", "features of another encoder are found",
           "made_by = content.network(encoder), content.code(*DECISIVE)", "made_by = (content.code(*DECISIVE),)", (FEATURES,)),
    Mutant("features without weights", "fmalib/content.py", "features of another training are found",
           "parts = [_nameless(json.loads(model.to_json())), *map(np.array, model.weights)]",
           "parts = [_nameless(json.loads(model.to_json()))]", (FEATURES,)),
    Mutant("features without layers", "fmalib/content.py", "features of other layers with these weights are found",
           "parts = [_nameless(json.loads(model.to_json())), *map(np.array, model.weights)]",
           "parts = list(map(np.array, model.weights))", (FEATURES,)),
    Mutant("run without initial weights", "fmalib/content.py", "the run of another seed or encoder is found",
           "return key(network(model), *map(np.array, model.optimizer.variables), model.loss)",
           "return key(_nameless(json.loads(model.to_json())), *map(np.array, model.optimizer.variables), model.loss)",
           (FOUND,)),
    Mutant("run without audio", "fmalib/data/segments.py", "the run of other audio is found",
           '{cache.key}\\n{rows}', "{rows}", (FOUND,)),
    Mutant("run without labels", "fmalib/data/segments.py", "the control finds the run of true labels",
           '"{track_id}:{label}\\n"', '"{track_id}\\n"', (FOUND,)),
    Mutant("run without validation", "fmalib/data/segments.py", "a run selected on other tracks is found",
           '            "validation": fingerprint(self.cache, self.validation),\n', "", (FOUND,)),
    Mutant("run without constants", "fmalib/content.py", "the run of another loss is found",
           "constants = {name: value for name, value in vars(module).items() if name.isupper()}", "constants = {}",
           ("tests/test_content.py::test_every_constant_of_the_library_counts",)),
    Mutant("shards by split", "fmalib/data/audio_cache.py", "results depend on the split that was opened first",
           "ids = tracks.index.to_series()", 'ids = tracks.sort_values("split").index.to_series()',
           ("tests/data/test_audio_cache.py::test_the_split_that_is_opened_first_changes_nothing",)),
    # Intervals, and the codecs beside ours.
    Mutant("artists counted as tracks", "fmalib/intervals.py", "intervals are too narrow",
           '"artist": np.asarray(artists)})', '"artist": np.arange(len(values))})',
           ("tests/genres/test_evaluation.py::test_tracks_of_one_artist_widen_the_interval",)),
    Mutant("genres permuted over tracks", "fmalib/latent/variance.py", "a genre that means nothing is a finding",
           'blocks = pd.factorize(artists + "\\n" + column)[0]', "blocks = np.arange(len(table))",
           ("tests/latent/test_variance.py::test_a_meaningless_genre_over_strong_artists_is_no_finding",)),
    Mutant("MP3 scaled by 0.9", "fmalib/codec/classical.py", "MP3's gain counts as its error",
           "return _decode(encoded, np.asarray(audio), sample_rate, gain), len(encoded)",
           "return np.float32(0.9) * _decode(encoded, np.asarray(audio), sample_rate, gain), len(encoded)",
           (f"{CODECS}no_codec_changes_the_amplitude",)),
    Mutant("Opus scaled by 0.9", "fmalib/codec/classical.py", "a gain of Opus counts as its error",
           "return _decode(file, np.asarray(audio), sample_rate), len(file)",
           "return np.float32(0.9) * _decode(file, np.asarray(audio), sample_rate), len(file)",
           (f"{CODECS}no_codec_changes_the_amplitude",)),
)
# fmt: on


def copy_checkout(folder):
    """Copies the files that git tracks or would track into a folder, and returns it."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (REPOSITORY / name).is_file():  # a deleted file stays in git's index until its commit
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)
    return folder


def python(copy, *arguments):
    """Runs Python in a copy; returns the exit status and all that it printed. A mutant may have the size and time of a pyc."""
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=copy, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


def run_tests(copy, tests):
    """Returns the first test that failed in a copy, None if all passed; SystemExit where pytest could not run them."""
    status, log = python(copy, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests)
    if status not in (0, 1):
        sys.exit(f"pytest ended with status {status} on {' '.join(tests)}:\n{log[-3000:]}")
    return re.search(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", log, re.MULTILINE)[1] if status else None


def mutate(copy, mutant):
    """Returns (killing test or None, seconds) of a mutant, and puts its file back."""
    path, started = copy / mutant.file, time.perf_counter()
    source = path.read_text(encoding="utf-8")
    path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        killer = run_tests(copy, mutant.tests)
    finally:
        path.write_text(source, encoding="utf-8")
    return killer, time.perf_counter() - started


def check(copy, mutants):
    """Exits unless the copy is what is imported, each mutant's text occurs once, and the tests pass without a mutant."""
    imported = Path(python(copy, "-c", "import fmalib; print(fmalib.__file__)")[1].strip())
    if not imported.is_relative_to(copy):
        sys.exit(f"The copy must be imported, not an installed fmalib. Received: {imported}")
    for mutant in mutants:
        count = (copy / mutant.file).read_text(encoding="utf-8").count(mutant.old)
        if count != 1:
            sys.exit(f"{mutant.name}: its old text must occur once in {mutant.file}. Received: {count} times {mutant.old!r}")
    if red := run_tests(copy, sorted({test for mutant in mutants for test in mutant.tests})):
        sys.exit(f"Tests must pass without a mutant. Received: {red} failed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [mutant.name for mutant in MUTANTS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help="mutants to run; default all")
    parser.add_argument("--workers", type=int, default=1, help="tests at a time, each in a copy of its own")
    options = parser.parse_args()
    mutants = [mutant for mutant in MUTANTS if mutant.name in options.only]
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(options.workers) as threads:
        copies = queue.SimpleQueue()
        for number in range(options.workers):
            copies.put(copy_checkout(Path(temporary).resolve() / str(number)))
        first = copies.get()
        check(first, mutants)
        copies.put(first)

        def run(mutant):
            copy = copies.get()
            killer, seconds = mutate(copy, mutant)
            copies.put(copy)
            verdict = "killed  " if killer else "SURVIVED"
            print(f"{verdict} {seconds:4.0f} s  {mutant.name}: {killer or mutant.leak}", flush=True)
            return killer

        survived = list(threads.map(run, mutants)).count(None)
    print(f"{len(mutants)} mutants, {survived} survived")
    sys.exit(min(survived, 1))


if __name__ == "__main__":
    main()
