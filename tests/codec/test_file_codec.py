"""Audio to files and back: any length, rate and channels; bitrates; memory; the bound of Gaussian noise."""

import dataclasses
import importlib.util
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.signal
from helpers import tone
from hypothesis import given, settings
from hypothesis import strategies as st

import fmalib.codec
from fmalib.codec import bitstream, context_models, file_codec, integer_network
from fmalib.codec.bitstream import FormatError

SECOND = 8000
CODES = [(model, profile) for model in context_models.MODELS for profile in file_codec.PROFILES]


@pytest.fixture
def short_chunks(monkeypatch):
    monkeypatch.setattr(file_codec, "CHUNK_SECONDS", 0.5)


def snr(audio, back):
    return 10 * np.log10(np.sum(np.square(audio, dtype=float)) / np.sum(np.square(np.float64(audio) - back)))


def kbps_of(data, audio, sample_rate):
    return len(data) / 125 / len(audio) * sample_rate


SHAPES = {
    "noise": lambda rng, shape: rng.normal(0, 0.2, shape),
    "silence": lambda rng, shape: np.zeros(shape),
    "square": lambda rng, shape: np.where(np.arange(shape[0]) % 50 < 25, 1.0, -1.0)[:, None] * np.ones(shape),
    "click": lambda rng, shape: np.eye(*shape) * 0.9,
    "quiet": lambda rng, shape: rng.normal(0, 1e-9, shape),
}


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)),
    st.integers(1, 30_000) | st.sampled_from([1, 2, 255, 256, 257]),
    st.integers(8000, 48_000),
    st.sampled_from([1, 2]),
    st.sampled_from([{"kbps": 1}, {"kbps": 8}, {"kbps": 256}, {"snr": 30}, {"step": 0.02}]),
    st.integers(0, 2**32),
    st.sampled_from(CODES),
)
def test_any_audio_survives(kind, samples, sample_rate, channels, way, seed, code):
    model, profile = code
    audio = SHAPES[kind](np.random.default_rng(seed), (samples, channels))
    audio = audio[:, 0] if channels == 1 else audio
    data = fmalib.codec.encode(audio, sample_rate, **way, model=model, profile=profile)
    back, rate = fmalib.codec.decode(data)
    assert (back.shape, back.dtype, rate) == (audio.shape, np.float32, sample_rate)
    assert np.isfinite(back).all()
    if "snr" in way and kind in ("noise", "square"):
        assert snr(audio, back) > 28
    if "step" in way and samples > 1000 and profile == "waveform":
        assert np.sqrt(np.mean((audio - back) ** 2)) < 0.015
    if kind == "silence":
        assert not back.any()


@pytest.mark.parametrize("kbps", [1, 8, 16, 64, 256])
@pytest.mark.parametrize("kind", ["music", "noise", "pauses"])
@pytest.mark.parametrize("profile", file_codec.PROFILES)
def test_the_bitrate_is_met_from_ten_seconds_on(profile, kind, kbps):
    rng = np.random.default_rng(0)
    rate = 44_100 if kbps == 256 else 8000
    audio = {"music": tone(440, 10, rate), "noise": rng.normal(0, 0.1, 10 * rate).astype(np.float32)}.get(kind)
    if audio is None:
        audio = np.concatenate([np.zeros(4 * rate), rng.normal(0, 0.3, 3 * rate), np.zeros(3 * rate)])
    kbps = min(kbps, 16 if kind == "pauses" else 64) if rate == 8000 else kbps
    data = fmalib.codec.encode(audio, rate, kbps, profile=profile)
    assert kbps_of(data, audio, rate) == pytest.approx(kbps, rel=0.03)


@pytest.mark.parametrize("profile", file_codec.PROFILES)
@pytest.mark.parametrize("kbps", [2, 24])
def test_the_bitrate_is_met_with_learned_weights(profile, kbps):
    audio = tone(440, 10, 16_000)
    data = fmalib.codec.encode(audio, 16_000, kbps, model="learned", profile=profile)
    assert kbps_of(data, audio, 16_000) == pytest.approx(kbps, rel=0.03)


