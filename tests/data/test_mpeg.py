import functools
import io
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
import soundfile
from helpers import ape_tag, id3, info_frame, mp3, mp3_frames, mp3_header, tone, vbri_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fmalib.data import audio, mpeg
from fmalib.data.excerpts import Bytes

KBPS = {8000: (8, 24, 64), 11_025: (8, 32), 12_000: (16, 64), 16_000: (8, 160), 22_050: (16, 56), 24_000: (24, 80)}
KBPS |= {32_000: (32, 128), 44_100: (32, 64, 128, 320), 48_000: (32, 96, 320)}
TRUE = ("Xing", "Info", "LAME", "VBRI")
CLAIMS = {"half": 0.5, "double": 2, "zero": 0, "half LAME": 0.5, "half VBRI": 0.5}  # times the true number
FALSE_SYNC = bytes.fromhex("fffb9000 fff30440 ffe31844 fffffb90") * 50
ID3V1 = b"TAG" + b"a title".ljust(125, b"\0")
LYRICS3 = b"LYRICSBEGININD00002" + b"10" + b"000021LYRICS200"
ID3V2_END = b"ID3\4\0\x10\0\0\0\x0b" + bytes(11) + b"3DI\4\0\x10\0\0\0\x0b"
TAGS = [ape_tag(b"a" * 30), ape_tag(header=False), LYRICS3, ID3V1, ID3V2_END]


@functools.cache
def encoded(rate, channels, kbps):
    """Returns the frames of a second of a tone."""
    return mp3_frames(mp3(np.stack([tone(300, 1, rate)] * channels, axis=1), rate, kbps))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mpeg")


def runs(data):
    return mpeg.runs(Bytes(io.BytesIO(data)))


@pytest.mark.parametrize(
    "head, frame",
    [  # length, samples, rate, layer, bytes of side information
        ("fffb9044", (417, 1152, 44_100, 3, 32)),  # MPEG 1, 128 kbit/s, joint stereo
        ("fffb92c4", (418, 1152, 44_100, 3, 17)),  # mono, padded
        ("fffa9044", (417, 1152, 44_100, 3, 32)),  # with a checksum
        ("fff34064", (104, 576, 22_050, 3, 17)),  # MPEG 2, 32 kbit/s
        ("ffe348c4", (288, 576, 8000, 3, 9)),  # MPEG 2.5, 32 kbit/s
        ("fffdc404", (768, 1152, 48_000, 2, 32)),  # layer II, 256 kbit/s
        ("ffff9000", (312, 384, 44_100, 1, 32)),  # layer I, 288 kbit/s, in slots of four bytes
    ],
)
def test_parse_of_a_header(head, frame):
    assert mpeg.parse(bytes.fromhex(head)) == frame


@pytest.mark.parametrize("head", ["fffb00c4", "fffbf0c4", "fffb9cc4", "ffeb90c4", "fff990c4", "ffdb90c4", "fefb90c4", "fffb90"])
def test_no_header(head):  # free format, bad bitrate, bad rate, reserved version, reserved layer, no sync word, too short
    assert mpeg.parse(bytes.fromhex(head)) is None


def test_facts_of_a_run():
    frames = encoded(44_100, 1, 64)
    info, tag = info_frame(frames[0], len(frames), delay=576, padding=1000), id3(b"picture", padding=99)
    data = tag + info + b"".join(frames) + ID3V1
    (run,) = runs(data)
    start, end = len(tag) + len(info), len(data) - 128
    assert (run.frames, run.claimed, run.delay, run.padding, run.cut) == (len(frames), len(frames), 576, 1000, False)
    assert run.info == (len(tag), start) and run.ranges == [(start, end)] and run.plain and run.info_is_true
    assert run.pieces() == [run.info, (start, end)]
    assert run.seconds == run.promised == (len(frames) * 1152 - 1576) / 44_100


def test_runs_begin_at_a_change_of_format_and_at_an_info_frame():
    mono, stereo = encoded(44_100, 1, 64), encoded(44_100, 2, 64)
    data = b"".join([*mono, *stereo[:9], info_frame(stereo[0], 5), *stereo[:10], stereo[10][:50]])
    found = runs(data)
    assert [(run.frames, run.claimed, run.cut) for run in found] == [(len(mono), None, False), (9, None, False), (10, 5, True)]
    assert not any(run.plain or run.keeps_info or run.truncated for run in found)
    assert found[2].promised == (5 * 1152 - mpeg.DECODER_DELAY) / 44_100


@pytest.mark.parametrize("count, truncated", [(25, True), (20, False), (10, False), (None, False)])
def test_truncated_is_a_cut_file_with_fewer_frames_than_its_header_says(count, truncated):
    frames = encoded(44_100, 1, 64)
    first = b"" if count is None else info_frame(frames[0], count)
    (run,) = runs(first + b"".join(frames[:19]) + frames[19][:60])
    assert run.cut and run.frames == 19 and run.truncated == truncated


