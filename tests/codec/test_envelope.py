"""The envelope: bands, powers, exact integers, bytes that come back, bytes that are none."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmalib.codec import entropy, envelope, levels

ROWS, FLOOR, UNIT = envelope.ROWS, envelope.FLOOR, envelope.UNIT


def test_bands_are_100_hz_wide_at_first_and_a_fifth_of_their_edge_later():
    expected = [0, 2, 4, 6, 8, 10, 12, 14, 17, 21, 25, 30, 36, 43, 52, 62, 74, 80]
    assert envelope.edges(8000, 80).tolist() == expected


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000])
@pytest.mark.parametrize("hop", [4, 8, 80, 448, 8192])
def test_bands_cover_all_bins_once(rate, hop):
    found = envelope.edges(rate, hop)
    assert found[0] == 0
    assert found[-1] == hop
    assert (np.diff(found) > 0).all()


def test_powers_are_octaves_of_the_mean_square():
    coefficients = np.zeros((1, 2, 8))
    coefficients[0, 0] = [2, 2, 0, 0, 1, 1, 1, 1]
    found = envelope.measure(coefficients, np.array([0, 2, 4, 8]))
    assert found.tolist() == [[[2, FLOOR, 0], [FLOOR, FLOOR, FLOOR]]]


def test_a_power_that_stays_takes_one_number():
    values = envelope.quantise(np.full((1, 40, 4), -9.0), 8, envelope.cosines(4))
    assert values.shape == (1, 3, ROWS * 4)
    assert values[0, 0, 0] == 24 * 8  # octaves above the floor, times the root of 16 rows by 4 bands
    assert np.count_nonzero(values) == 1
    np.testing.assert_allclose(envelope.restore(values, 8, 40, envelope.cosines(4)), 24 * UNIT, atol=2)


@pytest.mark.parametrize("step", [1, 8, 43, 255])
@pytest.mark.parametrize("basis", [envelope.cosines(17), envelope.learned(17)])
def test_powers_are_as_near_as_the_step(basis, step):
    picture = np.random.default_rng(0).uniform(FLOOR + 8, 0, (2, 37, 17))
    restored = envelope.restore(envelope.quantise(picture, step, basis), step, 37, basis) / UNIT + FLOOR
    assert restored.shape == picture.shape
    off = np.sqrt(np.mean(np.square(np.clip(restored, FLOOR, None) - picture)))
    assert off < 0.62 * step / envelope.STEP_UNIT + 0.05


@pytest.mark.parametrize("outward", [0, envelope.OUTWARD])
def test_powers_are_restored_by_exact_integers(outward):
    """Python's integers, of any size, give the same."""
    rng, step, bands = np.random.default_rng(0), 43, 5
    values = np.rint(rng.laplace(0, 2, (1, 2, ROWS * bands))).astype(np.int64)
    values[0, 0, 0] += 25
    found = envelope.restore(values, step, 2 * ROWS, envelope.cosines(bands), outward)
    rows, columns = (envelope.cosines(size).astype(int).tolist() for size in (ROWS, bands))
    mean = [0] * bands
    for block in range(2):
        table = values[0, block].reshape(ROWS, bands).tolist()
        mean = [a + b for a, b in zip(mean, table[0])]
        eighths = [[8 * value + outward * ((value > 0) - (value < 0)) for value in row] for row in table]
        eighths[0] = [8 * value for value in mean]
        for time in range(ROWS):
            row = [sum(rows[i][time] * eighths[i][j] for i in range(ROWS)) >> 10 for j in range(bands)]
            power = [sum(row[j] * columns[j][band] for j in range(bands)) * step >> 12 for band in range(bands)]
            assert found[0, block * ROWS + time].tolist() == [min(max(0, each), 65 * UNIT) for each in power]


def test_extreme_numbers_stay_in_range():
    values = np.full((1, 3, ROWS * 27), envelope.MOST)
    found = envelope.restore(values, 255, 48, envelope.learned(27))
    assert found.max() == UNIT * (envelope.HIGHEST - FLOOR)
    assert found.min() == 0


def test_principal_components_come_in_order():
    rng = np.random.default_rng(0)
    changes = rng.normal(size=(64, 3)) * [1, 10, 3]  # of the second band most, then of the third
    assert np.abs(envelope.principal([changes + 7])).argmax(axis=1).tolist() == [1, 2, 0]
    one = rng.normal(size=(32, 1)) * np.array([3.0, 4.0])  # always together
    assert envelope.principal([one])[0].tolist() == [2458, 3277]  # 0.6 and 0.8


