"""What several tests share: a tone, the bytes of MP3 files, notebooks run by the papermill command."""

import ctypes
import html
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import lameenc
import nbformat
import numpy as np
import pytest

from fmalib.codec import integer_network, signs

REPOSITORY = Path(__file__).resolve().parent.parent
NOTE = "only show that the code runs"  # beside every result on synthetic music
SMALL = ["-p", "quick", "True", "-p", "tracks_per_genre", "6"]
OPTIONS = {  # beside SMALL
    "03_classifier.ipynb": ["-p", "systems", "latent_frozen,latent_linear,patches_svm"],
    "04_latent_space.ipynb": [
        "-p",
        "methods",
        "pca,kernel_pca_rbf,lda,tsne",
        "-p",
        "features",
        "latent,codec,mfcc",
        "-p",
        "points",
        "test",
    ],
    "06_clusters.ipynb": ["-p", "features", "latent,mfcc", "-p", "points", "test"],
}


def tone(frequency, seconds=3.0, sample_rate=8000, seed=0):
    """Returns a noisy tone of shape `(samples,)`."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    noise = np.random.default_rng(seed).normal(0, 0.05, len(time))
    return (0.4 * np.sin(2 * np.pi * frequency * time) + noise).astype(np.float32)


def quiet_noise(batch, samples, seed=0):
    """Returns white noise of shape `(batch, samples)`."""
    return np.random.default_rng(seed).normal(0, 0.2, (batch, samples)).astype(np.float32)


def mp3(signal, sample_rate=44_100, kbps=64):
    """Returns a signal `(samples,)` or `(samples, channels)` as bytes of an MP3 of constant bitrate, without any tag."""
    encoder = lameenc.Encoder()
    encoder.silence()
    encoder.set_quality(7)
    encoder.set_bit_rate(kbps)
    encoder.set_in_sample_rate(sample_rate)
    encoder.set_out_sample_rate(sample_rate)
    encoder.set_channels(signal.shape[1] if signal.ndim > 1 else 1)
    pcm = (np.clip(signal, -1, 1) * 32767).astype("<i2")
    return bytes(encoder.encode(pcm.tobytes()) + encoder.flush())


def mp3_header(frame):
    """Returns (length in bytes, samples, rate in Hz, bytes of side information) of a layer III frame by its header."""
    first, half = frame[1] & 0x08 > 0, frame[1] & 0x10 == 0  # MPEG 1, MPEG 2.5
    rate = [44_100, 48_000, 32_000][frame[2] >> 2 & 3] >> (0 if first else 2 if half else 1)
    steps = "32 40 48 56 64 80 96 112 128 160 192 224 256 320" if first else "8 16 24 32 40 48 56 64 80 96 112 128 144 160"
    bits, samples = 1000 * int(steps.split()[(frame[2] >> 4) - 1]), 1152 if first else 576
    side = [[17, 9], [32, 17]][first][frame[3] >> 6 == 3]
    return samples // 8 * bits // rate + (frame[2] >> 1 & 1), samples, rate, side


def mp3_frames(data):
    """Returns the frames of an MP3 without tags, a list of bytes."""
    frames = []
    while data:
        length = mp3_header(data)[0]
        frames, data = [*frames, data[:length]], data[length:]
    return frames


def info_frame(frame, count, *, mark=b"Info", delay=None, padding=0, flags=15):
    """Returns a Xing or Info frame in the format of a frame, with the fields of some flags; with a delay, as LAME writes it."""
    header = bytes([0xFF, frame[1] | 1, 0xC0 | frame[2] & 0x0C, frame[3]])
    length, _, _, side = mp3_header(header)
    fields = {1: count.to_bytes(4, "big"), 2: (count * len(frame)).to_bytes(4, "big"), 4: bytes(range(100)), 8: bytes(4)}
    text = mark + flags.to_bytes(4, "big") + b"".join(field for flag, field in fields.items() if flags & flag)
    if delay is not None:
        text += b"LAME3.100" + bytes(12) + (delay << 12 | padding).to_bytes(3, "big")
    return (header + bytes(side) + text).ljust(length, b"\0")


def vbri_frame(frame, count):
    """Returns a VBRI frame, as Fraunhofer's encoder writes it, in the format of a frame."""
    header = bytes([0xFF, frame[1] | 1, 0xC0 | frame[2] & 0x0C, frame[3]])
    return (header + bytes(32) + b"VBRI" + bytes(10) + count.to_bytes(4, "big")).ljust(mp3_header(header)[0], b"\0")


