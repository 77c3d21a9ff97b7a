"""NetX files: round trips, stock files, and files from hostile strangers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import Trained
from helpers import assert_same_run, chain, chains, samples_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import neuro_deploy as nd
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.errors import FileError, FormatError, NeuroDeployError, RangeError, UnsupportedError
from neuro_deploy.network import BiasEncoding, FixedNetwork, SpikeEncoding
from neuro_deploy.netx.writer import write
from neuro_deploy.numerics.registers import NEVER


def stock_file(path: Path, layers: list[dict[str, Any]]) -> Path:
    """A NetX file as lava-dl writes it, from plain values."""
    with h5py.File(path, "w") as file:
        for index, layer in enumerate(layers):
            group = file.create_group(f"layer/{index}")
            for key, value in layer.items():
                if key in ("type", "neuron/type"):
                    group.create_dataset(key, (1,), "S10", [value.encode()])
                else:
                    group.create_dataset(key, data=value)
    return path


def dense(weight: Any, **extra: Any) -> dict[str, Any]:
    neuron = {"neuron/type": "CUBA", "neuron/iDecay": 4096, "neuron/vDecay": 128, "neuron/vThMant": 80}
    return {"type": "dense", "shape": [len(weight)], "weight": np.asarray(weight, np.float32), **neuron, **extra}


def conv(shape: Any, weight: Any, **extra: Any) -> dict[str, Any]:
    """A conv layer. weight: an array, or the shape of one that holds 2."""
    array = np.full(weight, 2, np.float32) if isinstance(weight, tuple) else np.asarray(weight, np.float32)
    sizes = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1}
    neuron = {"neuron/type": "CUBA", "neuron/iDecay": 4096, "neuron/vDecay": 128, "neuron/vThMant": 80}
    return {"type": "conv", "shape": shape, "weight": array, **sizes, **neuron, **extra}


def image(*shape: int) -> dict[str, Any]:
    return {"type": "input", "shape": shape}


FLATTEN: dict[str, Any] = {"type": "flatten"}


@pytest.mark.lava
@given(chains, st.integers(0, 2**31))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_network_comes_back_as_it_was_written_or_is_refused(tmp_path: Path, network: FixedNetwork, seed: int) -> None:
    path = tmp_path / "n.net"
    try:
        nd.save(network, path)
    except (UnsupportedError, RangeError):
        return
    back = nd.load(path)
    assert [vars(_plain(p)) for p in back.populations] == [vars(_plain(p)) for p in network.populations]
    assert back.timesteps == network.timesteps
    x = samples_for(network, seed)
    np.testing.assert_array_equal(back.encode(x), network.encode(x))
    assert_same_run(nd.run(network, x, record=FIELDS), nd.run(back, x, record=FIELDS))


@pytest.mark.lava
@pytest.mark.parametrize("mode", ["graded", "bias", "spikes"])
def test_every_kind_of_input_is_written(tmp_path: Path, mode: str) -> None:
    nd.save(chain(11, (6, 5, 4), mode=mode, weights="full"), tmp_path / "n.net")
    assert nd.load(tmp_path / "n.net").encoding.mode == mode


class _Plain:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def _plain(population: Any) -> _Plain:
    return _Plain(**{k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(population).items()})


@pytest.mark.lava
def test_the_file_looks_as_lava_dl_exports_it(digits_net: Path) -> None:
    with h5py.File(digits_net) as file:
        assert [file[f"layer/{i}/type"][0] for i in range(5)] == [b"input", b"flatten", b"dense", b"dense", b"dense"]
        assert file["layer/0/shape"][()].tolist() == [1, 8, 8]
        first = file["layer/2"]
        assert first["type"][0] == b"dense"
        assert set(first) == {"bias", "inFeatures", "neuron", "outFeatures", "shape", "type", "weight"}
        assert set(first["neuron"]) == {"gradedSpike", "iDecay", "refDelay", "type", "vDecay", "vThMant"}
        assert first["neuron/iDecay"][()] == 4096
        assert first["neuron/vDecay"][()] == 2048
        assert file["layer/4/neuron/vThMant"][()] == 131_071
        meta = json.loads(file["meta/document"][()])
    assert meta["timesteps"] == 4
    assert meta["populations"] == ["input", "fc1.lif", "fc2.lif", "readout"]
    assert len(meta["source"]["sha256"]) == 64
    assert meta["quantization"]["populations"][0]["name"] == "fc1.lif"


@pytest.mark.lava
def test_the_writer_refuses_what_the_stock_reader_would_change(tmp_path: Path) -> None:
    network = chain(1, (2, 2), mode="spikes", readout=False)
    for weight, said in (([[-2, -2], [-4, -2]], "would change these weights"), ([[0, 0], [0, 0]], "every weight is 0")):
        changed = type(network)(
            network.populations,
            (type(network.projections[0])("input", "p1", np.array(weight)),),
            network.timesteps,
            network.encoding,
        )
        with pytest.raises(UnsupportedError, match=f"input -> p1: .*{said}"):
            nd.save(changed, tmp_path / "n.net")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.lava
def test_the_writer_refuses_a_readout_that_hardware_could_make_spike(tmp_path: Path) -> None:
    network = chain(1, (4, 60, 3), weights="extreme", timesteps=200)
    with pytest.raises(RangeError, match=r"p2: v can reach .* in 200 timesteps, but hardware spikes above 8,388,544"):
        nd.save(network, tmp_path / "n.net")


@pytest.mark.lava
def test_more_timesteps_than_the_readout_was_proven_for_are_refused(digits_net: Path) -> None:
    assert nd.load(digits_net, timesteps=5).timesteps == 5
    with pytest.raises(
        RangeError, match=r"(?s)readout: v can reach .* in 640 timesteps.*convert again with --timesteps"
    ):
        nd.load(digits_net, timesteps=640)


@pytest.mark.lava
def test_the_writer_refuses_what_it_would_drop(lava_files: Path, tmp_path: Path) -> None:
    stock = nd.load(lava_files / "mnist.net")
    driven = chain(3, (4, 3), mode="bias")
    entry = replace(driven.populations[0], bias=np.array([5, 7, 0, 0]))
    spatial = chain(3, (4, 3), readout=False)
    cases = [
        (stock, "input layer is not written again|v can reach"),
        (replace(driven, populations=(entry, *driven.populations[1:])), "p0: has a bias of its own beside the data"),
        (
            replace(spatial, populations=(spatial.populations[0], replace(spatial.output, shape=(3, 1, 1)))),
            r"p1: has shape \(3, 1, 1\); a dense layer's neurons stand in a row",
        ),
        (replace(driven, populations=driven.populations[:1], projections=()), "without projections"),
        (replace(spatial, meta={"x": np.zeros(2)}), "meta holds what JSON does not"),
    ]
    for network, said in cases:
        with pytest.raises(UnsupportedError, match=said):
            write(network, tmp_path / "n.net")
    assert list(tmp_path.iterdir()) == []


def test_a_stock_chain_without_input_layer_takes_spikes(tmp_path: Path) -> None:
    path = stock_file(tmp_path / "s.net", [dense([[2, -4, 6]], bias=[3.7]), dense([[10], [-10]])])
    network = nd.load(path, timesteps=5)
    assert isinstance(network.encoding, SpikeEncoding)
    assert [p.name for p in network.populations] == ["input", "layer.0", "layer.1"]
    assert network.population("layer.0").bias.tolist() == [3]
    assert nd.load(path).timesteps == 32


def test_a_stock_input_layer_puts_data_into_its_bias(tmp_path: Path) -> None:
    entry = {**dense([[1]]), "type": "input", "shape": [1, 1, 2], "weight": [76.0], "bias": [64.0]}
    network = nd.load(
        stock_file(tmp_path / "s.net", [entry, {"type": "flatten", "shape": [2, 1, 1]}, dense([[2, -4]])])
    )
    assert isinstance(network.encoding, BiasEncoding)
    np.testing.assert_array_equal(network.encode([[0.5, -1.0]]).reshape(-1), [102, -12])


def test_a_stock_layer_without_neurons_is_a_readout(tmp_path: Path) -> None:
    last = {"type": "dense", "shape": [1], "weight": [[2.0, 4.0]]}
    network = nd.load(stock_file(tmp_path / "s.net", [last]))
    assert (network.output.kind, network.output.threshold) == ("readout", NEVER)
    assert (network.output.u_decay, network.output.v_decay) == (0, 4096)


@pytest.mark.parametrize(("delays", "want"), [([1, 2], [[1, 1], [2, 2]]), (3, 3), ([[1, 2], [3, 4]], [[1, 2], [3, 4]])])
def test_stock_delays_are_per_output_where_the_layer_is_square(tmp_path: Path, delays: Any, want: Any) -> None:
    network = nd.load(stock_file(tmp_path / "s.net", [dense([[2, -4], [6, 8]], delay=delays)]))
    np.testing.assert_array_equal(network.projections[0].delay, want)


def test_stock_delays_are_per_input_where_they_fit_the_inputs_alone(tmp_path: Path) -> None:
    network = nd.load(stock_file(tmp_path / "s.net", [dense([[2, -4, 6], [6, 8, 2]], delay=[1, 2, 3])]))
    np.testing.assert_array_equal(network.projections[0].delay, [[1, 2, 3]] * 2)


def test_a_stock_conv_layer_becomes_one_projection_per_group_with_zeros_between_its_taps(tmp_path: Path) -> None:
    weight = np.arange(1, 17).reshape(4, 1, 2, 2)
    layer = conv([4, 3, 2], weight, groups=2, dilation=[2, 1], padding=[1, 0], stride=[2, 1], bias=[1, 2, 3, 4])
    network = nd.load(stock_file(tmp_path / "s.net", [image(2, 5, 3), layer]))
    first, second = network.projections
    assert [p.shape for p in network.populations] == [(2, 5, 3), (4, 3, 2)]
    assert (first.geometry.source_channels, first.geometry.target_channels) == ((0, 1), (0, 2))
    assert (second.geometry.source_channels, second.geometry.target_channels) == ((1, 2), (2, 4))
    assert (second.geometry.stride, second.geometry.padding) == ((2, 1), (1, 0))
    assert second.weight.tolist() == [[[[9, 10], [0, 0], [11, 12]]], [[[13, 14], [0, 0], [15, 16]]]]
    assert network.output.bias.tolist() == [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6
    assert network.encoding == SpikeEncoding((2, 5, 3))


def test_parameters_of_a_stock_conv_layer_stand_in_lavas_order(tmp_path: Path) -> None:
    bias = np.arange(24).reshape(4, 3, 2)  # width, height, channels
    layer = conv([2, 3, 4], (2, 1, 1, 1), bias=bias) | {"neuron/vThMant": [5, 6], "neuron/vDecay": bias}
    population = nd.load(stock_file(tmp_path / "s.net", [image(1, 3, 4), layer])).output
    assert population.bias.reshape(2, 3, 4)[1, 2, 3] == bias[3, 2, 1]
    assert population.v_decay.reshape(2, 3, 4)[0, 2, 1] == bias[1, 2, 0]
    assert population.threshold.tolist() == [5] * 12 + [6] * 12
    assert population.u_decay == 4096


def test_a_stock_input_layer_drives_a_conv_layer_by_bias(tmp_path: Path) -> None:
    entry = {**conv([2, 3, 4], (1, 1)), "type": "input", "weight": [10.0], "bias": [1.0]}
    fires = {"neuron/vThMant": 9}
    layers = [entry, conv([1, 2, 2], (1, 2, 2, 3)) | fires, FLATTEN, dense([[2, -4, 6, 8]]) | fires]
    network = nd.load(stock_file(tmp_path / "s.net", layers), timesteps=3)
    x = np.linspace(0, 40, 48).reshape(2, 2, 3, 4)
    np.testing.assert_array_equal(network.encode(x), np.trunc(10 * x + 1))
    assert network.projections[-1].geometry.source == (4,)
    want = nd.run(network, x, engine="reference", record=FIELDS)
    assert want.counts["layer.3"].sum() > 0
    assert_same_run(want, nd.run(network, x, record=FIELDS))


def test_a_stock_chain_of_convolutions_is_written_as_a_graph_and_comes_back(tmp_path: Path) -> None:
    weight = 2 * np.random.default_rng(0).integers(-20, 30, (4, 2, 3, 2))
    layers = [
        image(4, 8, 6),
        conv([4, 8, 5], weight, groups=2, padding=[2, 1], dilation=[2, 3]),
        conv([4, 4, 2], 2 * np.ones((4, 1, 2, 2)), groups=4, stride=2, delay=[0.0]) | {"neuron/vThMant": 5},
        FLATTEN,
        dense(2 * np.ones((3, 32))) | {"neuron/vThMant": 5},
    ]
    network = nd.load(stock_file(tmp_path / "s.net", layers), timesteps=4)
    assert nd.save(network, tmp_path / "g.net") == "graph"
    back = nd.load(tmp_path / "g.net")
    assert [vars(_plain(p)) for p in back.populations] == [vars(_plain(p)) for p in network.populations]
    for mine, theirs in zip(network.projections, back.projections, strict=True):
        assert (mine.source, mine.target, mine.geometry) == (theirs.source, theirs.target, theirs.geometry)
        np.testing.assert_array_equal(mine.weight, theirs.weight)
    x = samples_for(network, 1)
    want = nd.run(network, x, record=FIELDS)
    assert all(want.counts[p.name].sum() > 0 for p in network.populations)
    assert_same_run(want, nd.run(back, x, engine="reference", record=FIELDS))


def test_odd_weights_of_a_stock_conv_layer_run_but_are_not_written(tmp_path: Path) -> None:
    network = nd.load(stock_file(tmp_path / "s.net", [image(1, 2, 2), conv([1, 2, 2], [[[[3]]]])]))
    assert network.projections[0].weight.tolist() == [[[[3]]]]
    with pytest.raises(RangeError, match="weight spans 3 to 3, allowed: even numbers"):
        nd.save(network, tmp_path / "g.net")


def test_a_chain_of_ours_holds_no_conv_layer(tmp_path: Path) -> None:
    path = stock_file(tmp_path / "s.net", [image(1, 2, 2), conv([1, 2, 2], (1, 1, 1, 1))])
    document = {"version": 1, "timesteps": 4, "populations": ["a", "b"], "readout": None}
    with h5py.File(path, "a") as file:
        file["meta/document"] = json.dumps(document | {"encoding": {"mode": "spikes", "shape": [1, 2, 2]}})
    with pytest.raises(FormatError, match="layer/1: a chain with /meta has dense layers only"):
        nd.load(path)


def test_zeros_between_taps_are_counted_before_memory_is_taken(tmp_path: Path) -> None:
    path = stock_file(tmp_path / "s.net", [image(1024, 128, 128), conv([1024, 1, 1], (1, 1), dilation=127)])
    with h5py.File(path, "a") as file:
        del file["layer/1/weight"]
        file["layer/1"].create_dataset("weight", (1024, 1024, 2, 2), "f4", chunks=(16, 1024, 2, 2), compression="gzip")
    with pytest.raises(FormatError, match=r"layer/1/dilation: makes 17,179,869,184 weights of 4,194,304, at most"):
        nd.load(path)


def test_neurons_of_many_conv_layers_are_counted_before_memory_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neuro_deploy.netx.hostile.MEMORY_BUDGET", 100_000)
    layers = [image(1, 32, 32), *[conv([1, 32, 32], (1, 1, 1, 1))] * 4]
    with pytest.raises(FormatError, match=r"layer/4: makes the file take [0-9,]+ bytes unpacked, at most 100,000 are"):
        nd.load(stock_file(tmp_path / "s.net", layers))


def one_conv(**changes: Any) -> list[dict[str, Any]]:
    """A conv layer of kernel 3 on an image, with one thing changed."""
    return [image(2, 6, 5), conv([4, 4, 3], (4, 2, 3, 3)) | changes]


DRIVEN = {**conv([1, 2, 2], (1, 1)), "type": "input", "weight": 1}
CONV_REFUSED: list[tuple[str, list[dict[str, Any]], type[NeuroDeployError], str]] = [
    ("alone", [conv([1, 1, 1], (1, 1, 1, 1))], UnsupportedError, "layer/0: a conv layer without an input layer, whose"),
    (
        "flat",
        [image(1, 2, 2), FLATTEN, conv([1, 2, 2], (1, 1, 1, 1))],
        UnsupportedError,
        "layer/2: .* behind a flatten",
    ),
    ("row", [dense([[2]]), conv([1, 1, 1], (1, 1, 1, 1))], FormatError, r"layer/1: is fed by a layer of shape \(1,\)"),
    ("plane", [image(4, 4), conv([1, 4, 4], (1, 1, 1, 1))], FormatError, r"is fed by a layer of shape \(4, 4\)"),
    ("no flatten", [*one_conv(), dense([[2] * 48])], FormatError, "layer/2: takes neurons in a row, the layer before"),
    ("driven", [DRIVEN, dense([[2] * 4])], FormatError, r"layer/1: takes neurons in a row, .* shape \(1, 2, 2\)"),
    (
        "flattened",
        [*one_conv(), FLATTEN | {"shape": [47]}],
        FormatError,
        r"layer/2/shape: is \(47,\), the layer before",
    ),
    ("pool", [*one_conv(), {"type": "pool"}], UnsupportedError, "layer type 'pool'; this version runs input, flatten,"),
    ("convT", [*one_conv(), {"type": "convT"}], UnsupportedError, "layer/2: layer type 'convT'"),
    ("average", [*one_conv(), {"type": "average"}], UnsupportedError, "layer/2: layer type 'average'"),
    ("sdnn", one_conv(**{"neuron/type": "SDNN"}), UnsupportedError, "layer/1/neuron/type: neuron type 'SDNN'"),
    ("shape", one_conv(shape=[4, 4, 4]), FormatError, r"layer/1/shape: is \(4, 4, 4\); weights .* make \(4, 4, 3\) of"),
    ("channels", one_conv(shape=[5, 4, 3]), FormatError, r"layer/1/shape: is \(5, 4, 3\); weights"),
    ("claim", one_conv(shape=[4, 2000, 2000]), FormatError, r"layer/1/shape: is \(4, 2000, 2000\); weights"),
    ("giant", one_conv(shape=[2**16, 2**16, 2**16]), FormatError, "layer/1/shape: .* together at most 16,777,216"),
    ("axes", one_conv(shape=[48]), FormatError, r"layer/1/shape: is \(48,\); \(channels, height, width\) is wanted"),
    ("many", one_conv(shape=[4, 4, 3, 1]), FormatError, "layer/1/shape: holds 4 numbers, at most 3 are wanted"),
    ("small", [image(2, 2, 5), conv([4, 0, 3], (4, 2, 3, 3))], FormatError, "sizes of at least 1"),
    ("inside", [image(2, 2, 2), conv([4, 1, 1], (4, 2, 3, 3))], FormatError, r"make \(4, 0, 0\) of \(2, 2, 2\)"),
    ("rank", one_conv(weight=np.ones((4, 18))), FormatError, r"layer/1/weight: has shape \(4, 18\); \(out channels,"),
    ("fifth", one_conv(weight=np.ones((4, 2, 3, 3, 2))), FormatError, r"weight: has shape \(4, 2, 3, 3, 2\)"),
    ("empty", one_conv(weight=np.ones((4, 2, 0, 3))), FormatError, r"weight: has shape \(4, 2, 0, 3\)"),
    ("ins", one_conv(weight=np.ones((4, 3, 3, 3))), FormatError, "layer/1/weight: .* in 1 groups does not fit 2 input"),
    ("nan", one_conv(weight=np.full((4, 2, 3, 3), np.nan)), FormatError, "layer/1/weight: holds NaN or infinity"),
    ("large", one_conv(weight=np.full((4, 2, 3, 3), 256)), FormatError, "layer/1/weight: weight holds 256.0, allowed"),
    (
        "kernel",
        [image(1, 128, 1), conv([1, 1, 1], (1, 1, 128, 1))],
        FormatError,
        "layer/1/weight: kernel size holds 128, allowed: whole numbers from 1 to 127",
    ),
    ("groups", one_conv(groups=2), FormatError, "layer/1/weight: .* in 2 groups does not fit 2 input channels"),
    (
        "outs",
        one_conv(groups=2, weight=np.ones((5, 1, 3, 3))),
        FormatError,
        r"layer/1/weight: has shape \(5, 1, 3, 3\), which in 2 groups",
    ),
    ("no groups", one_conv(groups=0), FormatError, "layer/1/groups: groups holds 0.0, allowed: whole numbers from 1"),
    ("two groups", one_conv(groups=[1]), FormatError, r"layer/1/groups: has shape \(1,\); \(\) is wanted"),
    ("stride", one_conv(stride=[0, 1]), FormatError, "layer/1/stride: stride holds 0.0, allowed: whole numbers from 1"),
    ("half", one_conv(stride=1.5), FormatError, "layer/1/stride: stride holds 1.5, allowed: whole numbers"),
    ("far", one_conv(stride=128), FormatError, "layer/1/stride: stride holds 128.0, allowed: whole numbers from 1 to"),
    ("strides", one_conv(stride=[1, 1, 1]), FormatError, r"stride: has shape \(3,\); \(\) or \(2,\) is wanted"),
    (
        "padding",
        one_conv(padding=-1),
        FormatError,
        "layer/1/padding: padding holds -1.0, allowed: whole numbers from 0",
    ),
    ("dilation", one_conv(dilation=[1, 0]), FormatError, "layer/1/dilation: dilation holds 0.0, allowed"),
    ("dilated", one_conv(dilation=[2, 2]), FormatError, r"dilation \(2, 2\) make \(4, 2, 1\) of \(2, 6, 5\)"),
    ("delay", one_conv(delay=[0, 3, 0, 0]), UnsupportedError, "layer/1/delay: a conv layer's delays, which Lava drops"),
    (
        "delays",
        one_conv(delay=np.zeros(49)),
        UnsupportedError,
        "layer/1/delay: a conv layer's delays, which Lava drops",
    ),
    ("bias", one_conv(bias=7), FormatError, r"layer/1/bias: has shape \(\); \(4,\) or \(3, 4, 4\) is wanted"),
    ("biases", one_conv(bias=np.zeros((4, 4, 3))), FormatError, r"layer/1/bias: has shape \(4, 4, 3\); \(4,\) or"),
    (
        "thresholds",
        one_conv(**{"neuron/vThMant": np.ones(48)}),
        FormatError,
        r"layer/1/neuron/vThMant: has shape \(48,\); one number or \(4,\) or \(3, 4, 4\) is wanted",
    ),
    (
        "sums",
        [image(33_000, 1, 1), conv([1, 1, 1], np.full((1, 33_000, 1, 1), 255))],
        UnsupportedError,
        "layer/1/weight: sums of weights span 0 to 8,415,000; Lava's Conv wraps them beyond 24 bits",
    ),
    (
        "padded",
        [image(1, 1, 2**24), conv([1, 3, 132_107], (1, 1, 1, 1), stride=127, padding=127)],
        UnsupportedError,
        "layer/1/weight: pads its source to 4,278,254,850 numbers",
    ),
]


@pytest.mark.parametrize(
    ("layers", "kind", "said"), [case[1:] for case in CONV_REFUSED], ids=[case[0] for case in CONV_REFUSED]
)
def test_broken_conv_layers_are_refused_by_path(
    tmp_path: Path, layers: list[dict[str, Any]], kind: type[NeuroDeployError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        nd.load(stock_file(tmp_path / "s.net", layers))


@pytest.mark.parametrize("field", ["weight", "stride", "padding", "dilation", "groups", "neuron"])
def test_a_conv_layer_says_all_that_lava_wants(tmp_path: Path, field: str) -> None:
    path = stock_file(tmp_path / "s.net", one_conv())
    with h5py.File(path, "a") as file:
        del file[f"layer/1/{field}"]
    with pytest.raises(FormatError, match=f"layer/1/{field}: is missing"):
        nd.load(path)


REFUSED: list[tuple[str, list[dict[str, Any]], type[NeuroDeployError], str]] = [
    ("rec", [{"type": "dense_rec"}], UnsupportedError, "(?s)layer type 'dense_rec'.*hint: train and export the model"),
    (
        "sdnn",
        [dense([[2]]) | {"neuron/type": "SDNN"}],
        UnsupportedError,
        r"(?s)layer/0/neuron/type: neuron type 'SDNN'.*hint: export a model of slayer.block.cuba layers",
    ),
    ("nan", [dense([[np.nan, 2.0]])], FormatError, "layer/0/weight: holds NaN or infinity"),
    ("inf", [dense([[np.inf, 2.0]])], FormatError, "layer/0/weight: holds NaN or infinity"),
    ("large", [dense([[300.0, -2.0]])], FormatError, "layer/0/weight: weight holds 300.0, allowed: whole numbers"),
    ("zero", [dense([[0.0, 0.0]])], UnsupportedError, "every weight is 0"),
    (
        "text",
        [dense([[2]]) | {"weight": np.array([[b"abc"]])}],
        FormatError,
        "layer/0/weight: holds .*numbers are wanted",
    ),
    ("shape", [dense([[2, 4], [6, 8], [2, 2]]) | {"shape": [2]}], FormatError, "does not fit 2 neurons"),
    ("cube", [dense([[[2, 4]]])], FormatError, r"has shape \(1, 1, 2\), which does not fit 1 neurons"),
    ("huge", [dense([[2]]) | {"shape": [2**32, 2**32]}], FormatError, "layer/0/shape: .* together at most 16,777,216"),
    (
        "vths",
        [dense([[2], [4]]) | {"neuron/vThMant": [1, 2, 3]}],
        FormatError,
        r"vThMant: has shape \(3,\); one number",
    ),
    ("chain", [dense([[2, 4]]), dense([[2, 4, 6]])], FormatError, "takes 3 inputs, the layer before has 1 neurons"),
    ("bias", [dense([[2, 4]], bias=[5000])], FormatError, "layer/0/bias: bias mantissa holds 5000"),
    ("biases", [dense([[2, 4]], bias=[1, 2, 3])], FormatError, r"layer/0/bias: has shape \(3,\); one number or"),
    ("vth", [dense([[2]]) | {"neuron/vThMant": 1 << 20}], FormatError, "vThMant holds 1048576"),
    ("decay", [dense([[2]]) | {"neuron/vDecay": 5000}], FormatError, "layer/0/neuron/vDecay: decay holds 5000"),
    (
        "half",
        [dense([[2]]) | {"neuron/vThMant": 2.5}],
        FormatError,
        "layer/0/neuron/vThMant: vThMant holds 2.5, allowed",
    ),
    ("delay", [dense([[2, 4]], delay=[63, 0])], FormatError, "layer/0/delay: delay holds 63"),
    ("late", [dense([[2, 4]]), {"type": "input", "shape": [1]}], FormatError, "an input layer stands only first"),
    ("none", [{"type": "input", "shape": [3]}], FormatError, "no dense or conv layer"),
    ("missing", [{"type": "dense", "shape": [1]}], FormatError, "layer/0/weight: is missing"),
    ("minus", [dense([[2]]) | {"shape": [-1]}], FormatError, "one to three sizes of at least 1"),
]


@pytest.mark.parametrize(("layers", "kind", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_broken_stock_files_are_refused_by_path(
    tmp_path: Path, layers: list[dict[str, Any]], kind: type[NeuroDeployError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        nd.load(stock_file(tmp_path / "s.net", layers))


def test_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    secret = stock_file(tmp_path / "secret.net", [dense([[2]])])
    path = stock_file(tmp_path / "s.net", [dense([[2]])])
    with h5py.File(path, "a") as file:
        del file["layer/0/weight"]
        file["layer/0/weight"] = h5py.ExternalLink(secret.name, "/layer/0/weight")
    with pytest.raises(FormatError, match="layer/0/weight: is a link, which is not followed"):
        nd.load(path)


def test_a_file_that_claims_more_than_memory_is_refused_at_once(tmp_path: Path) -> None:
    path = stock_file(tmp_path / "s.net", [dense([[2]])])
    with h5py.File(path, "a") as file:
        del file["layer/0/weight"]
        file["layer/0"].create_dataset("weight", (2**20, 2**20), "f4", chunks=(1, 2**10))
    with pytest.raises(FormatError, match=r"has 1,099,511,627,776 numbers, 1 to 134,217,728 are allowed"):
        nd.load(path)


@pytest.mark.parametrize(
    ("place", "number"),
    [(16, 0), (24, 2**64 - 16), (8, 2**40), (8, 2**63)],
    ids=["free", "wrapping", "long", "endless"],
)
def test_a_heap_of_texts_that_never_ends_is_refused_and_not_walked(tmp_path: Path, place: int, number: int) -> None:
    """The HDF5 library would follow sizes of 0 without end, out of reach of an interrupt."""
    path = stock_file(tmp_path / "s.net", [dense([[2]])])
    with h5py.File(path, "a") as file:
        del file["layer/0/neuron/type"]
        file["layer/0/neuron/type"] = "CUBA"
    assert nd.load(path).output.kind == "lif"
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    content[heap + place : heap + place + 16] = number.to_bytes(8, "little") + bytes(8)
    path.write_bytes(content)
    with pytest.raises(FormatError, match=rf"s\.net: has a broken heap of texts at byte {heap:,}"):
        nd.load(path)


def test_layers_must_be_numbered(tmp_path: Path) -> None:
    path = stock_file(tmp_path / "s.net", [dense([[2]])])
    with h5py.File(path, "a") as file:
        file.move("layer/0", "layer/7")
    with pytest.raises(FormatError, match="layers must be numbered 0 to 0"):
        nd.load(path)


@pytest.mark.parametrize("keep", [0, 1, 100, 2000])
def test_truncated_and_empty_files_are_refused(tmp_path: Path, keep: int) -> None:
    path = stock_file(tmp_path / "s.net", [dense([[2, 4]])])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(FormatError, match="not a readable HDF5 file: empty, truncated or of another type"):
        nd.load(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        nd.load(tmp_path / "none.net")
    with pytest.raises(FileError, match="is a folder, a file is wanted"):
        nd.load(tmp_path)


@pytest.mark.lava
@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("version", 99, "has version 99, this tool reads 1"),
        ("timesteps", 0, "timesteps is 0"),
        ("timesteps", "x", "timesteps is 'x'"),
        ("timesteps", True, "timesteps is True"),
        ("populations", ["a", "a", "b", "c"], "population names must be different"),
        ("populations", ["a", "b"], "names populations, readout and driven population"),
        ("populations", "wxyz", "must be a list of printable texts"),
        ("populations", ["a\n", "b", "c", "d"], "must be a list of printable texts"),
        ("readout", "fc1.lif", "names populations, readout and driven population"),
        ("encoding", {"mode": "bias", "shape": [64], "population": "x", "integers": None}, "is missing"),
        ("encoding", {"mode": "graded", "shape": [1e999], "scale": 1, "low": 0, "levels": 16}, "is not what this tool"),
        ("encoding", {"mode": "graded", "shape": [64], "scale": 1, "low": 0, "levels": 1e999}, "is not what this tool"),
        (
            "encoding",
            {"mode": "graded", "shape": [64], "scale": -1, "low": 0, "levels": 16},
            "is not what this tool writes",
        ),
        ("encoding", {"mode": "graded"}, "is not what this tool writes"),
        ("encoding", None, "is not what this tool writes"),
    ],
)
def test_broken_meta_is_refused(
    trained: Trained, digits_net: Path, tmp_path: Path, key: str, value: Any, said: str
) -> None:
    path = tmp_path / "m.net"
    path.write_bytes(digits_net.read_bytes())
    with h5py.File(path, "a") as file:
        document = json.loads(file["meta/document"][()]) | {key: value}
        del file["meta/document"]
        file["meta/document"] = json.dumps(document)
    with pytest.raises(FormatError, match=said):
        nd.load(path)


@pytest.mark.lava
def test_an_interrupted_write_leaves_the_old_file(
    digits_net: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.net"
    path.write_bytes(b"\x89HDF\r\n\x1a\nold")

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nd.save(nd.load(digits_net), path)
    assert path.read_bytes().endswith(b"old")
    assert list(tmp_path.iterdir()) == [path]
