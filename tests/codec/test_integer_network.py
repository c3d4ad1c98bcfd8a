"""The network in whole numbers: exact values, no order of addition, files that are refused."""

import numpy as np
import pytest
from helpers import logarithm
from numpy.lib.stride_tricks import sliding_window_view

from fmalib.codec import entropy, integer_network
from fmalib.codec.integer_network import FINE, HIGHEST, NAMES, PER_NAT, SIGN_NAMES, SIGN_TABLES, TABLES, UNIT


def trained(inputs=5, width=4, seed=0, size=1.0):
    """Returns arrays as training leaves them, for three passes."""
    rng = np.random.default_rng(seed)
    shapes = {"hidden": (inputs, width), "second": (width, width), "scale": width, "straight": inputs}
    shapes |= {"hidden_bias": width, "second_bias": width, "scale_bias": ()}
    return [{name: size * rng.normal(size=shapes[name]) for name in NAMES} for _ in range(3)]


def counts():
    return np.ones((TABLES, entropy.SYMBOLS), np.int64)


def trained_signs(signed=6, told=4, width=8, second=5, size=0.4):
    """Returns arrays as training leaves them, for both parts."""
    rng = np.random.default_rng(3)
    shapes = {"signed": (signed, width), "told": (told, width), "told_bias": width}
    shapes |= {"second": (width, second), "second_bias": second, "out": second}
    return [{name: size * rng.normal(size=shapes[name]) for name in SIGN_NAMES} for _ in range(2)]


def sign_counts():
    return np.full((SIGN_TABLES, 2), 3)


def test_logarithms():
    values = np.array([0, 0.0625, 0.5, 1, 2, 3, 4, 1000, 2**30])
    assert integer_network.logarithms(values).tolist() == [logarithm(value) for value in values]
    assert integer_network.logarithms(np.array([1.0, 3.0, 2.0])).tolist() == [256, 512, 256 + 128]


def test_a_scale_is_that_of_the_plain_network():
    passes = trained()
    network = integer_network.rounded(passes, counts())
    rng = np.random.default_rng(1)
    inputs = rng.integers(0, 12 * UNIT, (200, 5)).astype(np.float64)
    for number, weights in enumerate(passes):
        x = inputs / UNIT
        y = np.maximum(x @ weights["hidden"] + weights["hidden_bias"], 0)
        y = np.maximum(y @ weights["second"] + weights["second_bias"], 0)
        plain = np.clip(y @ weights["scale"] + x @ weights["straight"] + weights["scale_bias"], 0, entropy.SCALES - 1)
        found = network.scales(number, inputs)
        assert found.dtype == np.int64
        assert np.abs(found - plain).max() < 0.6  # rounding, and activations in 1/256


def test_by_hand():
    zero = {name: np.zeros_like(values) for name, values in trained(inputs=2, width=1)[0].items()}
    one = zero | {"hidden": np.array([[1.5], [-1.0]]), "second": np.ones((1, 1)), "scale": np.array([2.0])}
    one |= {"scale_bias": np.array(3.0)}
    network = integer_network.rounded([one, zero, zero], counts())
    assert network.passes[0]["hidden"].ravel().tolist() == [1.5 * FINE, -FINE]
    # 3 + 2 (1.5 x - y) where that is positive
    inputs = UNIT * np.array([[4.0, 2.0], [1.0, 5.0], [1e3, 0.0]])
    assert network.scales(0, inputs[:2]).tolist() == [11, 3]
    assert network.scales(0, np.minimum(inputs[2:], integer_network.LARGEST_INPUT)).tolist() == [99]
    assert network.scales(1, inputs[:2]).tolist() == [0, 0]


def test_the_order_of_addition_changes_nothing():
    network = integer_network.rounded(trained(inputs=40, width=32), counts())
    inputs = np.random.default_rng(1).integers(0, integer_network.LARGEST_INPUT, (500, 40)).astype(np.float64)
    order = np.random.default_rng(2).permutation(40)
    turned = [
        weights | {"hidden": weights["hidden"][order], "straight": weights["straight"][order]} for weights in network.passes
    ]
    other = integer_network.Network(tuple(turned), network.counts)
    np.testing.assert_array_equal(network.scales(0, inputs), other.scales(0, inputs[:, order]))
    np.testing.assert_array_equal(network.scales(0, inputs), [network.scales(0, row[None])[0] for row in inputs])


