"""The network in whole numbers: exact values, no order of addition, files that are refused."""

import numpy as np
import pytest

from fmalib.codec import entropy, integer_network
from fmalib.codec.integer_network import FINE, HIGHEST, NAMES, TABLES, UNIT


def trained(inputs=5, width=4, seed=0, size=1.0):
    """Returns arrays as training leaves them, for three passes."""
    rng = np.random.default_rng(seed)
    shapes = {"hidden": (inputs, width), "second": (width, width), "scale": width, "straight": inputs}
    shapes |= {"hidden_bias": width, "second_bias": width, "scale_bias": ()}
    return [{name: size * rng.normal(size=shapes[name]) for name in NAMES} for _ in range(3)]


def counts():
    return np.ones((TABLES, entropy.SYMBOLS), np.int64)


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


def test_sums_that_are_not_exact_are_refused():
    with pytest.raises(ValueError, match=r"below 2\*\*53 to be exact"):
        integer_network.rounded(trained(size=2**53 / FINE / HIGHEST), counts())


def test_counts_are_positive():
    with pytest.raises(ValueError, match="counts must be positive"):
        integer_network.rounded(trained(), counts() - 1)


def test_a_file_keeps_everything(tmp_path):
    network = integer_network.rounded(trained(), counts())
    integer_network.save(network, tmp_path / "weights.npz")
    back = integer_network.load(tmp_path / "weights.npz")
    np.testing.assert_array_equal(back.counts, network.counts)
    for one, other in zip(back.passes, network.passes):
        assert all(np.array_equal(one[name], other[name]) for name in NAMES)
    assert len(back.digest) == 4
    assert back.digest != network.digest
    integer_network.save(integer_network.rounded(trained(seed=1), counts()), tmp_path / "other.npz")
    assert integer_network.load(tmp_path / "other.npz").digest != back.digest


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
