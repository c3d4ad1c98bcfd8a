"""The command `fmalib`, also `python -m fmalib`: genres, coded audio, FMA, tables of runs, the report.

Exit status: 0; 1 where a file or a notebook failed; 2 for wrong arguments, or nothing to work with; 130 after Ctrl-C; 141 where
the reader of a pipe has gone. An error is one line on standard error; `--traceback` shows where it was raised.
"""

import argparse
import contextvars
import json
import os
import sys
import textwrap
import traceback

import fmalib
from fmalib import paths
from fmalib.codec import commands as codec_commands
from fmalib.data import commands as data_commands
from fmalib.report import commands as report_commands

MODEL = "outputs/03_classifier"
NO_MODEL, INTERRUPTED, BROKEN_PIPE = 2, 130, 141  # exit statuses; 2 is of wrong arguments too; shells report the last two
DOCUMENT = ("system", "trained_on", "note", "genres", "segment_seconds")  # about the classifier, in the JSON document
EXAMPLES = {  # of each command, a list of arguments
    "classify": ("song.mp3", "album/ --over-time", "album/ --json"),
    "runs": ("outputs", "outputs/sweep --systems --csv systems.csv"),
    "pretrain": ("music/ patches.npz --seed 1",),
    "encode": ("song.mp3 song.fma --kbps 16", "*.flac --folder coded --profile waveform", "- - --kbps 8 < in.wav > out.fma"),
    "decode": ("song.fma song.wav", "song.fma part.flac --from 1:00 --to 1:30", "broken.fma song.wav --keep-going"),
    "info": ("song.fma",),
    "verify": ("coded/*.fma",),
    "download": ("fma_small --data-dir data", "fma_small --data-dir data --check"),
    "report": ("", "01_data 02_autoencoder -p quick true", "-p dataset fma_small -p data_dir /data"),
}
RESUMED = ("download", "pretrain", "report")  # commands that go on where they were stopped
_traceback = contextvars.ContextVar("traceback", default=False)  # whether errors show where they were raised


