"""Decoding and tags by the program ffmpeg where it is on the path: m4a, aac, wma and whatever else libsndfile does not read."""

import re
import shutil
import struct
import subprocess
import tempfile

# Demuxers of files that hold their own audio. Playlists, which may name any file or address, are not among them. MP3 is not
# either: every file without a known beginning counts as MP3 for ffmpeg.
DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,dtshd,eac3,flac,flv,iff,loas,matroska,mov,mpc,mpc8,mpeg,mpegts,nut,ogg,oma,"
    "rm,shn,tak,truehd,tta,voc,w64,wav,wv,xwma"
)
_NAMES = (  # of audio, and of videos, whose first sound track is read
    "3g2,3gp,aa3,aac,ac3,adts,aif,alac,amr,ape,asf,avi,dff,dsf,dts,eac3,flv,m4a,m4b,m4p,m4r,m4v,mka,mkv,"
    "mov,mp+,mp4,mpc,mpg,mpeg,mpp,oma,ogv,ogm,ra,rm,rmvb,shn,spx,tak,tta,weba,webm,wma,wmv,wv,"
    "3ga,aa,aax,awb,dtshd,f4a,f4v,m2ts,mlp,mts,ofr,thd,vob"
)
SUFFIXES = [f".{name}" for name in _NAMES.split(",")]
_AU_HEADER = struct.Struct(">4s5I")


class FfmpegError(ValueError):
    """A file that ffmpeg cannot read; the message gives its last error."""


def is_there():
    """Returns whether the program is on the path."""
    return shutil.which("ffmpeg") is not None


class File:
    """The first sound track of a file, decoded by ffmpeg, with the methods of `soundfile.SoundFile` that decoding needs.

    Attributes:
        samplerate, channels: in Hz, and their number.
        promised: seconds according to the container; None where it does not say.
        damaged: ffmpeg's first error in a file that it has read to its end, else an empty string.

    Raises:
        FfmpegError: nothing could be decoded, or `buffer_read_into` met the end after an error that stopped the decoder.
    """

    subtype = "ffmpeg"

    def __init__(self, path):
        self.damaged, self.promised = "", None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (`close` closes it)
        command = _command(path, "-loglevel", "level+info", "-nostats") + ["-f", "au", "-c:a", "pcm_f32be", "pipe:1"]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": self._errors}
        self._process = subprocess.Popen(command, **pipes)
        header = self._process.stdout.read(_AU_HEADER.size)
        if len(header) < _AU_HEADER.size:
            self._finish()
            self.close()
            raise FfmpegError(self.damaged or "no sound track")
        _, start, _, _, self.samplerate, self.channels = _AU_HEADER.unpack(header)
        self._process.stdout.read(start - _AU_HEADER.size)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def buffer_read_into(self, buffer, dtype):
        """Fills an array `(frames, channels)` of float32, the only `dtype`; returns the number of frames read, 0 at the end."""
        found = self._process.stdout.readinto(memoryview(buffer).cast("B"))
        if not found and self._finish():
            raise FfmpegError(self.damaged)
        read = buffer[: found // buffer[0].nbytes]
        read[:] = read.view(">f4")
        return len(read)

    def close(self):
        """Ends the program, whether it has read all or not."""
        self._process.kill()
        self._process.stdout.close()
        self._process.wait()
        self._errors.close()

    def _finish(self):
        """Waits for the end, reads the messages, and returns the exit status."""
        status = self._process.wait()
        self._errors.seek(0)
        text = self._errors.read(1 << 20).decode("utf-8", "replace")
        self.promised, self.damaged = _duration(text), _first_error(text)
        return status


def seconds(path):
    """Returns the duration of the first sound track: by the container, else by its packets, without decoding them.

    Raises:
        FfmpegError: ffmpeg finds no sound track.
    """
    command = _command(path, "-loglevel", "level+info", "-progress", "pipe:1") + ["-c", "copy", "-f", "null", "-"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    text = done.stderr.decode("utf-8", "replace")
    packets = re.findall(rb"out_time_us=(\d+)", done.stdout)
    if done.returncode or not packets:
        raise FfmpegError(_first_error(text) or "no sound track")
    return _duration(text) or int(packets[-1]) / 1e6


def tags(path):
    """Returns {key in lower case: text} of a file's tags from the first MiB that ffmpeg prints of them; {} on any failure.

    Bytes outside UTF-8 stand as surrogates, as in Python's file names (`surrogateescape`).
    """
    command = _command(path, "-loglevel", "quiet") + ["-t", "0", "-c", "copy", "-f", "ffmetadata", "pipe:1"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        with subprocess.Popen(command, **pipes) as process:
            printed = process.stdout.read(1 << 20).decode("utf-8", "surrogateescape")
            process.kill()
    except OSError:
        return {}
    found = {}
    for line in re.findall(r"(?:\\.|[^\\\n])+", printed, re.DOTALL):  # a backslash hides = ; # \ and the end of a line
        if line in ("[STREAM]", "[CHAPTER]"):  # their titles are not the file's
            break
        if pair := re.match(r"((?:\\.|[^\\=])+)=(.*)", line, re.DOTALL):
            key, text = (re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in pair.groups())
            found[key.lower()] = text
    return found


def _duration(text):
    """Returns the seconds by the container, None where it does not say or has a picture too; `text` is what ffmpeg printed."""
    pictures = [line for line in text.splitlines() if "Video: " in line and "attached pic" not in line]
    found = None if pictures or "Estimating duration" in text else re.search(r"Duration: (\d+):(\d+):([\d.]+)", text)
    return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3]) if found else None


def _first_error(text):
    """Returns ffmpeg's first error, empty where there is none; a cut packet is only a warning for it."""
    found = re.search(r"\[(?:error|fatal)\] (.*)|(?=corrupt input packet)(.*)", text)
    if found and found[2]:
        return found[2]
    if found and "not on whitelist" in found[1]:
        return "no known format"
    return found[1].removeprefix("file:").rsplit(": ", 1)[-1][:80] if found else ""


def _command(path, *options):
    """Returns the command up to the file, which may be named like an option or an address."""
    safe = ["-protocol_whitelist", "file,pipe", "-format_whitelist", DEMUXERS]
    return ["ffmpeg", "-hide_banner", "-nostdin", *options, "-threads", "1", *safe, "-i", f"file:{path}", "-map", "0:a:0"]
