"""Our emulation of the stock NetX reader against Lava's own functions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.netx.stock import stock_weight, unchanged

pytestmark = pytest.mark.lava

matrices = st.tuples(st.sampled_from([(-256, 254), (0, 254), (-256, 0), (-256, 300), (-300, 5), (0, 255)])).flatmap(
    lambda limits: arrays(np.int64, (2, 3), elements=st.integers(*limits[0]))
)


def lava_weight(weight: np.ndarray) -> tuple[np.ndarray, int]:
    """(weights, exponent) that run in Lava: its functions, in the order in which it calls them."""
    from lava.lib.dl.netx.utils import optimize_weight_bits
    from lava.utils.weightutils import clip_weights, determine_sign_mode, truncate_weights

    import neuro_deploy.lava_compat  # noqa: F401

    with np.errstate(divide="ignore"):
        scaled, bits, exponent, _ = optimize_weight_bits(weight.copy())
    mode = determine_sign_mode(scaled)
    return truncate_weights(clip_weights(scaled, mode, num_bits=8), mode, bits), exponent


@given(matrices, arrays(np.int64, 3, elements=st.integers(0, 255)))
@settings(max_examples=400)
@example(np.array([[-1, -1, -1], [-1, -1, -1]]), np.array([1, 1, 1]))
@example(np.array([[-64, -3, 0], [0, 0, 0]]), np.array([1, 1, 1]))
@example(np.array([[-256, -2, -2], [-2, -2, -2]]), np.array([1, 1, 1]))
@example(np.array([[255, -3, 1], [0, 0, 0]]), np.array([1, 1, 1]))
def test_what_acts_is_what_acts_in_lava(weight: np.ndarray, spikes: np.ndarray) -> None:
    try:
        ours = stock_weight(weight, "here")
    except UnsupportedError:
        assert not np.any(weight) or weight.min() < -256 or weight.max() > 255
        return
    acting, exponent = lava_weight(weight)
    lava_sum = acting @ spikes
    lava_input = lava_sum << exponent if exponent > 0 else lava_sum >> -exponent
    our_sum = ours.weight @ spikes
    np.testing.assert_array_equal(our_sum >> -ours.weight_exp if ours.weight_exp < 0 else our_sum, lava_input)


@given(arrays(np.int64, (2, 3), elements=st.integers(-128, 127).map(lambda n: 2 * n)))
@settings(max_examples=300)
def test_even_weights_of_both_signs_are_never_changed(weight: np.ndarray) -> None:
    if weight.max() > 0 > weight.min():
        assert unchanged(weight, "here")


def test_all_zero_weights_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="every weight is 0, which the stock NetX reader cannot load"):
        stock_weight(np.zeros((2, 2), int), "fc1")


def test_the_known_corruptions_are_seen() -> None:
    for row in ([-2, -2], [-4, -2], [-64, -2], [-256, -2]):
        assert not unchanged(np.array([row]), "here"), row
    for row in ([-6, -2], [2, 2], [254, 0], [-256, 2]):
        assert unchanged(np.array([row]), "here"), row
