"""lava-dl's own networks against the ground truths that ship beside them, and against Lava."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import assert_same_run

import neuro_deploy as nd
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.files import sha256
from neuro_deploy.network import BiasEncoding, FixedNetwork

pytestmark = pytest.mark.lava


def test_ntidigits_gives_its_ground_truth_in_all_3000_timesteps(lava_files: Path, tmp_path: Path) -> None:
    """Three dense layers with delays up to 62 and leaking currents; lava-dl's output comes four timesteps later."""
    folder = lava_files / "gts" / "ntidigits"
    path = tmp_path / "ntidigits.net"
    shutil.copy(folder / "ntidigits.net", path)
    with h5py.File(path, "a") as file:
        del file["layer/5"]  # an 'average' layer, which Lava does not load either
    x, truth = np.load(folder / "input.npy").T, np.load(folder / "output.npy").T
    network = nd.load(path, timesteps=len(x))
    result = nd.run(network, x[None], record=("spikes",))
    spikes = result.spikes["layer.4"][0]
    assert truth.sum() == 22_572
    np.testing.assert_array_equal(spikes[:-4], truth[4:])
    np.testing.assert_array_equal(result.outputs[0], spikes.sum(axis=0))


def test_mnist_runs_as_in_lava(lava_files: Path) -> None:
    """Input by bias through the stock transform, a readout without neurons that wraps; u, v and spikes."""
    assert nd.load(lava_files / "mnist.net").timesteps == 16
    network = nd.load(lava_files / "mnist.net", timesteps=8)
    assert [(p.name, p.kind, p.neurons) for p in network.populations] == [
        ("input", "lif", 784),
        ("layer.1", "lif", 512),
        ("layer.2", "lif", 512),
        ("layer.3", "readout", 10),
    ]
    x = np.random.default_rng(0).uniform(-1, 1, (2, 784))
    want = nd.run(network, x, engine="lava", record=FIELDS)
    assert want.counts["layer.2"].sum() > 100
    assert_same_run(want, nd.run(network, x, record=FIELDS))
    assert_same_run(want, nd.run(network, x, engine="reference", record=FIELDS))


def truth(folder: Path, name: str) -> np.ndarray:
    """A ground truth of lava-dl, in Lava's order (width, height, channels, T): here (T, channels, height, width)."""
    return np.load(folder / f"{name}.npy").T


def pixels(network: FixedNetwork, mantissas: np.ndarray) -> np.ndarray:
    """One sample that the input layer's transform makes these bias mantissas, 1 or more: (1, *shape)."""
    encoding = network.encoding
    assert isinstance(encoding, BiasEncoding)
    x = (mantissas + 0.5 - encoding.offset) / encoding.weight  # the half is cut off
    np.testing.assert_array_equal(network.encode(x[None])[0], mantissas)
    return x[None]


def pilotnet(lava_files: Path, timesteps: int | None = None) -> tuple[FixedNetwork, np.ndarray, Path]:
    """The network, the sample of its ground truths, and their folder."""
    folder = lava_files / "gts" / "pilotnet_lif"
    network = nd.load(folder / "network.net", timesteps=timesteps)
    return network, pixels(network, np.load(folder / "image.npy").T), folder


def test_pilotnet_gives_its_ground_truths_in_every_layer(lava_files: Path) -> None:
    """u, v and spikes of a sample's 16 timesteps, which a layer at depth d starts d timesteps late.

    v is compared where nothing spikes: there the truths, read from a chip, hold 128, and Lava holds 0.
    """
    network, x, folder = pilotnet(lava_files)
    assert network.timesteps == 16
    run = nd.run(network, x, record=FIELDS)
    np.testing.assert_array_equal(run.spikes["input"][0], truth(folder, "input")[:16])
    layers = ["conv-0", "conv-1", "conv-2", "conv-3", "conv-4", "fc-0", "fc-1", "fc-2"]
    for depth, (population, layer) in enumerate(zip(network.populations[1:-1], layers, strict=True), start=1):
        window = slice(depth, depth + 16)
        spikes = truth(folder, layer)[window]
        u, v = (truth(folder, f"{layer}-{what}")[window] for what in "uv")
        assert len(spikes) == 16
        assert spikes.any()
        assert set(v[spikes]) == {128}
        name = population.name
        np.testing.assert_array_equal(run.spikes[name][0], spikes, err_msg=layer)
        np.testing.assert_array_equal(run.u[name][0], u, err_msg=layer)
        np.testing.assert_array_equal(np.where(spikes, 0, run.v[name][0]), np.where(spikes, 0, v), err_msg=layer)


