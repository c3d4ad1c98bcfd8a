import io

import numpy as np
import pytest
import soundfile
from helpers import ape_tag, by_ffmpeg, id3, info_frame, mp3, mp3_frames, tone

from fmalib.data import audio, containers

RATE = 8000
SIGNAL = tone(300, 2)
MP3 = mp3(SIGNAL, RATE)
FRAMES = mp3_frames(MP3)
MP3_SECONDS = len(FRAMES) * 576 / RATE
ID3V1 = b"TAG" + bytes(125)


def coded(format, signal=SIGNAL, rate=RATE, **options):
    """Returns a signal as bytes of a file."""
    file = io.BytesIO()
    soundfile.write(file, signal, rate, format=format, **options)
    return file.getvalue()


def stereo(seconds, rate):
    return np.stack([tone(300, seconds, rate)] * 2, axis=1)


def flac(total):
    """Returns a FLAC file of 2 s whose header has another number of samples."""
    data = coded("FLAC")
    return data[:22] + total.to_bytes(4, "big") + data[26:]


def wav(size):
    """Returns a wav file of 2 s whose header has another size of its samples."""
    data = coded("WAV")
    return data[:40] + size.to_bytes(4, "little") + data[44:]


def read(folder, data, name="song.bin", **options):
    """Returns (decoded seconds, duration, notices) of some bytes as a file."""
    (folder / name).write_bytes(data)
    notices = []
    decoded = audio.decode(folder / name, RATE, notice=notices.append, **options)
    return len(decoded) / RATE, audio.duration(folder / name), notices


