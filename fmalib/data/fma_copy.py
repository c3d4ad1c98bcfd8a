"""A copy of FMA on this disk: downloading it, and saying what it lacks."""

import dataclasses
import os
from pathlib import Path

from fmalib import files, paths
from fmalib.data import extract, file_facts, fma, formats, transfer
from fmalib.data.fma_archives import ARCHIVES, BAD_CLIPS, CHECKSUMS, METADATA, QUIET_CLIPS, README, SUBSETS, URL


@dataclasses.dataclass(frozen=True)
class Check:
    """What was found in a copy of an FMA subset; all paths are relative to its `data_dir`.

    Attributes:
        dataset, root: name of the subset, and its `data_dir`.
        total: number of tracks in FMA's table.
        missing: list of files that are not there, without clips that are known to be bad.
        damaged: dict from file to reason: another SHA-1 than in the archive, or no audio in it.
        known_bad: dict from file to reason, of clips that are bad in the archive itself; data sets leave them out.
        quiet: dict from file to reason, of clips near silence; they are used.
        superfluous: list of files that belong to no track.
    """

    dataset: str
    root: Path
    total: int
    missing: list
    damaged: dict
    known_bad: dict
    quiet: dict
    superfluous: list

    @property
    def is_whole(self):
        """Whether nothing is missing or damaged."""
        return not self.missing and not self.damaged

    def __str__(self):
        counts = f"{len(self.missing)} missing, {len(self.damaged)} damaged, {len(self.known_bad)} known bad"
        good = self.total - len(self.missing) - len(self.damaged) - len(self.known_bad)
        text = f"{self.dataset}: {good} of {self.total} files are good; {counts}, {len(self.superfluous)} superfluous"
        if self.is_whole:
            return text
        archive = f"the whole archive ({files.in_words(ARCHIVES[self.dataset].size)})"
        return f"{text}. Delete what is damaged; the same command without --check fetches {archive} and puts in what is missing"


def download(dataset, data_dir, *, source=URL, keep_archive=False, progress=True):
    """Returns the folder that holds an FMA subset and its metadata, downloaded and unpacked where they are not there.

    A stopped call goes on at the next one. What is missing in a folder is put in.

    Args:
        dataset: `"fma_small"`, `"fma_medium"`, `"fma_large"` or `"fma_full"`.
        data_dir: the folder; it is made.
        source: URL of the folder with the zip files, or a folder that holds them, from which they are never removed.
        keep_archive: whether downloaded zip files stay in `data_dir`.
        progress: whether to show bars.

    Raises:
        ValueError: an unknown subset or kind of URL, an archive with another SHA-1, or one that may not be unpacked.
        OSError: an archive cannot be fetched or is not there, or the disk is full or read-only.
    """
    if dataset not in SUBSETS:
        raise ValueError(f"dataset must be one of {', '.join(SUBSETS)}. Received: dataset={dataset!r}")
    remote = "://" in str(source)
    if remote and not str(source).startswith(("http://", "https://")):
        raise ValueError(f"A source is a folder or an address by http or https. Received: {source!r}")
    root = paths.resolve(data_dir)
    if _is_complete(root, METADATA) and _is_complete(root, dataset):
        return root
    files.check_room(root, _room(root, dataset, remote), f"{dataset} with its metadata")
    with files.locked(root / ".download.lock"):
        for name in (METADATA, dataset):
            if _is_complete(root, name):
                continue
            archive = _archive(root, name, source, remote, progress)
            extract.unpack(archive, root / name, progress=progress)
            if remote and not keep_archive:
                archive.unlink()
    return root