def test_pilotnets_last_ground_truth_does_not_follow_from_the_layer_before(lava_files: Path) -> None:
    """Why fc-3 is compared with Lava alone: its u is not what fc-2's spikes, through the weights, would make."""
    network, _, folder = pilotnet(lava_files)
    weight = network.projections[-1].weight.astype(int)
    u = (truth(folder, "fc-2") @ weight.T)[:, 0] << 6
    said = truth(folder, "fc-3-u")[:, 0]
    np.testing.assert_array_equal(u[:7], said[1:8])
    assert (u[7], said[8]) == (-1536, 0)
    assert (u[10], said[11]) == (640, -5376)


def test_pilotnet_runs_as_in_lava(lava_files: Path) -> None:
    network, x, _ = pilotnet(lava_files, timesteps=8)
    want = nd.run(network, x, engine="lava", record=FIELDS)
    assert all(counts.sum() > 0 for name, counts in want.counts.items() if name != "layer.10")
    assert np.any(want.v["layer.10"])
    assert_same_run(want, nd.run(network, x, record=FIELDS))
    assert_same_run(want, nd.run(network, x, engine="reference", record=FIELDS))


def test_pilotnets_convolutions_give_the_sums_of_lavas_own_conv(lava_files: Path) -> None:
    """lava-dl's reader and lava-nc's function, each layer on the spikes of the one before. u forgets at once here."""
    import neuro_deploy.lava_compat

    neuro_deploy.lava_compat.require()
    from lava.lib.dl.netx.hdf5 import Network
    from lava.proc.conv import utils

    network, x, folder = pilotnet(lava_files, timesteps=8)
    run = nd.run(network, x, record=("spikes", "u"))
    blocks = Network(net_config=str(folder / "network.net"), num_layers=6).layers[1:]
    assert len(blocks) == 5
    for block, projection in zip(blocks, network.projections[:5], strict=True):
        synapse = block.synapse
        numbers = (synapse.kernel_size, synapse.stride, synapse.padding, synapse.dilation, synapse.groups)
        for t in (2, 7):
            spikes = run.spikes[projection.source][0, t].T.astype(bool)
            sums = utils.conv(spikes, synapse.weight.init, *(var.init for var in numbers))
            assert sums.any()
            np.testing.assert_array_equal(run.u[projection.target][0, t], sums.T << 6, err_msg=projection.name)


def test_tiny_net_gives_its_ground_truths(lava_files: Path) -> None:
    """Three layers of 16 timesteps; the truths' first is empty. Its weights have a fifth axis."""
    folder = lava_files / "gts" / "tinynet"
    assert nd.load(lava_files / "tiny.net").timesteps == 64
    network = nd.load(lava_files / "tiny.net", timesteps=15)
    run = nd.run(network, pixels(network, np.load(folder / "input_bias.npy").T), record=("spikes", "u"))
    for population, name in zip(network.populations, ("input", "layer1", "output"), strict=True):
        spikes = np.moveaxis(np.load(folder / f"{name}.npy")[0], -1, 0)
        assert spikes.sum() > 50
        np.testing.assert_array_equal(run.spikes[population.name][0], spikes[1:], err_msg=name)
    current = np.moveaxis(np.load(folder / "current.npy")[0], -1, 0)
    np.testing.assert_array_equal(run.u["layer.1"][0], 64 * current[1:])


def test_pilotnet_is_written_as_a_graph_and_comes_back(lava_files: Path, tmp_path: Path) -> None:
    network, x, _ = pilotnet(lava_files, timesteps=2)
    assert nd.save(network, tmp_path / "graph.net") == "graph"
    back = nd.load(tmp_path / "graph.net")
    assert [p.geometry for p in back.projections] == [p.geometry for p in network.projections]
    assert_same_run(nd.run(network, x, record=FIELDS), nd.run(back, x, record=FIELDS))