def test_an_info_frame_of_our_own_makes_decoders_give_every_sample(folder):
    for rate, channels, kbps in [(8000, 1, 24), (22_050, 2, 56), (44_100, 2, 128)]:
        frames = encoded(rate, channels, kbps)[:-4]
        (folder / "plain.mp3").write_bytes(b"".join(frames))
        decoded, plain = audio.decode(folder / "plain.mp3", rate), soundfile.read(folder / "plain.mp3", always_2d=True)[0]
        assert len(decoded) == len(frames) * mp3_header(frames[0])[1]
        delay = mpeg.DECODER_DELAY
        np.testing.assert_allclose(decoded[:-delay], audio.to_int16(plain.mean(axis=1))[delay:], atol=1)
        assert np.abs(decoded[-delay:]).max() > 1000  # the end of the music, which stays in other decoders


def test_a_file_that_is_cut_at_its_start_begins_with_silence(folder):
    """Frames refer to bytes of earlier ones, which are not there: no other bytes may pass for them."""
    frames = encoded(44_100, 2, 128)
    for start in range(1, 20):
        (folder / "cut.mp3").write_bytes(b"".join(frames[start:]))
        decoded, plain = audio.decode(folder / "cut.mp3", 44_100), soundfile.read(folder / "cut.mp3", always_2d=True)[0]
        length, expected = len(plain) - mpeg.DECODER_DELAY, audio.to_int16(plain.mean(axis=1))[mpeg.DECODER_DELAY :]
        np.testing.assert_allclose(decoded[:length], expected, atol=1)


def test_an_info_frame_that_mpg123_takes_for_music_is_not_relied_on():
    frames = encoded(44_100, 2, 128)
    info = bytearray(info_frame(frames[0], len(frames), delay=576, padding=1000))
    info[20] = 1  # side information that is not empty
    (run,) = runs(bytes(info) + b"".join(frames))
    assert run.info is None and run.claimed == run.frames == len(frames) and not run.plain


def test_a_single_frame_that_decoders_refuse_has_no_duration(folder):
    head = bytes([0xFF, 0xFF, 0x90, 0])  # MPEG 1, layer I
    path = folder / "one.mp3"
    path.write_bytes(head.ljust(mpeg.parse(head).length, b"\0"))
    for read in (audio.duration, audio.channels_of, lambda path: audio.decode(path, 8000)):
        with pytest.raises(audio.AudioError, match="not readable as audio"):
            read(path)


def test_end_of_audio_steps_over_tags_of_every_kind_and_order():
    tags = ID3V1 + LYRICS3 + ape_tag(b"a" * 9) + ape_tag(b"a" * 9, header=False) + ID3V2_END + b"TAG+" + bytes(223) + ID3V1
    assert mpeg.end_of_audio(Bytes(io.BytesIO(bytes(500) + tags))) == 500
    too_large = b"APETAGEX\xd0\x07\0\0\xff\xff\0\0" + bytes(16)
    assert mpeg.end_of_audio(Bytes(io.BytesIO(bytes(500) + too_large))) == 532


