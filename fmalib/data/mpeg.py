"""MPEG audio (MP3, MP2) frame by frame: what a file holds, whatever its headers, tags and padding say.

Decoders believe a Xing frame, or guess the length from the file's size, and stop there. Here frames are counted. Layout of
frames: ISO/IEC 11172-3 and 13818-3. Of Xing, Info and VBRI frames: K. Windszus, "MPEG Audio Frame Header", 2007.
"""

import dataclasses
import functools
import re
from typing import NamedTuple

import numpy as np

SUFFIXES = (".mp3", ".mp2", ".mp1", ".mpa", ".mpga", ".m2a", ".m1a")
BLOCKS = (1 << 12, 1 << 20)  # bytes that are searched for frames at once: the first of a row, the next ones
HEAD = 56  # bytes of a frame that are looked at: its header, and a Xing, Info or VBRI mark with its numbers
CONFIRMED = 3  # headers in a row make a place behind junk the beginning of a frame
DECODER_DELAY = 529  # samples that mpg123 drops at the beginning behind an Info frame
CANDIDATES = 1 << 18  # places behind junk that are tried in one file: a hostile one may hold thousands a kilobyte
_MARKS = np.frombuffer(b"XingInfoVBRI", ">u4")
_FIELDS = {1: 4, 2: 4, 4: 100, 8: 4}  # sizes in bytes of the fields of a Xing or Info frame, by flag
_SYNC_OR_TAG = re.compile(rb"\xff[\xe2-\xff][\x10-\xef]|ID3[\x02-\x04]|APETAGEX", re.DOTALL)
NOT_ZERO = re.compile(rb"[^\0]")
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8000)}  # of MPEG 1, 2 and 2.5
# fmt: off
_KBPS = {  # by (MPEG 1, layer), from index 1 on
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
# fmt: on


class Frame(NamedTuple):
    """Facts of a frame by its header: `length` in bytes, `samples`, `rate` in Hz, `layer`, and `side` information in bytes."""

    length: int
    samples: int
    rate: int
    layer: int
    side: int

    @property
    def format(self):
        """What all frames of a run share: samples, rate, layer and number of channels."""
        return self[1:]


@dataclasses.dataclass
class Run:
    """Consecutive frames of one format, as one encoder wrote them.

    Attributes:
        frame: facts of its first frame, see `Frame`.
        first: that frame's four header bytes.
        info: (start, stop) of a Xing or Info frame before them, which holds no audio; None where there is none.
        claimed: number of frames by that frame, or by a VBRI frame; None where none says.
        frames: number of whole frames with audio.
        ranges: their (start, stop) in bytes; neighbours are joined.
        cut: whether an incomplete frame follows.
        delay, padding: samples by the Info frame that an encoder added before and behind the music.
        junk: bytes of the file that are neither frames nor tags nor zeros, of all runs together; kept at the last one.
        plain: whether decoders find exactly these frames by themselves: the only ones, behind at most one tag, without a gap.
    """

    frame: Frame
    first: bytes
    info: tuple | None = None
    claimed: int | None = None
    frames: int = 0
    ranges: list = dataclasses.field(default_factory=list)
    cut: bool = False
    delay: int = 0
    padding: int = 0
    junk: int = 0
    plain: bool = False

    @property
    def seconds(self):
        """Duration of the frames, less the samples that decoders drop because of an Info frame."""
        return self._duration(self.frames, by_info=self.keeps_info)

    @property
    def promised(self):
        """Duration by its Xing, Info or VBRI frame; None where there is none."""
        frames = self.frames if self.info_is_true else self.claimed
        return self._duration(frames, by_info=self.info is not None) if self.claimed else None

    def _duration(self, frames, by_info):
        dropped = 0
        if by_info:
            counted_itself = max(0, self.claimed - frames) * self.frame.samples
            dropped = DECODER_DELAY + self.delay + max(0, self.padding - DECODER_DELAY - counted_itself)
        return max(0, frames * self.frame.samples - dropped) / self.frame.rate

    @property
    def info_is_true(self):
        """Whether the Xing or Info frame counts the frames right; some encoders count that frame too."""
        return self.info is not None and self.claimed in (self.frames, self.frames + 1)

    @property
    def keeps_info(self):
        """Whether decoders get the Info frame; in other than plain files, one without delay and padding would cost music."""
        return self.info_is_true and (self.plain or self.delay + self.padding > 0)

    @property
    def truncated(self):
        """Whether the file stops before its audio does: in the middle of a frame, and 5 % before the promised number."""
        return self.cut and 0.95 * (self.claimed or 0) > self.frames

    def pieces(self):
        """Returns the run for `excerpts.Excerpt`, with an Info frame that counts its frames right.

        Decoders drop DECODER_DELAY samples behind an Info frame, and as much of the music's end would stay in them. A silent
        frame at the end brings it out. At the beginning, its bytes would pass for those that a cut file lacks.
        """
        if self.keeps_info or self.frame.layer != 3:
            return [*([self.info] if self.keeps_info else []), *self.ranges]
        heads = [bytes([0xFF, self.first[1] | 1, index << 4 | self.first[2] & 0x0C, self.first[3]]) for index in range(1, 15)]
        silent = heads[0].ljust(parse(heads[0]).length, b"\0")
        head = next(head for head in heads if parse(head).length >= 4 + self.frame.side + 120)
        length = parse(head).length
        size = length + sum(stop - start for start, stop in self.ranges) + len(silent)
        numbers = b"".join(value.to_bytes(4, "big") for value in (3, self.frames + 1, size))
        extension = b"fmalib".ljust(21, b"\0") + self.frame.samples.to_bytes(3, "big")  # delay 0, padding of a frame
        info = head + bytes(self.frame.side) + b"Info" + numbers + extension
        return [info.ljust(length, b"\0"), *self.ranges, silent]


@functools.cache
def _parse(second, third, mono):
    version, layer, rate, index = second >> 3 & 3, 4 - (second >> 1 & 3), third >> 2 & 3, third >> 4
    if second < 0xE0 or version == 1 or layer == 4 or rate == 3 or index in (0, 15):
        return None
    rate, first = _RATES[version][rate], version == 3
    bits = 1000 * _KBPS[first, layer][index - 1]
    samples = 384 if layer == 1 else 1152 if layer == 2 or first else 576
    unit = 4 if layer == 1 else 1  # bytes of a slot
    length = (samples // 8 // unit * bits // rate + (third >> 1 & 1)) * unit
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return Frame(length, samples, rate, layer, side)


def parse(head):
    """Returns the `Frame` that begins with some bytes, or None. Free format, which has no length, is no frame here."""
    return _parse(head[1], head[2], head[3] >= 0xC0) if len(head) >= 4 and head[0] == 0xFF else None


def runs(data):
    """Returns the runs of a file, a list of `Run`; `data` is an `excerpts.Bytes`.

    Tags, pictures, padding and junk are passed over. A Xing, Info or VBRI frame begins a run, as in joined files, and so does
    a change of format.
    """
    data.size = end_of_audio(data)
    found, position, in_sync, candidates, junk = [], 0, None, 0, 0
    while position < data.size and candidates < CANDIDATES:
        head = data.at(position, HEAD)
        frame = parse(head)
        if frame is None or (frame.format != in_sync and not _confirmed(data, position, frame)):
            following = _next_candidate(data, position, head)
            junk += following - position if any(head[:4]) and not _is_tag(head) else 0
            in_sync, candidates, position = None, candidates + 1, following
            continue
        claimed = _claimed_frames(head, frame)
        if claimed is not None or not found or found[-1].frame.format != frame.format:
            found.append(Run(frame, head[:4]))
        _add(found[-1], frame, position, data, claimed)
        in_sync, position = frame.format, _follow(found[-1], frame, position + frame.length, data)
    found = [run for run in found if run.frames]
    if found:
        run, found[-1].junk = found[0], junk
        ranges = [(run.info[1], run.ranges[-1][1])] if run.info_is_true and len(found) == 1 else None
        run.plain = run.ranges == ranges and run.info[0] == id3_end(data, 0)
    return found


def _add(run, frame, position, data, claimed):
    """Adds a frame, which may be incomplete or a Xing, Info or VBRI frame, to its run."""
    stop = position + frame.length
    if stop > data.size:
        run.cut = True
    elif claimed is not None:
        run.claimed = claimed or None
        if (trimmed := _trimmed(data.at(position, frame.length), frame)) is not None:
            run.info, (run.delay, run.padding) = (position, stop), trimmed
    else:
        run.frames += 1
        if run.ranges and run.ranges[-1][1] == position:
            run.ranges[-1] = (run.ranges[-1][0], stop)
        else:
            run.ranges.append((position, stop))


def _follow(run, frame, position, data):
    """Adds the frames from a position on that are like a run's, up to one that may be of another kind; returns its position.

    `runs` would do the same, more slowly.
    """
    block, lengths = data.at(position, BLOCKS[0]), {}
    first, second, third = _places_of_marks(frame)
    while True:
        count, offset = _at_once(block, frame) if len(block) > BLOCKS[0] else (0, 0)
        last = len(block) - HEAD
        while offset < last:
            head = block[offset : offset + 4]
            length = lengths.get(head)
            if length is None:
                found = parse(head)
                lengths[head] = length = found.length if found is not None and found.format == frame.format else BLOCKS[-1] + 1
            marked = block[offset + first] in b"XI" or block[offset + second] in b"XI" or block[offset + third] in b"V"
            if offset + length > len(block) or (marked and _claimed_frames(block[offset : offset + HEAD], frame) is not None):
                break
            offset, count = offset + length, count + 1
        if not count:
            break
        run.frames += count
        if run.ranges and run.ranges[-1][1] == position:
            run.ranges[-1] = (run.ranges[-1][0], position + offset)
        else:
            run.ranges.append((position, position + offset))
        position += offset
        block = data.at(position, BLOCKS[-1])
    return position


def _at_once(block, frame):
    """Returns (number, bytes) of whole frames of audio that begin a block, as far as they have one bitrate.

    By such a bitrate, the k-th frame begins at k exact lengths, rounded down, or a byte further: some have a byte of padding.
    `_follow` finds the same frames one by one.
    """
    found = parse(block[:4])
    if found is None or found.format != frame.format or found.layer == 1:
        return 0, 0
    bits = 125 * found.samples * _KBPS[block[1] >> 3 & 3 == 3, found.layer][(block[2] >> 4) - 1]  # of a frame, times its rate
    places = np.arange((len(block) - HEAD) * found.rate // bits) * bits // found.rate
    words = np.ndarray(len(block) - 3, ">u4", block, strides=(1,))  # four bytes from each place on
    mono = block[3] >= 0xC0
    fixed = 0xFFFEFCC0 if mono else 0xFFFEFC00  # bits that are the same in all; those of a checksum and of padding are not
    places += words[places] & fixed != words[0] & fixed
    heads = words[places]
    ends = places + (heads >> 9 & 1) + (found.length - (block[2] >> 1 & 1))
    whole = (heads & fixed == words[0] & fixed) & (ends <= len(block))
    whole[1:] &= ends[:-1] == places[1:]
    if not mono:
        whole &= heads & 0xC0 != 0xC0
    marked = words[places + np.array(_places_of_marks(frame))[:, None]] == _MARKS[:, None, None]
    if marked.any():
        whole &= ~marked.any(axis=(0, 1))
    count = len(whole) if whole.all() else int(whole.argmin())
    return count, int(ends[count - 1]) if count else 0


def _places_of_marks(frame):
    """Returns where in a frame the mark of Xing or Info may be, without a checksum and behind one, and that of VBRI."""
    return 4 + frame.side, 6 + frame.side, 36


def _claimed_frames(head, frame):
    """Returns the number of frames by a Xing, Info or VBRI frame, 0 where it has none; None for a frame of audio."""
    if frame.layer != 3:
        return None
    *places, vbri = _places_of_marks(frame)
    for place in places:
        if head[place : place + 4] in (b"Xing", b"Info"):
            return int.from_bytes(head[place + 8 : place + 12], "big") if head[place + 7] & 1 else 0
    return int.from_bytes(head[vbri + 14 : vbri + 18], "big") if head[vbri : vbri + 4] == b"VBRI" else None


def _trimmed(head, frame):
    """Returns samples (delay, padding) by a Xing or Info frame; None where it is a VBRI frame, or mpg123 takes it for audio."""
    mark = 4 + frame.side
    if head[mark : mark + 4] not in (b"Xing", b"Info") or len(head) < mark + 120 or any(head[6:mark]):
        return None
    place = mark + 8 + sum(size for flag, size in _FIELDS.items() if head[mark + 7] & flag)  # of LAME's extension
    extended = len(head) >= place + 24 and head[place] > 0  # the encoder's name comes first
    number = int.from_bytes(head[place + 21 : place + 24], "big") if extended else 0
    return number >> 12, number & 0xFFF


def _confirmed(data, position, frame):
    """Returns whether frames of one format follow each other from a position on, up to CONFIRMED or the end."""
    for _ in range(CONFIRMED - 1):
        position += frame.length
        head = data.at(position, 8)
        following = parse(head)
        if following is None or following.format != frame.format:
            return position == data.size or _is_tag(head)
        frame = following
    return True


def _next_candidate(data, position, head):
    """Returns the next place that may begin a frame: behind a tag, else at a sync word or at a tag."""
    end = id3_end(data, position) if head[:3] == b"ID3" else _ape_end(data, position) if head[:8] == b"APETAGEX" else position
    if end > position:
        place = data.search(NOT_ZERO, end)  # padding
        head = data.at(place, HEAD)
        if place == data.size or parse(head) or _is_tag(head):
            return place
    return data.search(_SYNC_OR_TAG, position + 1)  # the size of the tag is wrong: it may cover music


def _is_tag(head):
    return head[:3] in (b"ID3", b"TAG") or head[:8] == b"APETAGEX"


def id3_end(data, position):
    """Returns the end of an ID3v2 tag, or `position` where there is no whole tag."""
    head = data.at(position, 10)
    if len(head) < 10 or head[:3] != b"ID3" or max(head[6:10]) > 127:
        return position
    end = position + 10 + _synchsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)  # with a footer
    return end if end <= data.size else position


def _ape_end(data, position):
    """Returns the end of an APE tag that begins with its header, or `position`."""
    head = data.at(position, 32)
    end = position + 32 + int.from_bytes(head[12:16], "little")
    return end if len(head) == 32 and head[23] & 0x20 and end <= data.size else position


def end_of_audio(data):
    """Returns the position before the tags at the end of a file: ID3v1 with its extension, Lyrics3, APE, ID3v2."""
    end, before = data.size, None
    while end != before:
        before, tail = end, data.at(max(0, end - 227), min(end, 227))
        ape, lyrics, id3 = (tail[-size:] if len(tail) >= size else b"" for size in (32, 15, 10))
        if tail[-128:-125] == b"TAG":
            end -= 128
        elif tail[-227:-223] == b"TAG+":
            end -= 227
        elif ape[:8] == b"APETAGEX":
            end -= int.from_bytes(ape[12:16], "little") + (32 if ape[23] & 0x80 else 0)
        elif lyrics[6:] == b"LYRICS200" and lyrics[:6].isdigit():
            end -= 15 + int(lyrics[:6])
        elif id3[:3] == b"3DI" and max(id3[6:]) < 128:
            end -= 20 + _synchsafe(id3[6:])
        end = end if end >= 0 else before  # a wrong size
    return end


def _synchsafe(data):
    """Returns an integer of seven bits a byte."""
    return functools.reduce(lambda total, byte: total << 7 | byte, data, 0)