STOCK_NETWORK = """
import sys, numpy as np
import neuro_deploy.lava_compat
from lava.lib.dl.netx.hdf5 import Network
from lava.proc import io
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
path, inputs, out = sys.argv[1:]
x = np.load(inputs)  # (samples, T, channels, height, width)
samples, interval = x.shape[:2]
net = Network(path, reset_interval=interval, reset_offset=1)
steps = samples * interval + len(net.layers)
source = io.source.RingBuffer(data=x.reshape(-1, *x.shape[2:]).T)
sinks = [io.sink.RingBuffer(shape=layer.out.shape, buffer=steps) for layer in net.layers]
source.s_out.connect(net.inp)
for layer, sink in zip(net.layers, sinks):
    layer.out.connect(sink.a_in)
net.run(condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
spikes = [sink.data.get().T for sink in sinks]  # (T, channels, height, width)
net.stop()
np.savez(out, *[s[i + 1 : i + 1 + samples * interval].reshape(samples, interval, -1) for i, s in enumerate(spikes)])
"""
"""lava-dl's own loader and Lava's processes, samples back to back with reset_interval."""


def conv_chain(path: Path) -> Path:
    """Two groups, dilation, a depthwise layer; thresholds, decays and biases per channel and per neuron."""
    rng = np.random.default_rng(5)

    def neurons(threshold: object, bias: np.ndarray) -> dict[str, object]:
        decays = {"neuron/iDecay": rng.integers(2000, 4097, len(bias.T)), "neuron/vDecay": 700}
        return {"neuron/type": b"CUBA", "neuron/vThMant": threshold, "bias": bias, **decays}

    layers = [
        {"type": b"input", "shape": (4, 9, 12)},
        {
            "type": b"conv",
            "shape": (6, 5, 10),
            "weight": rng.integers(-60, 101, (6, 2, 3, 2, 1)),
            **{"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2},
            **neurons(rng.integers(40, 400, 6), rng.integers(-30, 31, 6)),
        },
        {
            "type": b"conv",
            "shape": (6, 4, 6),
            "weight": rng.integers(-60, 151, (6, 1, 2, 3)),
            **{"stride": (1, 2), "padding": (0, 2), "dilation": (1, 1), "groups": 6},
            **neurons(rng.integers(40, 300, (6, 4, 6)), rng.integers(-30, 31, (6, 4, 6))),
        },
        {"type": b"flatten"},
        {"type": b"dense", "shape": (5,), "weight": rng.integers(-60, 61, (5, 144)), **neurons(90, np.arange(5))},
    ]
    with h5py.File(path, "w") as file:
        for index, layer in enumerate(layers):
            for key, value in layer.items():
                file[f"layer/{index}/{key}"] = value
    return path


def test_the_stock_network_runs_a_chain_of_convolutions_spike_for_spike(tmp_path: Path) -> None:
    network = nd.load(conv_chain(tmp_path / "conv.net"), timesteps=6)
    assert len(network.projections) == 2 + 6 + 1
    x = np.random.default_rng(6).integers(0, 2, (3, 6, *network.encoding.shape))
    np.save(tmp_path / "x.npy", x)
    names = [str(tmp_path / name) for name in ("conv.net", "x.npy", "stock.npz")]
    command = [sys.executable, "-W", "ignore", "-c", STOCK_NETWORK, *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    ours = nd.run(network, x, engine="reference", record=FIELDS)
    with np.load(tmp_path / "stock.npz") as stock:
        for population, name in zip(network.computed, stock.files, strict=True):
            want = stock[name].reshape(3, 6, *population.shape)
            assert 0.1 < want.mean() < 0.9
            np.testing.assert_array_equal(ours.spikes[population.name], want, err_msg=population.name)
    for engine in ("native", "lava"):
        assert_same_run(ours, nd.run(network, x, engine=engine, record=FIELDS))


def test_the_networks_that_ship_are_what_their_manifest_says() -> None:
    folder = Path(__file__).parents[2] / "netx_models"
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert set(manifest) == {path.name for path in folder.glob("*.net")}
    data = nd.load_data("digits")
    for name, entry in manifest.items():
        assert sha256(folder / name) == entry["sha256"]
        assert nd.run(nd.load(folder / name), data.x).accuracy(data.y) == entry["accuracy_fixed"]