def test_a_logit_is_that_of_the_plain_network():
    parts = trained_signs()
    network = integer_network.rounded_signs(parts, sign_counts())
    rng = np.random.default_rng(1)
    signed = rng.integers(-UNIT, UNIT + 1, (200, 6)).astype(np.float64)
    told = rng.integers(0, 9 * UNIT, (200, 4)).astype(np.float64)

    def branch(weights, sign):
        inner = told / UNIT @ weights["told"] + weights["told_bias"] + sign * signed / UNIT @ weights["signed"]
        return np.maximum(np.maximum(inner, 0) @ weights["second"] + weights["second_bias"], 0) @ weights["out"]

    for number, weights in enumerate(parts):
        plain, found = branch(weights, 1) - branch(weights, -1), network.logits(number, signed, told)
        assert np.abs(found / (UNIT * FINE) - plain).max() < 0.03
        np.testing.assert_array_equal(found, np.rint(found))
        np.testing.assert_array_equal(network.logits(number, -signed, told), -found)  # opposite signs, opposite foretelling
        assert not network.logits(number, 0 * signed, told).any()


def test_tables_of_signs_are_by_the_magnitude_of_the_logit():
    nats = np.array([0, 0.124, 0.126, -0.126, 1.0, -4.99, 5.0, 80.0])
    tables = integer_network.sign_tables(nats * UNIT * FINE)
    assert tables.tolist() == [0, 0, 1, 1, PER_NAT, SIGN_TABLES - 1, SIGN_TABLES - 1, SIGN_TABLES - 1]


def test_signs_with_sums_that_are_not_exact_are_refused():
    with pytest.raises(ValueError, match=r"below 2\*\*53 to be exact"):
        integer_network.rounded_signs(trained_signs(size=2**53 / FINE / HIGHEST), sign_counts())


def test_counts_of_signs_are_positive():
    with pytest.raises(ValueError, match="counts of signs must be positive"):
        integer_network.rounded_signs(trained_signs(), sign_counts() - 3)


def test_signs_of_another_shape_are_refused():
    parts = trained_signs()
    parts[1]["told"] = parts[1]["told"][:, :-1]
    with pytest.raises(ValueError, match=r"told must have the shape \(4, 8\). Received: \(4, 7\)"):
        integer_network.rounded_signs(parts, sign_counts())


def test_sums_that_are_not_exact_are_refused():
    with pytest.raises(ValueError, match=r"below 2\*\*53 to be exact"):
        integer_network.rounded(trained(size=2**53 / FINE / HIGHEST), counts())


def test_counts_are_positive():
    with pytest.raises(ValueError, match="counts must be positive"):
        integer_network.rounded(trained(), counts() - 1)


def test_a_file_keeps_everything(tmp_path):
    signs = integer_network.rounded_signs(trained_signs(), sign_counts())
    network = integer_network.rounded(trained(), counts(), signs)
    integer_network.save(network, tmp_path / "weights.npz")
    back = integer_network.load(tmp_path / "weights.npz")
    for one, other in zip(back.signs.parts, signs.parts):
        assert all(np.array_equal(one[name], other[name]) for name in SIGN_NAMES)
    np.testing.assert_array_equal(back.signs.counts, signs.counts)
    np.testing.assert_array_equal(back.counts, network.counts)
    for one, other in zip(back.passes, network.passes):
        assert all(np.array_equal(one[name], other[name]) for name in NAMES)
    assert len(back.digest) == 4
    assert back.digest != network.digest
    integer_network.save(integer_network.rounded(trained(seed=1), counts()), tmp_path / "other.npz")
    assert integer_network.load(tmp_path / "other.npz").digest != back.digest
    assert integer_network.load(tmp_path / "other.npz").signs is None


@pytest.mark.parametrize("content", ["text", "half", "empty", "pickle", "missing"])
def test_other_files_are_refused_by_name(tmp_path, content):
    path = tmp_path / "weights.npz"
    integer_network.save(integer_network.rounded(trained(), counts()), path)
    if content == "text":
        path.write_text("no weights")
    elif content == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif content == "empty":
        path.write_bytes(b"")
    elif content == "pickle":
        np.savez(path, counts=np.array([{"code": "is not run"}], dtype=object))
    else:
        np.savez(path, counts=counts())
    with pytest.raises(ValueError, match=r"weights\.npz: these are no weights"):
        integer_network.load(path)


def test_windows_are_those_of_numpy():
    rows = np.arange(24.0).reshape(2, 12)
    for width in (1, 5, 12):
        np.testing.assert_array_equal(
            integer_network.windows(rows[:, 2:], min(width, 10)), sliding_window_view(rows[:, 2:], min(width, 10), axis=1)
        )
    assert not integer_network.windows(rows, 3).flags.writeable
