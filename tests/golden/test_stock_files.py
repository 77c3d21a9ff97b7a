"""lava-dl's own networks against the ground truths that ship beside them, and against Lava."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers import assert_same_run

import neuro_deploy as nd
from neuro_deploy.engines.compare import FIELDS
from neuro_deploy.files import sha256

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


def test_a_network_with_convolutions_is_refused_by_its_layer(lava_files: Path) -> None:
    with pytest.raises(nd.NeuroDeployError, match=r"network\.net:/layer/1: layer type 'conv'"):
        nd.load(lava_files / "gts" / "pilotnet_lif" / "network.net")


def test_the_networks_that_ship_are_what_their_manifest_says() -> None:
    folder = Path(__file__).parents[2] / "netx_models"
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert set(manifest) == {path.name for path in folder.glob("*.net")}
    data = nd.load_data("digits")
    for name, entry in manifest.items():
        assert sha256(folder / name) == entry["sha256"]
        assert nd.run(nd.load(folder / name), data.x).accuracy(data.y) == entry["accuracy_fixed"]