def check(dataset, data_dir, *, progress=True):
    """Returns the `Check` of a copy: each file's SHA-1 where the copy has the archive's list of them, else its audio.

    Args:
        dataset, data_dir: as for `download`.
        progress: whether to show a bar.

    Raises:
        ValueError, OSError: there is no copy, as by `datasets.load`.
    """
    root = fma.find_root(dataset, data_dir)
    table = fma.listed(root, dataset)
    known = _known_bad(dataset)
    there = {path: track_id for track_id, path in table["path"].items() if (root / path).exists()}
    wrong = {path: reason for path, reason in _reasons(root, dataset, list(there)).items() if there[path] not in known}
    allowed = {*table["path"], f"{dataset}/{CHECKSUMS}", f"{dataset}/{README}"}
    found = (Path(folder, name) for folder, _, names in os.walk(root / dataset) for name in names)
    return Check(
        dataset=dataset,
        root=root,
        total=len(table),
        missing=[path for track_id, path in table["path"].items() if path not in there and track_id not in known],
        damaged=wrong,
        known_bad={path: known[track_id] for track_id, path in table["path"].items() if track_id in known},
        quiet={path: "near silence, used" for path, track_id in there.items() if track_id in QUIET_CLIPS and known},
        superfluous=sorted({path.relative_to(root).as_posix() for path in found} - allowed),
    )


def _is_complete(root, name):
    """Returns whether the folder of an archive has all its files: of metadata the table, else all tracks of the table."""
    if not (root / METADATA / "tracks.csv").is_file():
        return False
    if name == METADATA:
        return all((root / name / path).is_file() for path in _checksums(root / name))
    tracks = fma.listed(root, name)["path"].drop(list(_known_bad(name)), errors="ignore") if (root / name).is_dir() else []
    return len(tracks) > 0 and all((root / path).is_file() for path in tracks)


def _known_bad(dataset):
    """Returns {track id: reason} of a subset's bad clips; `fma_full` has the whole tracks."""
    return {} if dataset == "fma_full" else BAD_CLIPS


def _room(root, dataset, remote):
    """Returns the bytes that a download will take beyond what is there: archives with what is in them."""
    needed = 0
    for name in (METADATA, dataset):
        if not _is_complete(root, name):
            archive = ARCHIVES[name]
            places = [root / archive.file, transfer.part_of(root / archive.file), root / name, transfer.part_of(root / name)]
            needed += max(0, archive.unpacked + remote * archive.size - sum(map(_bytes, places)))
    return needed


def _bytes(path):
    """Returns the size of a file, or of all files below a folder; 0 where there is none."""
    if path.is_file():
        return path.stat().st_size
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def _archive(root, name, source, remote, progress):
    """Returns the path of a verified archive."""
    archive = ARCHIVES[name]
    if remote:
        transfer.fetch(f"{str(source).rstrip('/')}/{archive.file}", root / archive.file, archive.sha1, progress=progress)
        return root / archive.file
    path = paths.resolve(source) / archive.file
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist. Received: source={str(source)!r}")
    transfer.verify(path, archive.sha1, path, remove=False, progress=progress)
    return path


def _checksums(folder):
    """Returns {path: SHA-1} as the archive lists its files; empty where the copy has no such list."""
    if not (folder / CHECKSUMS).is_file():
        return {}
    lines = (folder / CHECKSUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    return {path.strip(): sha1 for sha1, _, path in (line.partition("  ") for line in lines) if path}


def _reasons(root, dataset, names):
    """Returns {file: reason} of files that are not what they should be."""
    sums = {f"{dataset}/{path}": sha1 for path, sha1 in _checksums(root / dataset).items()}
    listed, others = [name for name in names if name in sums], [name for name in names if name not in sums]
    reasons = dict(zip(others, file_facts.of_files(root, others)))
    for name, sha1 in zip(listed, file_facts.sha1s(root, listed)):
        if isinstance(sha1, OSError):
            reasons[name] = formats.reason_of(sha1)
        elif sha1 != sums[name]:
            reasons[name] = "another SHA-1 than in the archive"
    return {name: reason for name, reason in reasons.items() if isinstance(reason, str)}
