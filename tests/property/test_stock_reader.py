"""Our emulation of the stock NetX reader against Lava's own functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import neuro_deploy as nd
from neuro_deploy.engines.reference import synaptic_input
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


@st.composite
def conv_layers(draw: st.DrawFn) -> tuple[tuple[int, int, int], dict[str, Any]]:
    """(shape of the source, datasets of a conv layer) whose sizes go together; numbers in every form that Lava takes."""

    def pair(low: int, high: int) -> tuple[int, int]:
        return draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    kernel, stride, padding, dilation = pair(1, 3), pair(1, 3), pair(0, 3), pair(1, 3)
    groups, ins, outs = (draw(st.integers(1, 3)) for _ in range(3))
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    sizes = [draw(st.integers(max(span - 2 * pad, 1), 8)) for span, pad in zip(spans, padding, strict=True)]
    made = [(n + 2 * pad - span) // step + 1 for n, pad, span, step in zip(sizes, padding, spans, stride, strict=True)]
    shape = (groups * outs, *made)
    low, high = draw(st.sampled_from([(-256, 255), (0, 255), (-256, -1), (0, 0)]))
    weight = draw(arrays(np.int64, (groups * outs, ins, *kernel), elements=st.integers(low, high)))
    layer: dict[str, Any] = {
        "shape": shape,
        "weight": (weight[..., None] if draw(st.booleans()) else weight).astype(np.float32),
        "groups": groups,
    }
    for key, value in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        layer[key] = draw(st.sampled_from([value[0], value])) if value[0] == value[1] else value
    forms = st.sampled_from([(), shape[:1], shape[::-1]])
    bias = draw(st.none() | forms.filter(bool).flatmap(lambda form: arrays(np.float32, form, elements=BIASES)))
    layer |= {} if bias is None else {"bias": bias}
    for key in ("neuron/vThMant", "neuron/iDecay", "neuron/vDecay"):
        layer[key] = draw(forms.flatmap(lambda form: arrays(np.int64, form, elements=st.integers(0, 4096))))
    return (groups * ins, *sizes), layer


BIASES = st.integers(-(4095 * 4), 4095 * 4).map(lambda quarters: quarters / 4)


def lava_conv(path: Path, source: tuple[int, int, int], spikes: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(sums, parameters of the neurons) in Lava, C order of (channels, height, width): its functions, as its model of
    Conv calls them. spikes: of the source's shape."""
    from lava.lib.dl.netx.hdf5 import Network
    from lava.lib.dl.netx.utils import NetDict
    from lava.proc.conv import utils

    import neuro_deploy.lava_compat  # noqa: F401

    with h5py.File(path) as file:
        block, _ = Network.create_conv(NetDict(f=file["layer"])[1], source[::-1])
    synapse, neuron = block.synapse, block.neuron
    numbers = (synapse.kernel_size, synapse.stride, synapse.padding, synapse.dilation)
    sums = utils.conv(
        spikes.T.astype(bool),
        synapse.weight.init.astype(np.int32),
        *(np.array(var.init).astype(np.int8) for var in numbers),
        np.int8(synapse.groups.init),
    )
    parameters = {
        "bias": neuron.bias_mant.init,
        "threshold": neuron.vth.init,
        "u_decay": neuron.du.init + 1,
        "v_decay": neuron.dv.init,
    }
    whole = {name: np.broadcast_to(value, block.shape).T.reshape(-1) for name, value in parameters.items()}
    return utils.signed_clamp(sums, bits=24).T.reshape(-1), whole


@given(conv_layers(), st.integers(0, 2**31))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_conv_layer_is_what_it_is_in_lava(
    tmp_path: Path, case: tuple[tuple[int, int, int], dict[str, Any]], seed: int
) -> None:
    source, layer = case
    path = tmp_path / "conv.net"
    with h5py.File(path, "w") as file:
        file.create_dataset("layer/0/type", (1,), "S10", [b"input"])
        file["layer/0/shape"] = source
        for key, value in {**layer, "type": [b"conv"], "neuron/type": b"CUBA"}.items():
            file[f"layer/1/{key}"] = value
    network = nd.load(path)
    spikes = np.random.default_rng(seed).integers(0, 2, source)
    sums, parameters = lava_conv(path, source, spikes)
    ours = sum(synaptic_input(projection, spikes.reshape(1, 1, -1), 0) for projection in network.projections)
    np.testing.assert_array_equal(ours[0], sums)
    for name, value in parameters.items():
        mine = getattr(network.output, name)
        np.testing.assert_array_equal(np.broadcast_to(mine, value.shape), value, err_msg=name)
    assert len(network.projections) == layer["groups"]


def test_sums_at_the_ends_of_24_bits_are_lavas_and_those_beyond_are_refused() -> None:
    from lava.proc.conv.utils import signed_clamp

    from neuro_deploy.netx.stock_conv import check_sums

    for total in (-(2**23), 2**23 - 1):
        assert signed_clamp(np.array(total), bits=24) == total
        check_sums(np.array([[[[total]]]]), "here")
    for total, shown in ((-(2**23) - 1, "-8,388,609 to 0"), (2**23, "0 to 8,388,608")):
        assert signed_clamp(np.array(total), bits=24) == -np.sign(total) * (2**23 - (total < 0))
        with pytest.raises(UnsupportedError, match=f"here: sums of weights span {shown}; Lava's Conv wraps them"):
            check_sums(np.array([[[[total]]]]), "here")