def id3(content=b"", *, padding=0, size=None):
    """Returns an ID3v2 tag with a picture of some bytes and padding; `size` is a wrong one to write into its header."""
    picture = b"\0image/jpeg\0\3\0" + content
    body = b"APIC" + len(picture).to_bytes(4, "big") + bytes(2) + picture + bytes(padding)
    size = len(body) if size is None else size
    return b"ID3\3\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + body


def ape_tag(items=b"", header=True):
    """Returns an APEv2 tag, with or without its header."""
    size, flags = (len(items) + 32).to_bytes(4, "little"), 0x80 if header else 0
    first, last = (b"APETAGEX\xd0\x07\0\0" + size + bytes(4) + bytes([0, 0, 0, flags | kind]) + bytes(8) for kind in (0x20, 0))
    return (first if header else b"") + items + last


def by_ffmpeg(path, signal, sample_rate=44_100, *options):
    """Writes a signal `(samples,)` by the program ffmpeg, in the format of the suffix; skips the test where it is not there."""
    if not shutil.which("ffmpeg"):
        pytest.skip("needs the program ffmpeg")
    raw = ["-f", "f32le", "-ar", str(sample_rate), "-ac", "1", "-i", "pipe:0"]
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", *raw, *options, f"file:{path}"]
    subprocess.run(command, input=signal.astype("<f4").tobytes(), check=True)
    return path


def encoder_for(autoencoder, samples):
    """Returns the encoder of an autoencoder, with its weights, for segments of another length."""
    from fmalib.models import original

    return original.with_length(autoencoder.get_layer("encoder"), samples)


def music(rng):
    """Returns three seconds of decaying notes with a little noise, float32 `(samples, 1)`, and their rate in Hz."""
    rng, time = np.random.default_rng(rng.integers(1 << 31)), np.arange(3 * 8000) / 8000
    notes = sum(np.sin(2 * np.pi * hertz * time) * np.exp(-3 * (time % 0.5)) for hertz in rng.uniform(100, 2000, 4))
    return (0.2 * notes + 0.01 * rng.normal(size=len(time))).astype(np.float32)[:, None], 8000


def logarithm(value):
    """Returns log2(1 + value), linear between powers of 2, in 1/256, by a loop."""
    octave = 0
    while 2.0 ** (octave + 1) <= 1 + value:
        octave += 1
    return int(256 * (octave + (1 + value) / 2**octave - 1))


def sign_network(width=12, second=7):
    """Returns a network of signs with random weights."""
    rng, parts = np.random.default_rng(5), []
    for signed in signs.SIGNED:
        shapes = {"signed": (signed, width), "told": (signs.TOLD, width), "told_bias": width}
        shapes |= {"second": (width, second), "second_bias": second, "out": second}
        parts.append({name: 0.3 * rng.normal(size=shapes[name]) for name in integer_network.SIGN_NAMES})
    return integer_network.rounded_signs(parts, np.full((integer_network.SIGN_TABLES, 2), 50))


def papermill(name, out, *options, cwd=REPOSITORY):
    """Runs a notebook; returns (exit status, what it printed, outputs as text)."""
    out.mkdir(parents=True, exist_ok=True)
    source = os.path.relpath(REPOSITORY / "notebooks" / name, cwd)
    command = [sys.executable, "-m", "papermill", source, str(out / name), "-p", "out_dir", str(out), *options]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=280)
    return done.returncode, done.stdout + done.stderr, text_of(out / name)


