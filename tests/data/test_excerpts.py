import errno
import io
import os
import re

import numpy as np
import pytest
from helpers import mp3, tone

from fmalib.data import audio, excerpts
from fmalib.data.containers import SoundFile
from fmalib.data.excerpts import BLOCK, Bytes, Excerpt, for_decoder, give_back

CONTENT = bytes(range(100))
in_memory = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="excerpts are copied on Linux only")


@pytest.fixture
def path(tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    return tmp_path / "a.bin"


def test_bytes_by_position_end_at_both_ends():
    data = Bytes(io.BytesIO(CONTENT))
    assert data.size == 100 and data.at(10, 3) == b"\n\x0b\x0c" and data.at(98, 5) == b"bc"
    assert data.at(-1, 5) == data.at(100, 5) == b""
    data.size = 50
    assert data.at(48, 5) == b"01" and data.at(50, 1) == b""


@pytest.mark.parametrize("place", [0, BLOCK - 2, BLOCK, 3 * BLOCK + 5])
def test_search_finds_a_pattern_across_blocks(place):
    data = Bytes(io.BytesIO(bytes(place) + b"mark" + bytes(99)))
    assert data.search(re.compile(b"mark"), 0) == place
    assert data.search(re.compile(b"mark"), place + 1) == data.size == place + 103


def test_an_excerpt_reads_and_seeks_like_the_same_bytes_in_a_file(path):
    pieces = [(90, 100), b"", b"between", (5, 5), (0, 20)]
    whole = CONTENT[90:] + b"between" + CONTENT[:20]
    with Excerpt(path, pieces) as excerpt, io.BytesIO(whole) as file:
        assert len(excerpt) == len(whole) and excerpt.readable() and excerpt.seekable()
        for offset, whence, length in [(0, 0, 100), (8, 0, 12), (-5, 2, 9), (3, 1, 1), (40, 0, 1), (-30, 2, 3), (2, 1, 30)]:
            assert excerpt.seek(offset, whence) == file.seek(offset, whence)
            assert excerpt.read(length)[:1] == file.read(length)[:1]
            file.seek(excerpt.tell())
        excerpt.seek(0)
        assert excerpt.readall() == whole
        assert excerpt.seek(-999, io.SEEK_CUR) == 0


def test_an_empty_excerpt_and_a_closed_one(path):
    excerpt = Excerpt(path, [])
    assert len(excerpt) == 0 and excerpt.read() == b""
    excerpt.close()
    assert excerpt.closed and excerpt._file.closed


def test_a_file_that_became_shorter_ends_early(path):
    with Excerpt(path, [(0, 200), b"end"]) as excerpt:
        excerpt.seek(95)
        assert excerpt.read(50) == CONTENT[95:] and excerpt.read(50) == b""


@pytest.fixture
def none_free(monkeypatch):
    monkeypatch.setattr(excerpts, "_FREE", [])
    yield excerpts._FREE
    for _, number in excerpts._FREE:
        os.close(number)


@in_memory
@pytest.mark.parametrize("failing", [None, errno.EINVAL, errno.EIO])
def test_an_excerpt_is_copied_where_the_file_system_does_it(path, monkeypatch, none_free, failing):
    pieces, opened = [(90, 100), b"between", (0, 20)], []

    def fails(*arguments):
        raise OSError(failing, os.strerror(failing))

    make = os.memfd_create
    monkeypatch.setattr(os, "memfd_create", lambda name: opened.append(make(name)) or opened[-1])
    if failing:
        monkeypatch.setattr(os, "sendfile", fails)
    if failing == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"):
            for_decoder(path, pieces)
    else:
        found = for_decoder(path, pieces)
        assert isinstance(found, io.BufferedReader if failing else int)
        with found if failing else open(found, "rb") as file:
            assert file.read() == CONTENT[90:] + b"between" + CONTENT[:20]
    with pytest.raises(OSError, match="Bad file descriptor"):  # none is left open
        os.fstat(opened[0])


def content(number):
    return os.pread(number, 1 << 23, 0)


@in_memory
def test_a_file_in_memory_is_used_again_and_holds_the_new_excerpt_alone(path, none_free):
    first = for_decoder(path, [(0, 100), bytes(excerpts.KEPT)])
    other = for_decoder(path, [(0, 3)])
    assert first != other and none_free == []
    give_back(first, os.getpid())
    assert none_free == [(os.getpid(), first)] and os.fstat(first).st_size == excerpts.KEPT
    again = for_decoder(path, [(50, 60), b"end"])
    assert again == first and content(again) == CONTENT[50:60] + b"end" and content(other) == CONTENT[:3]
    assert os.lseek(again, 0, os.SEEK_CUR) == 0
    give_back(again, os.getpid())
    path.write_bytes(CONTENT[:20])  # it became shorter: nothing of the last excerpt may stand behind
    assert content(for_decoder(path, [(10, 99)])) == CONTENT[10:20]
    give_back(first, os.getpid())
    give_back(other, os.getpid())


@in_memory
def test_a_child_process_never_writes_into_its_parents_files(path, monkeypatch, none_free):
    free, used = (for_decoder(path, [(0, length)]) for length in (10, 20))
    kept = [os.dup(free), os.dup(used)]  # as the parent has them
    give_back(free, os.getpid())
    monkeypatch.setattr(os, "getpid", lambda: 1)
    give_back(used, 2)
    mine = for_decoder(path, [(90, 100)])
    assert content(mine) == CONTENT[90:] and [len(content(number)) for number in kept] == [10, 20] and none_free == []
    for number in (mine, *kept):
        os.close(number)


@in_memory
def test_a_sound_file_gives_its_excerpt_back_once_whether_it_can_be_read_or_not(path, tmp_path, none_free):
    with pytest.raises(audio.soundfile.LibsndfileError):
        SoundFile(for_decoder(path, [(0, 100)]))
    ((_, number),) = none_free
    (tmp_path / "a.mp3").write_bytes(mp3(tone(440, 1, 44_100)))
    with SoundFile(for_decoder(tmp_path / "a.mp3", [(0, 5000)])) as file:
        assert none_free == [] and file.buffer_read_into(np.empty(100, np.float32), "float32") == 100
    file.close()
    assert none_free == [(os.getpid(), number)]
    for _ in range(3):
        audio.decode(tmp_path / "a.mp3", 8000)
    assert none_free == [(os.getpid(), number)]