@pytest.mark.parametrize("junk", [b"\xff\xfb\x90\xc4", b"ID3\3\0\0\0\0\0\0", b"APETAGEX", b"\xff"])
def test_junk_that_looks_like_frames_or_tags_ends_soon(junk):
    begin = time.monotonic()
    assert runs(junk * (1_000_000 // len(junk))) == []
    assert time.monotonic() - begin < 10


@functools.cache
def longer(rate, channels, kbps):
    """Returns the frames of four seconds of noise, many more bytes than are looked at first."""
    return mp3_frames(mp3(np.random.default_rng(0).normal(0, 0.1, (4 * rate, channels)), rate, kbps))


def changed(frames, kind):
    """Returns frames joined to a file in whose middle something lies, or is another way."""
    middle = len(frames) // 2
    frames, between = list(frames), b""
    head = frames[middle]
    if kind in ("Info", "Xing"):
        between = info_frame(head, 9, mark=kind.encode())
    elif kind == "VBRI":
        between = vbri_frame(head, 9)
    elif kind == "junk":
        between = b"\xff\xfbjunk"
    elif kind == "another bitrate":
        other = bytes([*head[:2], head[2] - 0x10, head[3]])
        between = other.ljust(mp3_header(other)[0], b"\0")
    elif kind == "mono":
        frames[middle] = bytes([*head[:3], head[3] | 0xC0]) + head[4:]
    elif kind == "checksum":
        frames[middle] = bytes([head[0], head[1] ^ 1]) + head[2:]
    elif kind == "damaged":
        frames[middle] = b"\xfe" + head[1:]
    elif kind == "one byte less":
        frames[middle] = head[:-1]
    elif kind == "padded":  # by its header, not in truth
        frames[middle] = bytes([*head[:2], head[2] ^ 2]) + head[3:]
    elif kind == "cut":
        frames[-1] = frames[-1][:-1]
    return b"".join([*frames[:middle], between, *frames[middle:]])


KINDS = ("", "Info", "Xing", "VBRI", "junk", "another bitrate", "mono", "checksum", "damaged", "one byte less", "padded", "cut")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rate, channels, kbps", [(44_100, 2, 128), (48_000, 2, 320), (22_050, 1, 56), (44_100, 1, 40)])
def test_frames_of_one_bitrate_are_found_at_once_as_one_by_one(monkeypatch, rate, channels, kbps, kind):
    data, found = changed(longer(rate, channels, kbps), kind), []
    at_once = mpeg._at_once
    monkeypatch.setattr(mpeg, "_at_once", lambda *arguments: found.append(at_once(*arguments)) or found[-1])
    quick = runs(data)
    monkeypatch.setattr(mpeg, "_at_once", lambda *arguments: (0, 0))
    assert quick == runs(data)
    share = sum(count for count, _ in found) / len(longer(rate, channels, kbps))
    assert share > (0.2 if kind else 0.7)


@dataclass
class Song:
    """An MP3 that was put together; `seconds` are true, without those that its Info frame drops."""

    data: bytes = field(repr=False)
    seconds: float
    dropped: float
    promised: float | None  # None where its header has no number
    plan: tuple  # shown where the test fails


@st.composite
def songs(draw):
    """Draws an MP3 of some frames, with tags and zeros around them and a true or false count in front."""
    rate = draw(st.sampled_from(sorted(KBPS)))
    kinds = [encoded(rate, draw(st.sampled_from([1, 2])), kbps) for kbps in KBPS[rate]]
    chosen = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=3))  # one is of constant bitrate
    kinds = [kind for kind in chosen if mp3_header(kind[0])[3] == mp3_header(chosen[0][0])[3]]
    count = draw(st.integers(8, 60))
    frames = [kinds[number % len(kinds)][number % len(kinds[0])] for number in range(3, 3 + count)]
    header = draw(st.sampled_from(["none", *TRUE, *CLAIMS]))
    claimed = round(count * CLAIMS.get(header, 1))
    trim = {"delay": draw(st.sampled_from([576, 1105])), "padding": draw(st.integers(600, 1700))} if "LAME" in header else {}
    if header == "none":
        first = b""
    elif "VBRI" in header:
        first = vbri_frame(frames[0], claimed)
    else:
        flags = draw(st.sampled_from([1, 3, 7, 15]))
        first = info_frame(frames[0], claimed, mark=b"Xing" if header == "Xing" else b"Info", flags=flags, **trim)
    pictures = st.sampled_from([b"", bytes(range(256)) * 40, FALSE_SYNC, b"".join(frames[:5])])
    tags = b"".join(id3(draw(pictures), padding=draw(st.sampled_from([0, 3000]))) for _ in range(draw(st.integers(0, 2))))
    zeros = bytes(draw(st.sampled_from([0, 0, 1, 417, 8192, 200_000])))
    end = b"".join(draw(st.lists(st.sampled_from(TAGS), max_size=2)))
    _, samples, rate, _ = mp3_header(frames[0])
    dropped = sum(trim.values()) / rate if header == "LAME" else 0.0
    seconds = count * samples / rate - dropped
    promised = (claimed * samples - sum(trim.values())) / rate if claimed and header != "none" else None
    plan = (rate, count, header, len(tags), len(zeros), len(end))
    return Song(tags + zeros + first + b"".join(frames) + end, seconds, dropped, promised, plan)


def check_lengths(folder, files):
    """Compares the decoded length of joined files with the truth."""
    path, notices = folder / "joined.mp3", []
    path.write_bytes(b"".join(song.data for song in files))
    true = sum(song.seconds for song in files)
    decoded = audio.decode(path, 8000, notice=notices.append)
    # A file without a number may lie behind one with an Info frame: this counts too few frames then, and drops nothing.
    continued = any(song.promised is None for song in files[1:])
    spare = sum(song.dropped for song in files) if continued and notices else 0
    assert -audio.TOLERANCE <= len(decoded) / 8000 - true <= spare + audio.TOLERANCE
    assert audio.duration(path) == pytest.approx(len(decoded) / 8000, abs=0.001)
    wrong = max((abs(song.promised - song.seconds) for song in files if song.promised is not None), default=0)
    if len(files) == 1 and wrong > 2 * audio.TOLERANCE:
        assert [text for text in notices if "its header has" in text], notices
    assert continued or wrong > 0 or not notices


COMMON = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=60, **COMMON)
@given(files=st.lists(songs(), min_size=1, max_size=3))
def test_length_is_true_whatever_headers_and_tags_say(folder, files):
    check_lengths(folder, files)


@pytest.mark.slow
@settings(max_examples=1000, **COMMON)
@given(files=st.lists(songs(), min_size=1, max_size=3))
def test_length_of_1000_files_is_true(folder, files):
    check_lengths(folder, files)