def main(arguments=None):
    """Runs the command line; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # of names that the terminal cannot show
    whole = parser()
    options = whole.parse_args(arguments)
    if not options.command:
        whole.print_help(sys.stderr)
        return NO_MODEL
    _traceback.set(options.traceback)
    try:
        status = COMMANDS[options.command](options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        if options.command in RESUMED:
            print("stopped; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has enough; what is still buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:  # a full disk, mostly
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        say(f"the output cannot be written: {_reason(error)}", error)
        return 1
    except Exception as error:  # a fault of ours
        say(f"{type(error).__name__}: {_reason(error)} (--traceback shows where)", error)
        return 1


def parser():
    """Returns the parser of all commands; each has examples and `--traceback`."""
    epilog = "Each command has examples: fmalib encode --help"
    whole = argparse.ArgumentParser(prog="fmalib", description="An open laboratory for music autoencoders.", epilog=epilog)
    whole.add_argument("--version", action="version", version=f"fmalib {fmalib.__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    classify = commands.add_parser("classify", help="name the genre of audio files", description=classify_files.__doc__)
    classify.add_argument("files", nargs="+", metavar="FILE", help="audio file, or folder whose audio files are all taken")
    classify.add_argument("--model", default=MODEL, metavar="FOLDER", help="output of notebook 03 (default: %(default)s)")
    classify.add_argument("--over-time", action="store_true", help="also print the likeliest genre of each segment")
    classify.add_argument("--json", action="store_true", help="print one JSON document instead")
    table = commands.add_parser("runs", help="gather the results of many runs", description=list_runs.__doc__)
    table.add_argument("folder", nargs="?", default="outputs", metavar="FOLDER", help="default: %(default)s")
    table.add_argument("--systems", action="store_true", help="a row for each system of notebook 03")
    table.add_argument("--csv", metavar="FILE", help="write all columns as comma-separated values")
    table.add_argument("--html", metavar="FILE", help="write all columns as a page")
    pretrain = commands.add_parser("pretrain", help="train the autoencoder of patches", description=pretrain_files.__doc__)
    pretrain.add_argument("music", metavar="MUSIC", help="folder of sound files, or text file with a path a line")
    pretrain.add_argument("weights", metavar="FILE", help="npz file to write")
    pretrain.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    codec_commands.add_parsers(commands)
    data_commands.add_parser(commands)
    report_commands.add_parser(commands)
    for name, each in commands.choices.items():
        each.formatter_class = argparse.RawDescriptionHelpFormatter
        each.description = textwrap.fill(each.description, 100)
        each.epilog = "\n".join(["examples:", *(f"  fmalib {name} {example}".rstrip() for example in EXAMPLES[name])])
        each.add_argument("--traceback", action="store_true", help="show where an error was raised")
    return whole


def say(text, error=None):
    """Prints an error as one line on standard error; behind it, where `--traceback` asks for it, where it was raised."""
    print(f"error: {text}", file=sys.stderr)
    if error is not None and _traceback.get():
        traceback.print_exception(error, file=sys.stderr)


def classify_files(files, folder, *, over_time=False, as_json=False):
    """Prints the mean genre probabilities of each file; a file that cannot be read is named, and the others go on."""
    from fmalib.genres import predict  # slow: it imports TensorFlow, which `--help` does without

    document = dict.fromkeys(DOCUMENT) | {"recordings": [], "errors": []}
    try:
        classifier = predict.load(folder)
    except (OSError, ValueError) as error:
        say(error, error)
        if as_json:
            document["errors"].append({"file": paths.printable(folder), "reason": str(error)})
            print(json.dumps(document, indent=2))
        return NO_MODEL
    seconds = classifier.length / classifier.sample_rate
    values = (classifier.system, classifier.dataset, classifier.note, list(classifier.genres), seconds)
    document |= dict(zip(DOCUMENT, values))
    for file, found in _classified(predict, classifier, files, over_time):
        if isinstance(found, Exception):
            document["errors"].append({"file": file, "reason": _reason(found)})
            say(f"{_on_one_line(file)}: {_reason(found)}", found)
            continue
        document["recordings"].append(found)
        for note in found["notes"]:
            print(f"note: {_on_one_line(file)}: {note}", file=sys.stderr)
        if not as_json:
            _print(found, seconds)
    if as_json:
        print(json.dumps(document, indent=2, allow_nan=False))
    elif document["recordings"]:
        print(f"\n{classifier.system}, trained on {classifier.dataset}. {classifier.note}".rstrip())
    return 1 if document["errors"] else 0


def list_runs(folder, *, systems=False, csv=None, html=None):
    """Prints a table of each metrics.json below a folder; a file that is no result is named, and the others go on."""
    from fmalib import files, runs

    try:
        found, left_out = runs.find(folder)
        if not (found or left_out):
            raise ValueError(f"There is no metrics.json below this folder. Received: folder={paths.printable(folder)!r}")
    except ValueError as error:
        say(error, error)
        return NO_MODEL
    for file, reason in left_out.items():
        say(f"{_on_one_line(file)}: {reason}")
    table = (runs.by_system if systems else runs.by_run)(found)
    for name, write in ((csv, lambda: table.to_csv(index=False)), (html, lambda: runs.as_html(table))):
        if name:
            with files.atomic(name) as temporary:
                temporary.write_text(write(), encoding="utf-8", errors="backslashreplace")
    if len(table):
        print(*map(_on_one_line, [*runs.as_text(table).splitlines(), *runs.notes(found)]), sep="\n")
    return 1 if left_out else 0


def pretrain_files(music, weights, seed=0):
    """Trains the autoencoder of patches on sound files without genres and writes its weights, as those of the package."""
    from fmalib.data import formats
    from fmalib.models import patch_autoencoder
    from fmalib.training import patch_training, runs

    try:
        patches = patch_training.of_files(formats.sound_files(music), seed=seed)
        runs.set_seed(seed)
        network = patch_autoencoder.patch_autoencoder(components=patches.training.shape[1])
        run = patch_training.train(network, patches, seed=seed)
    except ValueError as error:  # no sound file that lasts a second
        say(error, error)
        return NO_MODEL
    patch_training.save(weights, run.model, patches.whitening, patches.sample_rate)
    print(f"{run}\n{paths.printable(weights)}: of {patches.hours:.2f} h of music")
    return 0


def code_files(options):
    """Runs a command of the codec; a file that cannot be used is named, and the others go on."""
    status, out = 0, sys.stderr if codec_commands.PIPE in options.files[1:] else sys.stdout  # data goes to standard output
    try:
        for file, found in codec_commands.run(options):
            name = _on_one_line(paths.printable(file))
            if isinstance(found, Exception):
                status = 1
                say(f"{name}: {_reason(found)}", found)
                continue
            for line in found:
                print(f"{name}: {line}" if options.command != "info" or len(options.files) > 1 else line, file=out)
    except ValueError as error:
        say(error, error)
        return NO_MODEL
    return status


def download_files(options):
    """Downloads a data set, or checks a copy; status 1 where that fails, or something is missing or damaged."""
    try:
        lines, status = data_commands.run(options)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:
        file = getattr(error, "filename", None)
        say(f"{_on_one_line(paths.printable(file)) + ': ' if file else ''}{_reason(error)}", error)
        return 1
    for line in lines:
        print(_on_one_line(paths.printable(line)))
    return status


def make_report(options):
    """Makes the report; status 1 where a notebook failed, 2 for wrong arguments."""
    try:
        return report_commands.run(options)
    except ValueError as error:
        say(_reason(error), error)
        return NO_MODEL


def _classified(predict, classifier, names, over_time):
    """Yields (file, `predict.classify` of it or the exception) of files, and of all audio files in folders."""
    for name in names:
        try:
            found, failed = predict.recordings(name)
        except Exception as error:
            found, failed = [], {name: error}
        for path, error in failed.items():
            yield paths.printable(path), error
        for path in found:
            try:
                result = predict.classify(classifier, path, each_segment=over_time)
            except Exception as error:  # decoders raise many kinds; no file may stop the others
                result = error
            yield paths.printable(path), result


def _reason(error):
    """Returns an exception as one line without the file's name."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    return " ".join(str(error).split()) or type(error).__name__


def _on_one_line(name):
    """Returns a name with control characters as backslash escapes: a file cannot write lines of its own."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)


def _print(found, seconds):
    shares = found["probabilities"]
    width = max(map(len, shares))
    print(f"{_on_one_line(found['file'])}: {found['segments']} segments of {seconds:.1f} s")
    for genre, share in shares.items():
        print(f"  {genre:<{width}}  {share:6.1%}  {'#' * round(30 * share)}".rstrip())
    for row in found.get("over_time", []):
        minutes, rest = divmod(row["seconds"], 60)
        print(f"  {int(minutes):3d}:{rest:04.1f}  {row['genre']:<{width}}  {row['probability']:6.1%}")


COMMANDS = {
    "classify": lambda options: classify_files(options.files, options.model, over_time=options.over_time, as_json=options.json),
    "runs": lambda options: list_runs(options.folder, systems=options.systems, csv=options.csv, html=options.html),
    "pretrain": lambda options: pretrain_files(options.music, options.weights, options.seed),
    "download": download_files,
    "report": make_report,
} | dict.fromkeys(codec_commands.COMMANDS, code_files)


if __name__ == "__main__":
    sys.exit(main())
