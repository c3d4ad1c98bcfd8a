"""`python -m fmalib download`: its options, and what it prints."""

from fmalib import files
from fmalib.data.fma_archives import ARCHIVES, METADATA, SUBSETS, URL


def add_parser(parsers):
    """Adds the command to argparse's subparsers."""
    text = "download the Free Music Archive (FMA), or check a copy"
    sizes = ", ".join(f"{name} {files.in_words(ARCHIVES[name].size)}" for name in SUBSETS)
    parser = parsers.add_parser(
        "download",
        help=text,
        description="Downloads FMA's metadata and one archive of audio, verifies and unpacks them. A stopped call goes on "
        f"at the next one; nothing is fetched twice. Sizes: {sizes}, metadata {files.in_words(ARCHIVES[METADATA].size)}.",
    )
    parser.add_argument("dataset", choices=SUBSETS, help="clips of 30 s; fma_full: whole tracks")
    parser.add_argument("--data-dir", default="data", metavar="FOLDER", help="where it goes, or lies (default: %(default)s)")
    parser.add_argument(
        "--from", dest="source", default=URL, metavar="SOURCE", help="URL of a mirror, or a folder that has the zip files"
    )
    parser.add_argument("--keep-archive", action="store_true", help="keep downloaded zip files beside what is in them")
    parser.add_argument("--check", action="store_true", help="only name missing, damaged, bad and superfluous files; status 1")


def run(options):
    """Returns (lines to print, exit status); errors as by `fma_copy.download` and `fma_copy.check`."""
    from fmalib.data import fma_copy  # slow: it imports pandas, which `--help` does without

    if not options.check:
        root = fma_copy.download(options.dataset, options.data_dir, source=options.source, keep_archive=options.keep_archive)
        return [f"{options.dataset} is complete in {root}; in notebooks, set data_dir to that folder"], 0
    found = fma_copy.check(options.dataset, options.data_dir)
    lines = [f"missing: {path}" for path in found.missing]
    for kind in ("damaged", "known_bad", "quiet"):
        lines += [f"{kind.replace('_', ' ')}: {path} ({reason})" for path, reason in getattr(found, kind).items()]
    return [*lines, *(f"superfluous: {path}" for path in found.superfluous), str(found)], int(not found.is_whole)
