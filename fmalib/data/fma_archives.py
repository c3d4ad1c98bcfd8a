"""The archives of the Free Music Archive: where they lie, their sizes and checksums, and clips that are known to be bad.

M. Defferrard, K. Benzi, P. Vandergheynst, X. Bresson, "FMA: A Dataset for Music Analysis", ISMIR 2017. Metadata CC BY 4.0;
every track has its artist's own licence.
"""

import dataclasses

URL = "https://os.unil.cloud.switch.ch/fma/"
CHECKSUMS = "checksums"  # file in the folder of an archive: a line `SHA-1  000/000002.mp3` for each of its files
README = "README.txt"


@dataclasses.dataclass(frozen=True)
class Archive:
    """A zip file, compressed with bzip2, that holds one folder.

    Attributes:
        file: name below `URL`.
        sha1: of the file, hexadecimal.
        size: of the file in bytes, rounded.
        unpacked: bytes of its folder, an estimate; MP3s do not shrink in an archive.
    """

    file: str
    sha1: str
    size: int
    unpacked: int


def _archive(name, sha1, size, unpacked=None):
    """Returns an `Archive`; sizes are in GiB."""
    return Archive(f"{name}.zip", sha1, int(size * 2**30), int((unpacked or size) * 2**30))


ARCHIVES = {  # by the folder that they hold
    "fma_metadata": _archive("fma_metadata", "f0df49ffe5f2a6008d7dc83c6915b31835dfe733", 0.334, 1.5),
    "fma_small": _archive("fma_small", "ade154f733639d52e35e32f5593efe5be76c6d70", 7.2),
    "fma_medium": _archive("fma_medium", "c67b69ea232021025fca9231fc1c7c1a063ab50b", 22),
    "fma_large": _archive("fma_large", "497109f4dd721066b5ce5e5f250ec604dc78939e", 93),
    "fma_full": _archive("fma_full", "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab", 879),
}
METADATA = "fma_metadata"
SUBSETS = tuple(name for name in ARCHIVES if name != METADATA)
BAD_CLIPS = {  # left out by name; not of fma_full, which has the whole tracks
    98565: "1.6 s long",
    98567: "0.5 s long",
    98569: "1.5 s long",
    99134: "no audio",
    108925: "no audio",
    133297: "no audio",
}
QUIET_CLIPS = (72059, 110736, 119979)  # near silence, but used
