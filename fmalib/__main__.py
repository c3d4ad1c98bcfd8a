"""`python -m fmalib classify FILE`: the genre of a recording, by the classifier of notebook 03."""

import argparse
import sys

from fmalib import paths

MODEL = "outputs/03_classifier"


def main(arguments=None):
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fmalib", description="An open laboratory for music autoencoders.")
    commands = parser.add_subparsers(dest="command", required=True)
    classify = commands.add_parser("classify", help="name the genre of audio files", description=classify_files.__doc__)
    classify.add_argument("files", nargs="+", metavar="FILE", help="wav, mp3, flac or ogg")
    classify.add_argument("--model", default=MODEL, metavar="FOLDER", help="output of notebook 03 (default: %(default)s)")
    classify.add_argument("--over-time", action="store_true", help="also print the likeliest genre of each segment")
    options = parser.parse_args(arguments)
    return classify_files(options.files, options.model, options.over_time)


def classify_files(files, folder, over_time=False):
    """Prints the mean genre probabilities of each file; an unreadable file is named, and the others go on."""
    with paths.quiet_stderr():
        from fmalib.genres import predict  # imports TensorFlow
    from fmalib.data.audio import AudioError

    try:
        classifier = predict.load(folder)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    failed = 0
    for file in files:
        try:
            signal = predict.read_recording(file, classifier.sample_rate, classifier.length)
        except (OSError, AudioError) as error:
            print(f"error: {error}", file=sys.stderr)
            failed += 1
            continue
        times, probabilities = predict.over_time(classifier, signal)
        _print(file, classifier, times, probabilities, over_time)
    print(f"\n{classifier.system}, trained on {classifier.dataset}. {classifier.note}".rstrip())
    return 1 if failed else 0


def _print(file, classifier, times, probabilities, over_time):
    mean = probabilities.mean(axis=0)
    width = max(map(len, classifier.genres))
    print(f"{file}: {len(times)} segments of {classifier.length / classifier.sample_rate:.1f} s")
    for column in mean.argsort()[::-1]:
        print(f"  {classifier.genres[column]:<{width}}  {mean[column]:6.1%}  {'#' * round(30 * mean[column])}".rstrip())
    if over_time:
        for time, row in zip(times, probabilities):
            print(f"  {int(time // 60):3d}:{time % 60:04.1f}  {classifier.genres[row.argmax()]:<{width}}  {row.max():6.1%}")


if __name__ == "__main__":
    sys.exit(main())