COVER = id3(b"\xff\xfb\x90\0" * 5000)
WHOLE = {  # a name: bytes, their true seconds
    "mp3": (MP3, MP3_SECONDS),
    "mp3 with a picture": (COVER + MP3, MP3_SECONDS),
    "mp3 with two tags": (id3(b"x" * 50) + COVER + MP3, MP3_SECONDS),
    "mp3 behind 8 KiB of zeros": (id3() + bytes(8192) + MP3, MP3_SECONDS),
    "mp3 behind 200 kB of zeros": (id3() + bytes(200_000) + MP3, MP3_SECONDS),
    "mp3 behind zeros alone": (bytes(9000) + MP3, MP3_SECONDS),
    "mp3 whose tag has too large a size": (id3(b"x" * 50, size=1 << 20) + MP3, MP3_SECONDS),
    "mp3 whose tag covers music": (id3(b"x" * 50, size=len(MP3) // 2) + MP3, MP3_SECONDS),
    "mp3 with ID3v1": (MP3 + ID3V1, MP3_SECONDS),
    "mp3 with extended ID3v1": (MP3 + b"TAG+" + bytes(223) + ID3V1, MP3_SECONDS),
    "mp3 with APE": (MP3 + ape_tag(b"x" * 99) + ID3V1, MP3_SECONDS),
    "mp3 with APE without header": (MP3 + ape_tag(b"x" * 99, header=False), MP3_SECONDS),
    "mp3 behind APE": (ape_tag(b"x" * 99) + MP3, MP3_SECONDS),
    "mp3 with Lyrics3": (MP3 + b"LYRICSBEGININD00002" + b"10" + b"000021LYRICS200" + ID3V1, MP3_SECONDS),
    "mp3 with ID3v2 at its end": (MP3 + b"ID3\4\0\x10\0\0\0\x0b" + bytes(11) + b"3DI\4\0\x10\0\0\0\x0b", MP3_SECONDS),
    "mp3 joined": (MP3 + ID3V1 + COVER + MP3, 2 * MP3_SECONDS),
    "mp3 joined with counts": (2 * (info_frame(FRAMES[0], len(FRAMES)) + MP3), 2 * MP3_SECONDS),
    "mp3 of two formats": (MP3 + mp3(stereo(1, 44_100), 44_100), MP3_SECONDS + 40 * 1152 / 44_100),
    "mp3 cut at its start": (MP3[len(MP3) // 2 + 100 :], 14 * 576 / RATE),
    "flac": (coded("FLAC"), 2),
    "flac of unknown length": (flac(0), 2),
    "flac behind a tag": (COVER + coded("FLAC") + ID3V1, 2),
    "flac joined": (coded("FLAC") + coded("FLAC", stereo(1, 44_100), 44_100), 3),
    "ogg": (coded("OGG"), 2),
    "ogg behind a tag": (COVER + coded("OGG"), 2),
    "ogg chained": (coded("OGG") + coded("OGG", stereo(1, 44_100), 44_100) + coded("OGG", tone(300, 3)), 6),
    "ogg chained, opus and vorbis": (coded("OGG", subtype="OPUS") + coded("OGG"), 4),
    "wav of size 0": (wav(0), 2),
    "wav of size 2^32 - 1": (wav(0xFFFFFFFF), 2),
    "wav of size 2^31 - 1": (wav(0x7FFFFFFF), 2),
    "wav of size 2^31": (wav(0x80000000), 2),
    "wav joined": (coded("WAV") + coded("WAV", stereo(1, 44_100), 44_100), 3),
    "wav joined behind chunks": (coded("WAV") + b"id3 \4\0\0\0abcd" + coded("WAV") + b"LIST\3\0\0\0abc\0", 4),
    "wav with a tag at its end": (coded("WAV") + ID3V1, 2),
    "wav with a raw ID3 tag behind": (coded("WAV") + id3(bytes(range(256)) * 300), 2),
    "wav with a chunk that ends behind the file": (coded("WAV") + b"id3 \xff\xff\0\0" + bytes(range(256)), 2),
    "aiff joined": (coded("AIFF") + coded("AIFF", stereo(1, 44_100), 44_100), 3),
    "au of unknown size": (coded("AU")[:8] + b"\xff" * 4 + coded("AU")[12:], 2),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_all_of_a_file_is_read_without_a_notice(tmp_path, kind):
    data, seconds = WHOLE[kind]
    decoded, duration, notices = read(tmp_path, data, "a.mp3" if "mp3" in kind else "no suffix")
    assert decoded == pytest.approx(seconds, abs=0.001) and duration == pytest.approx(seconds, abs=0.001)
    assert notices == []


@pytest.mark.parametrize("kind", ["mp3", "mp3 with a picture", "flac", "ogg", "wav of size 0"])
@pytest.mark.parametrize("suffix", ["mp3", "wav", "flac", "ogg", "m4a"])
def test_a_wrong_suffix_does_not_matter(tmp_path, kind, suffix):
    data, seconds = WHOLE[kind]
    assert read(tmp_path, data, f"song.{suffix}")[0] == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize(
    "data, seconds, promised",
    [
        (info_frame(FRAMES[0], len(FRAMES) // 2) + MP3, MP3_SECONDS, 1.0),
        (info_frame(FRAMES[0], 2 * len(FRAMES)) + MP3, MP3_SECONDS, 4.3),
        (flac(RATE), 2, 1.0),
        (flac(4 * RATE), 2, 4.0),
        (wav(2 * RATE), 2, 1.0),
    ],
    ids=["mp3 half", "mp3 double", "flac half", "flac double", "wav half"],
)
def test_a_header_with_a_wrong_length_is_noticed(tmp_path, data, seconds, promised):
    decoded, _, notices = read(tmp_path, data)
    assert decoded == pytest.approx(seconds, abs=0.001)
    assert notices == [f"length: {seconds:.1f} s were read, its header has {promised:.1f} s"]


JUNK = np.random.default_rng(0).integers(1, 255, 10_000, np.uint8).tobytes()


@pytest.mark.parametrize(
    "data, seconds, remark",
    [
        (MP3 + JUNK + MP3, 2 * MP3_SECONDS, "not MP3: 10,000 bytes between or behind the frames, as long as "),
        (MP3 + coded("OGG"), MP3_SECONDS, "not MP3: "),
        (coded("WAV") + b"PK\3\4" + JUNK, 2, "not wav: 10,004 bytes behind the audio are not read"),
        (coded("WAV") + coded("FLAC"), 2, "not wav: "),
    ],
)
def test_what_is_not_read_is_noticed(tmp_path, data, seconds, remark):
    decoded, duration, notices = read(tmp_path, data, "a.mp3" if "MP3" in remark else "a.wav")
    assert decoded == pytest.approx(seconds, abs=0.03) and duration == pytest.approx(seconds, abs=0.001)
    assert len(notices) == 1 and notices[0].startswith(remark)


TRUNCATED = {name: coded(name.upper()) for name in ("wav", "aiff", "au", "w64", "rf64", "flac")}
TRUNCATED["mp3"] = info_frame(FRAMES[0], len(FRAMES)) + MP3


@pytest.mark.parametrize("suffix", TRUNCATED)
def test_truncated_files_are_refused(tmp_path, suffix):  # an MP3 in the middle of a frame
    (tmp_path / f"a.{suffix}").write_bytes(TRUNCATED[suffix][: len(TRUNCATED[suffix]) // 2 + 99])
    with pytest.raises(audio.AudioError, match=r"^(truncated|damaged): [01]\.\d s of 2\.[01] s decoded$"):
        audio.decode(tmp_path / f"a.{suffix}", RATE)


def test_of_joined_files_the_last_may_be_truncated(tmp_path):
    song = info_frame(FRAMES[0], len(FRAMES), delay=576, padding=1105) + MP3
    seconds = (len(FRAMES) * 576 - 1681) / RATE
    decoded, _, notices = read(tmp_path, 20 * song + song[: len(song) // 2 + 99], "a.mp3")
    assert decoded == pytest.approx(20 * seconds + 14 * 576 / RATE, abs=0.001)
    assert notices == ["length: 1.0 s were read, its header has 1.9 s"]
    with pytest.raises(audio.AudioError, match=r"^truncated: 3\.0 s of 3\.9 s decoded$"):
        read(tmp_path, song + song[: len(song) // 2 + 99], "b.mp3")


@pytest.mark.parametrize("format, subtype", [("OGG", "VORBIS"), ("OGG", "OPUS")])
def test_a_cut_ogg_file_is_noticed_or_refused_by_the_expected_length(tmp_path, format, subtype):
    data = coded(format, tone(300, 10), subtype=subtype)
    decoded, duration, notices = read(tmp_path, data[: len(data) // 2], "a.ogg")
    assert 3 < decoded < 7 and duration == pytest.approx(decoded, abs=0.001)
    assert notices == ["cut: the file ends in the middle of a page"]
    with pytest.raises(audio.AudioError, match=r"truncated: \d\.\d s of 10\.0 s decoded"):
        audio.decode(tmp_path / "a.ogg", RATE, expected_seconds=10)


def test_a_little_that_lacks_is_noticed(tmp_path):
    decoded, _, notices = read(tmp_path, coded("WAV", tone(300, 10))[: -int(0.2 * 2 * RATE)])
    assert decoded == pytest.approx(9.8) and notices == ["length: 9.8 s were read, its header has 10.0 s"]


def test_mp2_and_free_format(tmp_path):
    path = by_ffmpeg(tmp_path / "a.mp2", tone(300, 2, 44_100), 44_100)
    assert audio.duration(path) == len(audio.decode(path, 44_100)) / 44_100 == pytest.approx(77 * 1152 / 44_100)
    free = b"".join(frame[:2] + bytes([frame[2] & 0x0F]) + frame[3:] for frame in FRAMES)  # index 0
    (tmp_path / "free.mp3").write_bytes(free)
    assert len(audio.decode(tmp_path / "free.mp3", RATE)) / RATE == pytest.approx(MP3_SECONDS, abs=0.001)


def test_a_part_that_is_broken_is_left_out_by_notice(tmp_path):
    second = bytearray(coded("OGG"))
    second[40:3000] = bytes(2960)
    decoded, duration, notices = read(tmp_path, coded("OGG") + bytes(second) + coded("OGG", tone(300, 1)))
    assert decoded == duration == 3 and notices == ["part left out: 2 of 3, not readable as audio"]


@pytest.mark.parametrize("format", ["WAV", "OGG", "FLAC"])
def test_a_file_of_too_many_parts_is_refused(tmp_path, monkeypatch, format):
    monkeypatch.setattr(containers, "MOST_PARTS", 3)
    assert read(tmp_path, 3 * coded(format))[0] == 6
    with pytest.raises(audio.AudioError, match=r"^more than 3 parts in one file$"):
        read(tmp_path, 4 * coded(format))


@pytest.mark.parametrize("data", [b"", b"RIFF", b"OggS", b"fLaC", b"ID3", b"\xff\xfb\x90\0", COVER, bytes(1 << 20)])
def test_what_is_no_audio_is_refused(tmp_path, data):
    for suffix in ("wav", "mp3", "ogg"):
        (tmp_path / f"a.{suffix}").write_bytes(data)
        for reads in (lambda path: audio.decode(path, RATE), audio.duration):
            with pytest.raises(audio.AudioError, match="not readable as audio"):
                reads(tmp_path / f"a.{suffix}")
