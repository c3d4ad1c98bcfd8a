import os

import numpy as np
import pytest
import soundfile
from helpers import by_ffmpeg, mp3, mp3_frames, tone

from fmalib.data import audio, ffmpeg, formats

ALAC = ["-c:a", "alac"]  # lossless: exact lengths
VIDEO = ["-f", "lavfi", "-i", "color=size=32x32:rate=5:duration=2"]
needs_ffmpeg = pytest.mark.skipif(not ffmpeg.is_there(), reason="needs the program ffmpeg")
KINDS = {  # suffix: options, samples that the codec may add or take
    "m4a": ([], 1024),
    "aac": ([], 2048),
    "wma": ([], 4096),
    "ac3": ([], 1536),
    "wv": ([], 0),
    "tta": ([], 0),
    "mka": (["-c:a", "aac"], 2048),
    "mp4": (VIDEO, 2048),
    "mkv": (VIDEO, 2048),
    "m4b": (["-f", "ipod", "-c:a", "alac"], 0),
    "webm": (["-ar", "48000", "-c:a", "libopus"], 1024),
}


@pytest.mark.parametrize("suffix", KINDS)
def test_ffmpeg_reads_what_libsndfile_does_not(tmp_path, suffix):
    signal, (options, delay) = tone(440, 2, 44_100), KINDS[suffix]
    path = by_ffmpeg(tmp_path / f"a.{suffix}", signal, 44_100, *options)
    notices = []
    decoded = audio.decode(path, 44_100, notice=notices.append)
    assert abs(len(decoded) - len(signal)) <= delay and not notices
    assert audio.duration(path) == pytest.approx(2, abs=0.1)
    spectrum = np.abs(np.fft.rfft(decoded[:44_100]))
    assert spectrum.argmax() == 440 and 0.35 < 2 * spectrum.max() / 44_100 / 32768 < 0.45
    assert [path.name for path in formats.audio_files(tmp_path)] == [path.name]


@pytest.mark.parametrize("name", ["-i.m4a", "http:x.m4a", "a b'\"$.m4a", "x:y|z,.m4a", "%03d.m4a", "é.m4a"])
def test_names_that_look_like_options_or_addresses(tmp_path, monkeypatch, name):
    by_ffmpeg(tmp_path / "a.m4a", tone(440, 1), 8000, *ALAC).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(audio.decode(name, 8000)) == len(audio.decode(tmp_path / name, 8000)) == 8000 * audio.duration(name) == 8000


def test_a_name_that_is_not_utf8(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.m4a")
    by_ffmpeg(tmp_path / "a.m4a", tone(440, 1), 8000, *ALAC).rename(path)
    assert len(audio.decode(path, 8000)) == 8000 * audio.duration(path) == 8000


@needs_ffmpeg
@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXTINF:1,\nother.wav\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\nother.wav\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile other.wav\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    ],
)
def test_a_playlist_reads_no_other_file(tmp_path, text):
    soundfile.write(tmp_path / "other.wav", tone(440, 1), 8000)
    (tmp_path / "list.m4a").write_text(text)
    for reads in (lambda path: audio.decode(path, 8000), audio.duration):
        with pytest.raises(audio.AudioError, match="not readable as audio: "):
            reads(tmp_path / "list.m4a")


def test_without_ffmpeg_the_suffix_and_the_remedy_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(ffmpeg, "is_there", lambda: False)
    (tmp_path / "a.M4A").write_bytes(b"anything")
    (tmp_path / "a.wav").write_bytes(b"anything")
    with pytest.raises(audio.AudioError, match=r"^\.m4a needs the program ffmpeg, install it or convert the files to flac$"):
        audio.decode(tmp_path / "a.M4A", 8000)
    with pytest.raises(audio.AudioError, match=r"^not readable as audio$"):
        audio.decode(tmp_path / "a.wav", 8000)


