import io

import numpy as np
import pytest
import soundfile

from fmalib.codec import classical, coders, metrics
from fmalib.data import datasets
from fmalib.data.audio import decode, to_float, to_int16


def music(sample_rate=8000, samples=65_536, seed=0):
    """Returns chords under a beat of noise bursts, `(samples,)`: tonal and noisy, and no two moments alike."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / sample_rate
    chord = sum(np.sin(2 * np.pi * f * time + rng.uniform(0, 6)) * rng.uniform(0.02, 0.1) for f in rng.uniform(80, 1500, 12))
    beat = np.exp(-10 * (time % 0.37)) * rng.normal(0, 0.05, samples)
    return (chord * (0.6 + 0.4 * np.sin(3.1 * time)) + beat).astype(np.float32)


def test_silence_scores_the_signal():
    x = music()
    silent, n_bytes = coders.silence().run(x)
    assert silent.shape == x.shape and silent.dtype == x.dtype and not silent.any() and n_bytes is None
    assert metrics.spectral_rmse(x, silent) == pytest.approx(9.795 * np.sqrt((x**2).mean()), rel=0.01)


@pytest.mark.parametrize("kbps", [128, 200])
def test_at_the_full_rate_only_rounding_is_left(kbps):
    x = music()
    np.testing.assert_array_equal(classical.downsample(x, 8000, kbps), to_float(to_int16(x)))


@pytest.mark.parametrize("kbps", [63, 31.5, 7.7])
def test_downsampling_keeps_what_lies_below_half_its_rate(kbps):
    time = np.arange(65_536) / 8000
    edge = kbps * 1000 / 16 / 2
    whole = [round(f * 8.192) / 8.192 for f in (0.98 * edge, 1.02 * edge)]  # numbers of periods
    below, above = (0.3 * np.sin(2 * np.pi * frequency * time).astype(np.float32) for frequency in whole)
    kept = classical.downsample(below + above, 8000, kbps)
    assert kept.shape == below.shape and kept.dtype == np.float32
    np.testing.assert_allclose(kept, below, atol=1e-3)  # aligned, too


def test_downsampling_rounds_to_16_bit():
    tiny = np.full(1000, 0.4 / 32768, np.float32)
    assert not classical.downsample(tiny, 8000, 32).any()


def test_downsampling_takes_batches_and_odd_lengths():
    x = np.stack([music(samples=10_007, seed=seed) for seed in range(3)])
    together = classical.downsample(x, 8000, 31.3)
    assert together.shape == x.shape
    apart = np.abs(together[1] - classical.downsample(x[1], 8000, 31.3))
    assert apart.max() < 1.01 * 2**-15 and (apart > 1e-6).mean() < 0.02  # rounding to 16 bits may turn over here and there


@pytest.mark.parametrize("kbps", [0, -3, 0.001])
def test_downsampling_needs_a_sample(kbps):
    with pytest.raises(ValueError, match=f"Received: kbps={kbps}"):
        classical.downsample(music(samples=1000), 8000, kbps)


@pytest.mark.parametrize("delay", [-1500, -1, 0, 1, 1105])
def test_a_known_delay_is_found(delay):
    x = music(samples=20_000)
    late = np.pad(x, (delay, 500)) if delay >= 0 else x[-delay:]
    aligned, found = classical.align(x, late, 2000)
    assert found == delay and aligned.shape == x.shape
    there = slice(max(0, -delay), None)
    np.testing.assert_array_equal(aligned[there], x[there])
    assert not aligned[: there.start].any()


def test_alignment_searches_no_further_than_told():
    x = music(samples=20_000)
    assert abs(classical.align(x, np.pad(x, (300, 0)), 100)[1]) <= 100
    assert classical.align(x, np.pad(x, (300, 0)), 0)[1] == 0
    with pytest.raises(ValueError, match="Received: max_delay=-1"):
        classical.align(x, x, -1)


def test_silence_has_no_delay():
    aligned, delay = classical.align(np.zeros(1000), np.zeros(700), 100)
    assert delay == 0 and aligned.shape == (1000,)


def rmses(codec, sample_rate, bitrates, samples=65_536):
    x = music(sample_rate, samples)
    decoded = [codec(x, sample_rate, kbps)[0] for kbps in bitrates]
    assert all(audio.shape == x.shape and audio.dtype == np.float32 for audio in decoded)
    return [metrics.spectral_rmse(x, audio) for audio in decoded], metrics.spectral_rmse(x, np.zeros_like(x))


@pytest.mark.parametrize("codec", classical.CODECS)
@pytest.mark.parametrize("sample_rate, bitrates", [(8000, (8, 16, 32, 64)), (44_100, (16, 32, 64, 128))])
def test_more_bits_fewer_errors(codec, sample_rate, bitrates):
    errors, silent = rmses(classical.CODECS[codec], sample_rate, bitrates)
    assert errors == sorted(errors, reverse=True)
    # Misaligned audio scores about as badly as silence, or worse.
    assert errors[1] < 0.7 * silent and errors[3] < 0.3 * silent


def test_mu_law_samples_exact_values():
    audio = np.array([0.5, -0.5, 0.0, 0.125, 0.0625], np.float32)
    file = classical.mu_law_file(audio, 5, 3)  # levels -3 to 3 of the peak 0.5: log(1 + 15 / 4) / log(16) is 0.56 of it
    assert len(file) == classical.MU_LAW_HEADER.size + 2  # 15 bits
    assert classical.MU_LAW_HEADER.unpack_from(file) == (3, 5, 5, 0.5)
    third, two_thirds = (0.5 * (16**part - 1) / 15 for part in (1 / 3, 2 / 3))
    np.testing.assert_allclose(classical.mu_law_audio(file), [0.5, -0.5, 0, two_thirds, third], rtol=1e-6)


@pytest.mark.parametrize("bits", classical.MU_LAW_BITS)
def test_mu_law_steps_are_half_a_step_wide(bits):
    x = music(samples=5000)
    file = classical.mu_law_file(x, 5000, bits)
    assert len(file) == classical.MU_LAW_HEADER.size + -(-5000 * bits // 8)
    decoded, peak = classical.mu_law_audio(file), np.abs(x).max()
    half = np.log(16) / (2 ** (bits - 1) - 1) / 2 * (peak / 15 + np.maximum(np.abs(x), np.abs(decoded)))
    assert (np.abs(decoded - x) <= half + 1e-6).all()
    assert decoded.shape == x.shape and decoded.dtype == np.float32


@pytest.mark.parametrize("kbps", [63, 15.75, 7.875])
def test_mu_law_takes_the_best_number_of_bits_for_the_same_bytes(kbps):
    x = music()
    alone = {bits: classical.mu_law(x, 8000, kbps, bits=[bits]) for bits in classical.MU_LAW_BITS}
    error = {bits: np.square(x - decoded).sum() for bits, (decoded, _) in alone.items()}
    best = min(error, key=error.get)
    decoded, n_bytes = classical.mu_law(x, 8000, kbps)
    np.testing.assert_array_equal(decoded, alone[best][0])
    assert best < 16 and n_bytes == alone[best][1]
    least = min(0.99 * kbps, 8 * best)  # at the full rate, whole bits a sample may leave some bytes
    assert least < metrics.real_kbps(n_bytes, len(x) / 8000) <= kbps
    assert error[best] < np.square(x - classical.downsample(x, 8000, kbps)).sum()


def test_mu_law_of_silence_and_of_few_bytes():
    zeros = np.zeros(1000, np.float32)
    decoded, _ = classical.mu_law(zeros, 8000, 16)
    assert decoded.shape == (1000,) and not decoded.any()
    smallest = (classical.MU_LAW_HEADER.size * 8 + 3) * 8 / 1000  # kbit/s of the header and three bits in 1000 samples
    assert classical.mu_law(zeros, 8000, smallest)[1] == classical.MU_LAW_HEADER.size + 1
    with pytest.raises(ValueError, match=r"header of 13 bytes and a sample. Received: kbps=0.8"):
        classical.mu_law(zeros, 8000, 0.8)
    with pytest.raises(ValueError, match=r"Received: shape \(1, 1000\)"):
        classical.mu_law(zeros[None], 8000, 16)


def gain(codec, sample_rate, kbps):
    """Returns the amplitude of a tone after a codec that passes it, as a share of its amplitude before."""
    tone = 0.25 * np.sin(2 * np.pi * 440 * np.arange(2 * sample_rate) / sample_rate).astype(np.float32)
    decoded, _ = classical.CODECS[codec](tone, sample_rate, kbps)
    middle = slice(sample_rate // 2, -sample_rate // 2)
    return decoded[middle] @ tone[middle] / (tone[middle] @ tone[middle])


TRANSPARENT = [("MP3", 8000, kbps) for kbps in (8, 16, 32, 64)]
TRANSPARENT += [("MP3", 22_050, kbps) for kbps in (32, 160)]
TRANSPARENT += [("MP3", 44_100, kbps) for kbps in (16, 128, 160, 192, 224, 256, 320)]
TRANSPARENT += [("Opus", rate, kbps) for rate in (8000, 22_050, 44_100) for kbps in (32, 64, 256)]


@pytest.mark.parametrize("codec, sample_rate, kbps", TRANSPARENT)
def test_no_codec_changes_the_amplitude(codec, sample_rate, kbps):
    assert gain(codec, sample_rate, kbps) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("codec", classical.CODECS)
def test_a_decoder_that_scales_is_seen(codec, monkeypatch):
    def quieter(file, read=soundfile.read, **options):
        audio, rate = read(file, **options)
        return 0.9 * audio, rate

    monkeypatch.setattr(classical.soundfile, "read", quieter)
    assert gain(codec, 8000, 64) == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("level", [0.02, 1.0])
def test_the_gain_is_known_not_fitted(level):
    x = level * music(samples=20_000)
    raw, _ = soundfile.read(io.BytesIO(classical.mp3_file(x, 8000, 8)), dtype="float32")
    aligned, _ = classical.align(x, raw, classical.MAX_DELAY)
    np.testing.assert_allclose(classical.mp3(x, 8000, 8)[0], aligned / 0.95, rtol=1e-6)


def ogg_payload(file):
    """Returns the bytes of audio in an Ogg Opus file: all packets except for its two headers."""
    packets, size, at = [], 0, 0
    while at < len(file):
        lacing = file[at + 27 : at + 27 + file[at + 26]]
        for length in lacing:
            size += length
            if length < 255:
                packets, size = [*packets, size], 0
        at += 27 + len(lacing) + sum(lacing)
    return sum(packets[2:])


@pytest.mark.parametrize("kbps, share", [(8, 0.16), (16, 0.09), (32, 0.04), (64, 0.02)])
def test_the_share_of_the_ogg_container(kbps, share, monkeypatch):
    files = []
    monkeypatch.setattr(classical, "_decode", lambda encoded, *_: files.append(encoded))
    _, n_bytes = classical.opus(music(), 8000, kbps)
    assert n_bytes == len(files[0])
    assert 1 - ogg_payload(files[0]) / n_bytes == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("kbps", [8, 64])
def test_mp3_keeps_to_its_bitrate(kbps):
    _, n_bytes = classical.mp3(music(), 8000, kbps)
    assert kbps <= metrics.real_kbps(n_bytes, 65_536 / 8000) < 1.03 * kbps


@pytest.mark.parametrize("kbps, excess", [(16, 1.15), (64, 1.05)])
def test_opus_is_near_its_bitrate(kbps, excess):
    _, n_bytes = classical.opus(music(), 8000, kbps)
    assert 0.9 * kbps < metrics.real_kbps(n_bytes, 65_536 / 8000) < excess * kbps


@pytest.mark.parametrize("n_bytes", [12_000, 24_000, 65_000])
def test_opus_stays_within_its_bytes(n_bytes):
    x = music(24_000, 96_000)
    decoded, used = classical.opus_within(x, 24_000, n_bytes)
    assert 0.97 * n_bytes < used <= n_bytes and decoded.shape == x.shape
    # The audio is that of a file of so many bytes.
    finer, more = classical.opus_within(x, 24_000, 2 * n_bytes)
    assert more > used and np.square(x - finer).sum() < np.square(x - decoded).sum()


def test_opus_has_a_smallest_file():
    x = music()
    smallest = len(classical.opus_file(x, 8000, 6))
    assert classical.opus_within(x, 8000, smallest)[1] == smallest
    with pytest.raises(ValueError, match=rf"has {smallest} bytes. Received: n_bytes={smallest - 1}"):
        classical.opus_within(x, 8000, smallest - 1)


@pytest.mark.parametrize("sample_rate", classical.MP3_RATES)
def test_every_mp3_bitrate_is_what_it_says(sample_rate):
    x = music(sample_rate, 3 * sample_rate)
    for kbps in classical.mp3_bitrates(sample_rate)[:: 5 if sample_rate < 44_100 else 4]:
        decoded, n_bytes = classical.mp3(x, sample_rate, kbps)
        assert decoded.shape == x.shape
        assert 0.98 * kbps < metrics.real_kbps(n_bytes, 3.0) < 1.1 * kbps


def test_mp3_bitrates():
    assert classical.mp3_bitrates(8000) == (8, 16, 24, 32, 40, 48, 56, 64)
    assert classical.mp3_bitrates(22_050)[-2:] == (144, 160)
    assert 144 not in classical.mp3_bitrates(44_100) and classical.mp3_bitrates(44_100)[-1] == 320


@pytest.mark.parametrize("codec", classical.CODECS)
@pytest.mark.parametrize("samples", [1, 777, 10_007])
def test_any_length_comes_back(codec, samples):
    for sample_rate in (8000, 44_100):
        x = music(sample_rate, samples)
        assert classical.CODECS[codec](x, sample_rate, 64)[0].shape == x.shape


@pytest.mark.parametrize("codec", classical.CODECS)
def test_silence_stays_silent(codec):
    decoded, n_bytes = classical.CODECS[codec](np.zeros(8000, np.float32), 8000, 16)
    assert np.abs(decoded).max() < 1e-4 and n_bytes > 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: classical.mp3(x, 8000, 80), r"8, 16, 24, 32, 40, 48, 56, 64 kbit/s. Received: kbps=80"),
        (lambda x: classical.mp3(x, 44_100, 144), "Received: kbps=144"),
        (lambda x: classical.mp3(x, 8001, 64), "44100, 48000 Hz. Received: sample_rate=8001"),
        (lambda x: classical.opus(x, 8000, 5.9), "from 6 to 256 kbit/s. Received: kbps=5.9"),
        (lambda x: classical.opus(x, 8000, 257), "Received: kbps=257"),
        (lambda x: classical.mp3(x[None], 8000, 64), r"Received: shape \(1, 1000\)"),
        (lambda x: classical.opus(x[:0], 8000, 64), r"Received: shape \(0,\)"),
        (lambda x: classical.downsample(to_int16(x), 8000, 64), "Received: int16"),
    ],
)
def test_what_a_coder_cannot_do_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(music(samples=1000))


def test_real_music(real_music):
    """Downsampling, with 16 bits and with mu-law, and MP3 score what the same clips scored in another implementation."""
    data = datasets.load("fma_small", real_music)
    table = data.tracks[data.tracks["split"] == "test"].reset_index()
    tracks = [to_float(decode(data.root / path, 8000)) for path in table["path"]]
    x = np.stack([track[(len(track) - 65_536) // 2 :][:65_536] for track in tracks])
    for kbps, expected in ((63, 0.18), (31.5, 0.38), (15.75, 0.66), (7.875, 0.82)):
        pooled = metrics.pool(metrics.measure(x, classical.downsample(x, 8000, kbps)), table)
        assert pooled["spectral_rmse"] == pytest.approx(expected, rel=0.15)
        low, high = pooled["spectral_rmse_ci95"]
        assert low < pooled["spectral_rmse"] < high

    def pooled_rmse(codec, kbps, **options):
        decoded = np.stack([codec(clip, 8000, kbps, **options)[0] for clip in x])
        return metrics.pool(metrics.measure(x, decoded), table)["spectral_rmse"]

    for kbps, bits, expected in ((31.5, 5, 0.131), (15.75, 5, 0.237), (7.875, 4, 0.419)):
        alone = pooled_rmse(classical.mu_law, kbps, bits=[bits])
        assert alone == pytest.approx(expected, rel=0.15) and pooled_rmse(classical.mu_law, kbps) < alone
    for kbps, expected in ((16, 0.151), (32, 0.084), (64, 0.051)):
        assert pooled_rmse(classical.mp3, kbps) == pytest.approx(expected, rel=0.15)
    assert pooled_rmse(classical.opus, 16) < 0.25