@pytest.mark.parametrize("profile", file_codec.PROFILES)
def test_the_bitrate_of_long_audio_is_steered(profile, short_chunks):
    """Twenty-four chunks: the loud ones cost more, and the file as a whole has its bytes."""
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0.01, 0.5, 12), SECOND)
    audio = rng.normal(0, 1, 12 * SECOND) * loud
    data = fmalib.codec.encode(audio, SECOND, 16, profile=profile)
    assert bitstream.read_header(data).chunks > file_codec.FEW_CHUNKS
    assert kbps_of(data, audio, SECOND) == pytest.approx(16, rel=0.03)
    assert fmalib.codec.decode(data)[0].shape == audio.shape


LEVELS = {  # dB of stretches of the same length
    "rise": (-60, 0),
    "fall": (0, -60),
    "peak": (-60, 0, -60),
    "dip": (0, -60, 0),
    "ramp": np.linspace(-60, 0, 9),
    "end": (-60,) * 8 + (0,),
    "from silence": (-400, 0),
    "to silence": (0, -400),
}
OTHERS = "fall", "peak", "ramp", "end", "from silence"


@pytest.mark.parametrize("code", [("mdct", "waveform"), *(pytest.param(code, marks=pytest.mark.slow) for code in CODES[1:])])
@pytest.mark.parametrize(
    "levels", ["rise", "dip", "to silence", *(pytest.param(each, marks=pytest.mark.slow) for each in OTHERS)]
)
def test_the_bitrate_is_met_where_levels_change_by_far(code, levels):
    """Nine chunks of noise: the first ones say nothing of the others."""
    samples = 72 * SECOND
    loud = np.repeat(10 ** (np.array(LEVELS[levels]) / 20), -(-samples // len(LEVELS[levels])))[:samples]
    audio = np.random.default_rng(0).normal(0, 0.1, samples) * loud
    for kbps in (1, 4) if code[0] == "mdct" else (4,):
        data = fmalib.codec.encode(audio, SECOND, kbps, model=code[0], profile=code[1])
        assert 0.97 <= kbps_of(data, audio, SECOND) / kbps <= 1.01


@pytest.mark.parametrize("decibels", [10, 20, 60])
@pytest.mark.parametrize("profile", file_codec.PROFILES)
def test_the_signal_to_noise_ratio_is_met(profile, decibels):
    audio = tone(440, 4)
    back, _ = fmalib.codec.decode(fmalib.codec.encode(audio, SECOND, snr=decibels, profile=profile))
    assert snr(audio, back) == pytest.approx(decibels, abs=0.3)  # a tone has few coefficients, so no smooth curve


def test_chunks_give_the_samples_of_the_whole(monkeypatch):
    audio = np.random.default_rng(0).normal(0, 0.1, (5 * SECOND, 2))
    whole, _ = fmalib.codec.decode(fmalib.codec.encode(audio, SECOND, step=0.001))
    monkeypatch.setattr(file_codec, "CHUNK_SECONDS", 0.4)
    data = fmalib.codec.encode(audio, SECOND, step=0.001)
    parts, _ = fmalib.codec.decode(data)
    assert bitstream.read_header(data).chunks >= 12
    np.testing.assert_allclose(parts, whole, atol=3e-3)  # a chunk has a path and centroids of its own
    reader = bitstream.Reader(io.BytesIO(data))
    for start, stop in ((0, 1), (12_345, 23_456), (3000, 3001), (39_999, 40_000), (0, 99_999)):
        cut = np.concatenate(list(file_codec.read(reader, start=start, stop=stop)))
        np.testing.assert_array_equal(cut, parts[start:stop])


def test_blocks_of_any_size_give_the_same_bytes(short_chunks):
    audio = np.random.default_rng(0).normal(0, 0.1, (2 * SECOND, 1))

    def in_blocks():
        yield from np.array_split(audio, [1, 2, 500, 4001, 4001, 15_000])

    sink = io.BytesIO()
    file_codec.write(file_codec.Source(SECOND, 1, in_blocks), sink, kbps=16)
    assert sink.getvalue() == fmalib.codec.encode(audio, SECOND, 16)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_name(value):
    audio = np.zeros((20_000, 2), np.float32)
    audio[12_000, 1] = value
    with pytest.raises(ValueError, match=rf"finite. Received: {value} at sample 12000 \(1.500 s\), channel 2"):
        fmalib.codec.encode(audio, SECOND)


@pytest.mark.parametrize(
    ("audio", "rate", "options", "text"),
    [
        (np.zeros(0), 8000, {}, "at least one sample. Received: 0 samples"),
        (np.zeros(9, np.int16), 8000, {}, "Received: int16"),
        (np.zeros((9, 3)), 8000, {}, r"Received: shape \(9, 3\)"),
        (np.full(9, 300.0), 8000, {}, "within 256 times full scale. Received: 300.0 at sample 0"),
        (np.zeros(9), 7999, {}, "Received: 7999"),
        (np.zeros(9), 96_000, {}, "Received: 96000"),
        (np.zeros(9), 8000.0, {}, "Received: 8000.0"),
        (np.zeros(9), 8000, {"kbps": 0.5}, "Received: kbps=0.5"),
        (np.zeros(9), 8000, {"kbps": 257}, "Received: kbps=257"),
        (np.zeros(9), 8000, {"kbps": float("nan")}, "Received: kbps=nan"),
        (np.zeros(9), 8000, {"step": -1.0}, "Received: step=-1.0"),
        (np.zeros(9), 8000, {"snr": 999}, "Received: snr=999"),
        (np.zeros(9), 8000, {"step": 0.1, "snr": 9}, "Received: kbps=None, step=0.1, snr=9"),
        (np.zeros(9), 8000, {"model": "x"}, "Received: model='x'"),
        (np.zeros(9), 8000, {"profile": "loud"}, "profile must be one of waveform, listening. Received: profile='loud'"),
    ],
)
def test_what_cannot_be_encoded_is_refused(audio, rate, options, text):
    with pytest.raises(ValueError, match=text):
        fmalib.codec.encode(audio, rate, **options)


def bound(spectrum, distortion):
    """Returns the rate in bits a sample below which no coder has a mean squared error: reverse water filling."""
    low, high = 1e-15, spectrum.max()
    for _ in range(80):
        level = np.sqrt(low * high)
        low, high = (low, level) if np.minimum(level, spectrum).mean() > distortion else (level, high)
    return np.maximum(0, np.log2(spectrum / high) / 2).mean()


@pytest.mark.parametrize("pole", [0.0, 0.9])
@pytest.mark.parametrize("kbps", [4, 8, 16, 32, 64])
def test_gaussian_noise_stays_above_its_bound(pole, kbps):
    """The most is 0.295 bit, at 2 bits a sample and a pole of 0.9; chunks of 8 s in the place of 15 s would make it 0.319."""
    noise = np.random.default_rng(0).normal(size=31 * SECOND)
    audio = 0.05 * np.sqrt(1 - pole**2) * scipy.signal.lfilter([1], [1, -pole], noise)[SECOND:]
    angles = np.linspace(0, np.pi, 10_001)
    spectrum = 0.05**2 * (1 - pole**2) / (1 - 2 * pole * np.cos(angles) + pole**2)
    data = fmalib.codec.encode(audio, SECOND, kbps)
    error = np.mean((audio - fmalib.codec.decode(data)[0]) ** 2)
    over = 8 * len(data) / len(audio) - bound(spectrum, error)
    assert 0 < over < 0.3


ELSEWHERE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("golden_make", sys.argv[1])
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)
for name in sys.argv[2:]:
    with open(name, "rb") as file:
        print(make.integers_of(file.read()))
"""


@pytest.mark.parametrize(
    "kernels", ["PRESCOTT", "SKYLAKEX", *(pytest.param(k, marks=pytest.mark.slow) for k in ("SANDYBRIDGE", "HASWELL"))]
)
def test_files_decode_to_the_same_integers_with_other_kernels_and_threads(kernels, tmp_path):
    """OpenBLAS adds in another order with each of its kernels, as on other machines, and with other numbers of threads."""
    make, found = golden(), set()
    names = [make.FOLDER / f"{name}.fma" for name in make.CASES]
    for profile in file_codec.PROFILES:
        names.append(tmp_path / f"{profile}.fma")
        names[-1].write_bytes(fmalib.codec.encode(make.audio_of(44_100, 2, 0.7), 44_100, 48, model="learned", profile=profile))
    for threads in ("1", "7"):
        variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(variables, threads) | {"OPENBLAS_CORETYPE": kernels}
        command = [sys.executable, "-c", ELSEWHERE, str(make.FOLDER / "make.py"), *map(str, names)]
        found.add(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)
    assert found == {"".join(f"{make.integers_of(name.read_bytes())}\n" for name in names)}


def test_files_for_other_weights_are_refused(tmp_path):
    audio = tone(440, 1)
    network = context_models.network("waveform")
    other = dataclasses.replace(network, counts=network.counts + 1)
    integer_network.save(other, tmp_path / "other.npz")
    data = fmalib.codec.encode(audio, SECOND, 8, model=str(tmp_path / "other.npz"))
    assert bitstream.read_header(data).model_hash != network.digest
    back, _ = fmalib.codec.decode(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(context_models, "_NETWORKS", {})
        with pytest.raises(FormatError, match=r"needs the weights .* Received: a file for weights"):
            fmalib.codec.decode(data)
        np.testing.assert_array_equal(fmalib.codec.decode(data, weights=tmp_path / "other.npz")[0], back)


MEMORY = """
import resource, sys
import numpy as np
from fmalib.codec import bitstream, context_models, file_codec, integer_network
seconds, (name, model, profile) = int(sys.argv[1]), sys.argv[2:]
def blocks():
    rng = np.random.default_rng(0)
    for _ in range(seconds):
        yield rng.normal(0, 0.1, (8000, 1)).astype(np.float32)
with open(name, "w+b") as file:
    file_codec.write(file_codec.Source(8000, 1, blocks), file, kbps=8, model=model, profile=profile)
    assert abs(file.tell() / 1000 / seconds - 1) < 0.03
    for part in file_codec.read(bitstream.Reader(file)):
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("code", CODES, ids="-".join)
def test_memory_does_not_grow_with_length(tmp_path, code):
    used = []
    for length in (60, 3600 if code == ("mdct", "waveform") else 480):
        command = [sys.executable, "-c", MEMORY, str(length), str(tmp_path / "noise.fma"), *code]
        used.append(int(subprocess.run(command, capture_output=True, check=True).stdout) / 1024)
    assert used[1] < used[0] + 10, used  # MB


def golden():
    """Returns the module that made the golden files."""
    place = os.path.join(os.path.dirname(__file__), "golden", "make.py")
    spec = importlib.util.spec_from_file_location("golden_make", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", golden().CASES)
def test_golden_files_decode_to_the_same_integers_for_ever(name):
    make = golden()
    data = (make.FOLDER / f"{name}.fma").read_bytes()
    assert make.integers_of(data) == json.loads((make.FOLDER / "integers.json").read_text())[name]
    rate, channels, seconds, _ = make.CASES[name]
    expected = make.audio_of(rate, channels, seconds)
    back, found = fmalib.codec.decode(data)
    assert (found, back.shape) == (rate, expected.shape)
    assert snr(expected, back) > 12


@pytest.mark.parametrize("name", golden().CASES)
def test_the_coder_still_makes_the_golden_bytes_of_their_integers(name):
    """Of integers, not of audio: the encoder's search for the best step may change."""
    make = golden()
    data = (make.FOLDER / f"{name}.fma").read_bytes()
    reader = bitstream.Reader(io.BytesIO(data))
    profile, header = file_codec.PROFILES[reader.header.profile], reader.header
    for number, body in reader:
        first, behind = header.frames_of(number)
        assert profile.pack(profile.unpack(body, behind - first, header), header) == body