def test_a_wrong_suffix_does_not_matter(tmp_path):
    by_ffmpeg(tmp_path / "a.m4a", tone(440, 1), 8000, *ALAC).rename(tmp_path / "really m4a.mp3")
    assert len(audio.decode(tmp_path / "really m4a.mp3", 8000)) == 8000
    (tmp_path / "really mp3.m4a").write_bytes(data := mp3(tone(440, 1), 8000))
    assert len(audio.decode(tmp_path / "really mp3.m4a", 8000)) == 576 * len(mp3_frames(data))


def test_a_truncated_file_is_refused(tmp_path):
    path = by_ffmpeg(tmp_path / "a.m4a", tone(440, 8, 44_100), 44_100, "-movflags", "+faststart")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(audio.AudioError, match=r"(damaged|truncated): \d\.\d s of 8\.0 s decoded"):
        audio.decode(path, 8000)


@needs_ffmpeg
@pytest.mark.parametrize("content", [b"", b"anything", bytes(5000)])
def test_what_is_no_audio(tmp_path, content):
    (tmp_path / "a.wma").write_bytes(content)
    with pytest.raises(audio.AudioError, match="not readable as audio: "):
        audio.decode(tmp_path / "a.wma", 8000)


def test_a_video_without_sound(tmp_path):
    by_ffmpeg(tmp_path / "a.mp4", tone(440, 1), 44_100, *VIDEO, "-map", "1:v")
    for reads in (lambda path: audio.decode(path, 8000), audio.duration):
        with pytest.raises(audio.AudioError, match="not readable as audio: "):
            reads(tmp_path / "a.mp4")


@pytest.mark.parametrize("begin", [b"\0\0\0 ftypM4A ", b"0&\xb2u\x8ef\xcf\x11", b"\x1aE\xdf\xa3", b"\xff\xf1\x50\x80"])
def test_without_ffmpeg_a_file_of_another_kind_than_its_suffix_says_has_the_remedy(tmp_path, monkeypatch, begin):
    monkeypatch.setattr(ffmpeg, "is_there", lambda: False)
    (tmp_path / "a.mp3").write_bytes(begin + bytes(100))
    with pytest.raises(audio.AudioError, match=r"^\.mp3 needs the program ffmpeg, install it or convert"):
        audio.decode(tmp_path / "a.mp3", 8000)


@needs_ffmpeg
def test_a_picture_may_last_longer_than_the_sound(tmp_path):
    by_ffmpeg(tmp_path / "a.mp4", tone(440, 1, 44_100), 44_100, *VIDEO)
    notices = []
    decoded = audio.decode(tmp_path / "a.mp4", 8000, notice=notices.append)
    assert len(decoded) / 8000 == pytest.approx(1, abs=0.05) and notices == []
    assert audio.duration(tmp_path / "a.mp4") == pytest.approx(1, abs=0.05)


def test_closing_early_ends_the_program(tmp_path):
    file = ffmpeg.File(by_ffmpeg(tmp_path / "a.m4a", tone(440, 60, 44_100)))
    assert (file.samplerate, file.channels) == (44_100, 1)
    assert file.buffer_read_into(np.empty((100, 1), np.float32), "float32") == 100
    file.close()
    assert file._process.returncode is not None
    assert file._process.stdout.closed and file._errors.closed


def test_messages_of_ffmpeg():
    text = "[info]   Duration: 01:02:03.50, start: 0\n[warning] x\n[error] file:/a/b: Invalid data\n[error] second"
    assert ffmpeg._duration(text) == 3723.5 and ffmpeg._first_error(text) == "Invalid data"
    assert ffmpeg._duration("Estimating duration from bitrate\n" + text) is None
    assert ffmpeg._first_error("[warning] a.caf: corrupt input packet in stream 0") == "corrupt input packet in stream 0"
    assert ffmpeg._duration("") is None and ffmpeg._first_error("[info] fine") == ""