def ended_well(name, out, *options, **place):
    """Runs a notebook that must end well; returns its outputs as text."""
    status, log, text = papermill(name, out, *options, **place)
    assert status == 0, log[-3000:]
    return text


def check_refused(name, out, options, message):
    """Runs a notebook with parameters that it must refuse with a message, before it writes metrics."""
    status, log, _ = papermill(name, out, *options)
    assert status != 0 and message in log and not (out / "metrics.json").exists(), log[-3000:]


def bound_by_permissions():
    """Makes a child that root starts obey the permissions of files; others obey them anyway, and may not ask."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP: gone after the exec


def run_bound(script, *arguments):
    """Runs a Python script in a process that the files' modes bind, even as root; returns the finished process."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=bound_by_permissions)


def damage(file, how, at=0.5):
    """Damages a file: "cut" at a share of its bytes, "empty", "missing", "flipped" there, or "a row short"."""
    data = file.read_bytes()
    place = min(int(at * len(data)), len(data) - 1)
    if how == "missing":
        file.unlink()
    elif how == "a row short":
        file.write_bytes(data[: data.rstrip().rindex(b"\n") + 1])
    else:
        flipped = data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]
        file.write_bytes({"cut": data[:place], "empty": b"", "flipped": flipped}[how])


def text_of(path):
    """Returns everything that an executed notebook printed."""
    if not path.exists():
        return ""
    outputs = [output for cell in nbformat.read(path, 4).cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def check_executed(executed, name):
    """Executes a notebook and looks at what every one must leave."""
    out = executed(name)
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["dataset"] == "synth" and NOTE in metrics["note"]
    assert len(list((out / "figures").glob("*.png"))) >= 3
    assert list((out / "audio").glob("*.wav"))
    cells = nbformat.read(out / name, 4).cells
    assert not [output for cell in cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert "WARNING" not in text_of(out / name)
    assert text_of(out / name).count(NOTE) == 1  # once a page


BROWSER = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
# A window is at least 500 pixels wide; a frame need not be. Holds all pages, and what their scripts report.
FRAMES = """<!DOCTYPE html><pre id="found">[]</pre><script>
addEventListener("message", (event) => {
    const place = document.getElementById("found");
    if (event.data.page) place.textContent = JSON.stringify([...JSON.parse(place.textContent), event.data]);
});
</script>
"""
REPORT = """function report(found) {
    parent.postMessage({ page: location.pathname.split("/").pop(), width: innerWidth, ...found }, "*");
}
"""


def chromium(profile):
    """Returns the command of Chromium without a window, a list; skips the test where there is no browser."""
    if not BROWSER:
        pytest.skip("needs the program chromium (Debian: apt-get install chromium)")
    # In a container, shared memory may be too small for a large page.
    return [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={profile}"]


def in_browser(folder, script, widths, *, dark=False):
    """Loads all pages of a folder in Chromium without a network; returns what a script reports of each, a list of dicts.

    The script is written into the pages. It calls `report` with an object; `page` and `width` are added. The test is skipped
    where there is no browser, and fails where a page writes to the console.
    """
    command = chromium(folder / "profile")
    names = sorted(path.name for path in folder.glob("*.html"))
    for name in names:
        text = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("<head>", f"<head><script>{REPORT}{script}</script>", 1), encoding="utf-8")
    frame = '<iframe width="{}" height="900" style="border:0" src="{}"></iframe>'
    (folder / "frames.html").write_text(FRAMES + "".join(frame.format(width, name) for name in names for width in widths))
    options = ["--dump-dom", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr", "--virtual-time-budget=5000"]
    options += ["--window-size=1400,900", f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    address = (folder / "frames.html").as_uri()
    done = subprocess.run([*command, *options, address], capture_output=True, text=True, timeout=100)
    assert "CONSOLE" not in done.stderr, done.stderr
    return json.loads(html.unescape(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)[1]))