def test_learned_bases_are_orthonormal_and_never_change():
    found = hashlib.sha256()
    for bands in (17, 19, 21, 22, 23, 24, 26, 27):
        basis = envelope.learned(bands)
        assert not np.array_equal(basis, envelope.cosines(bands))
        np.testing.assert_allclose(basis @ basis.T / 4096**2, np.eye(bands), atol=1e-3)
        found.update(basis.astype("<i8").tobytes())
    assert found.hexdigest() == "d4092dcfae9f2fd313085be3815e04f44364041984b936ab523c4b09c7f92ee5"
    assert np.array_equal(envelope.learned(20), envelope.cosines(20))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 2]), st.integers(1, 50), st.integers(1, 27), st.floats(-3, 13))
def test_numbers_survive(seed, channels, frames, bands, octave):
    rng = np.random.default_rng(seed)
    shape = channels, -(-frames // ROWS), ROWS * bands
    values = np.clip(np.rint(rng.laplace(0, 2.0**octave, shape)), -envelope.MOST, envelope.MOST).astype(np.int64)
    np.testing.assert_array_equal(envelope.unpack(envelope.pack(values), channels, frames, bands), values)


def test_a_steady_sound_costs_less_and_less():
    picture = np.repeat(np.random.default_rng(0).uniform(-20, -5, (1, 1, 20)), 800, axis=1)
    sizes = [len(envelope.pack(envelope.quantise(picture[:, :frames], 36, envelope.cosines(20)))) for frames in (16, 400, 800)]
    assert sizes[0] < 40
    assert sizes[2] - sizes[1] < 30  # bytes of four seconds


def test_numbers_out_of_range_are_refused():
    values = np.zeros((1, 1, ROWS * 4), np.int64)
    values[0, 0, 7] = envelope.MOST + 1
    with pytest.raises(ValueError, match="Received: 32769"):
        envelope.unpack(envelope.pack(values), 1, 16, 4)


def test_wrong_bytes_are_a_value_error_or_numbers():
    rng = np.random.default_rng(0)
    for _ in range(200):
        try:
            values = envelope.unpack(rng.bytes(int(rng.integers(0, 200))), 2, 20, 9)
        except ValueError:
            continue
        assert np.abs(values).max() <= envelope.MOST


def test_the_context_model_starts_from_what_is_usual():
    near = envelope.Blocks(1, 3)
    assert envelope.usual(3)[:2].tolist() == [[4608, 2560, 1877], [2340, 1376, 975]]
    values = np.zeros((1, 2, ROWS * 3), np.int64)
    assert len(levels.pack(values, near)) <= 8


def test_coefficients_that_lie_farther_out_leave_less_error():
    rng = np.random.default_rng(0)
    picture = rng.laplace(-15, 1.5, (1, 320, 20))
    values, basis = envelope.quantise(picture, 24, envelope.cosines(20)), envelope.cosines(20)
    errors = [
        np.mean(np.square(envelope.restore(values, 24, 320, basis, outward) / UNIT + FLOOR - picture)) for outward in (0, 3, 6)
    ]
    assert errors[1] < 0.97 * errors[0] and errors[1] < errors[2]


@pytest.mark.parametrize("channels", [1, 2])
def test_an_encoder_that_looks_ahead_has_the_tables_of_a_decoder(channels):
    rng, near, found = np.random.default_rng(0), envelope.Blocks(channels, 9), []
    values = np.rint(rng.laplace(0, 2.0 ** rng.uniform(-2, 14, (1, 1, ROWS * 9)), (channels, 12, ROWS * 9))).astype(np.int64)
    for block in np.abs(values).transpose(1, 0, 2):
        found.append([])
        for number, part in enumerate(near.parts):
            found[-1].append(near.tables(number))
            near.frame[part] = entropy.known(block[part], found[-1][-1] % entropy.SCALES)
        near.next_frame(block)
    (tables,) = envelope.Blocks(channels, 9).ahead(values, None).blocks()
    np.testing.assert_array_equal(tables, [np.concatenate([each.ravel() for each in block]) for block in found])
