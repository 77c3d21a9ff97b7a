"""The Mixer-SNN against arrays of its official code: spikes, logits and synaptic operations, and what integers make of it.

The arrays hold random parameters and what the official code computed from them; they are no part of this repository.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

import neuro_deploy as nd
from neuro_deploy.frontends.source import checkpoint_graph
from neuro_deploy.network import FixedNetwork, Network
from neuro_deploy.passes import Skip
from neuro_deploy.passes.alone import alone
from neuro_deploy.passes.duplicates import Alias, duplicates
from neuro_deploy.passes.quantize import ScaleMode
from neuro_deploy.training.data import Data

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden" / "mixer"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.npz")) or ["none"]
SKIPS: tuple[Skip, ...] = ("relay", "recompute")
SCALES: tuple[ScaleMode, ...] = ("population", "channel")
Arrays = Mapping[str, np.ndarray]

official = pytest.mark.skipif(NAMES == ["none"], reason=f"the official code's arrays are not at {GOLDEN}")


def state_dict(folder: Path, name: str) -> tuple[Arrays, Path]:
    """(a file's arrays, its parameters as the official code would have saved them)."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    path = folder / f"{name}.pt"
    torch.save({key[3:]: torch.tensor(array) for key, array in arrays.items() if key.startswith("sd/")}, path)
    return arrays, path


def as_map(module: str, spikes: np.ndarray, grid: tuple[int, ...]) -> np.ndarray:
    """Spikes of the official code, (T, samples, ...) as each module has them, as (samples, T, channels, *grid)."""
    spikes = np.moveaxis(spikes, 0, 1)
    if spikes.ndim == 4:  # (samples, T, tokens, channels)
        return np.moveaxis(spikes, 3, 2).reshape(*spikes.shape[:2], -1, *grid)
    if ".proj_" in module:  # the branch's own axis comes first
        return np.moveaxis(spikes, 2, 3 if ".proj_h." in module else 4)
    return spikes


def fired(arrays: Arrays) -> dict[str, np.ndarray]:
    """module -> its spikes, raw."""
    return {key.split("/")[2]: array for key, array in arrays.items() if key.startswith("spk/")}


@official
@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("name", NAMES)
def test_every_spike_is_that_of_the_official_code(tmp_path: Path, name: str, skip: Skip) -> None:
    arrays, path = state_dict(tmp_path, name)
    aliases = duplicates(checkpoint_graph(path))
    result = nd.run(nd.lower(path, skip=skip), arrays["input"], record=("spikes",))
    wanted = fired(arrays)
    assert set(wanted) == set(result.spikes) | set(aliases)
    assert set(aliases) == {module for module in wanted if ".lif." in module}
    for module, raw in wanted.items():
        alias = aliases.get(module)
        spikes = result.spikes[alias.name][:, :, alias.start : alias.stop] if alias else result.spikes[module]
        np.testing.assert_array_equal(spikes, as_map(module, raw, spikes.shape[3:]), err_msg=module)
    np.testing.assert_allclose(result.outputs, arrays["logits_t_f64"].mean(axis=0), rtol=0, atol=1e-12)
    np.testing.assert_allclose(result.outputs, arrays["logits"], rtol=0, atol=1e-6)


@official
@pytest.mark.parametrize("name", NAMES)
def test_neurons_inside_a_patch_cell_are_the_first_thirds_of_the_neurons_behind_it(tmp_path: Path, name: str) -> None:
    arrays, path = state_dict(tmp_path, name)
    dim = json.loads(str(arrays["config_json"]))["dim"]
    found = duplicates(checkpoint_graph(path))
    assert bool(found) is name.startswith("spe")
    for module, alias in found.items():
        _, stage, _, node = module.split(".")
        third = dim * 2 ** int(stage) // 3
        assert alias == Alias(f"to_patch_embedding_lif.{stage}", third * int(node), third * (int(node) + 1))


def reached(module: str, width: Mapping[str, int]) -> tuple[str, int]:
    """(the population that a module's weights feed, the first of its channels that they feed), with relays."""
    name = module.rpartition(".")[0]
    if match := re.fullmatch(r"(to_patch_embedding\.\d+)\.(?:cell2node\.|node\d_node)(\d)", name):
        cell, node = match[1], int(match[2])
        return cell, width[cell] // 3 * (node if "cell2node" in name else node - 1)
    if module.endswith((".proj_h.1", ".proj_w.1")):
        return f"{name}.3", 0
    if module.endswith(".fuse.0"):
        return module.replace("fuse.0", "sum"), 0
    return (f"{name}.2", 0) if module.endswith(".net.0") else (module, 0)


def operations(network: Network | FixedNetwork, spikes: Arrays) -> Counter:
    """(population, first channel) -> synaptic operations of neurons' spikes through its weights: (T, samples)."""
    found: Counter = Counter()
    for projection in network.projections:
        geometry, target = projection.geometry, network.population(projection.target)
        if projection.source not in spikes or geometry.kind == "one-to-one" or target.kind == "readout":
            continue
        fan_out = geometry.fan_out(np.ones(projection.weight.shape))
        sent = spikes[projection.source].astype(np.int64)
        first = geometry.target_channels[0] if geometry.target_channels else 0
        found[projection.target, first] += (sent.reshape(*sent.shape[:2], -1) @ fan_out).T
    return found


@official
@pytest.mark.parametrize("name", NAMES)
def test_synaptic_operations_are_those_that_the_official_code_counted(tmp_path: Path, name: str) -> None:
    """Per timestep and image, through the weights of the float network, and through those of the integers.

    The identity edge of a patch cell is merged into weights that are there anyway: it costs nothing, as it did.
    """
    arrays, path = state_dict(tmp_path, name)
    network = nd.lower(path)
    spikes = nd.run(network, arrays["input"], record=("spikes",)).spikes
    width = {population.name: population.shape[0] for population in network.populations}
    wanted: Counter = Counter()
    for key, counted in arrays.items():
        if key.startswith("synops/") and key != "synops/mlp_head.1":
            wanted[reached(key.removeprefix("synops/"), width)] += counted
    assert sum(counted.sum() for counted in wanted.values()) > 100_000
    for made in (network, nd.convert(path)[0]):
        found = operations(made, spikes)
        assert set(found) == set(wanted)
        for place, counted in wanted.items():
            np.testing.assert_array_equal(found[place], counted, err_msg=str(place))


@official
@pytest.mark.parametrize("name", NAMES)
def test_more_powers_of_two_change_fewer_spikes(tmp_path: Path, name: str) -> None:
    """Of the batch norm per token before the residual; 8 powers of two change none."""
    arrays, path = state_dict(tmp_path, name)
    want = nd.run(nd.lower(path), arrays["input"], record=("spikes",)).spikes
    neurons = sum(spikes.size for spikes in want.values())
    shares = []
    for terms in range(1, 9):
        got = nd.run(nd.lower(path, token_norm=f"shift:{terms}"), arrays["input"], record=("spikes",)).spikes
        shares.append(sum(int(np.count_nonzero(got[module] != want[module])) for module in want) / neurons)
    assert all(fewer <= more for more, fewer in itertools.pairwise(shares)), shares
    assert 0.02 < shares[0] < 0.07
    assert shares[3] < 0.01
    assert shares[5:] == [0.0] * 3


WAYS = [("relay", "multiply"), ("recompute", "shift:3")]


def saved(folder: Path, name: str, skip: Skip, token_norm: str) -> tuple[FixedNetwork, np.ndarray, Path]:
    """(the converted network as it comes back from a file, samples, the state dict)."""
    arrays, path = state_dict(folder, name)
    network, _ = nd.convert(path, skip=skip, token_norm=token_norm)
    assert nd.save(network, folder / "mixer.net") == "graph"
    return nd.load(folder / "mixer.net"), arrays["input"], path


@official
@pytest.mark.parametrize(("skip", "token_norm"), WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_a_saved_mixer_runs_alike_on_every_engine_here(tmp_path: Path, name: str, skip: Skip, token_norm: str) -> None:
    network, x, path = saved(tmp_path, name, skip, token_norm)
    verification = nd.verify(network, x, against=["reference"], source=path)
    assert verification.ok, verification.first_divergence
    assert (verification.samples, set(verification.engines)) == (4, {"reference", str(path)})


@official
@pytest.mark.lava
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "spe_d121"])  # spe_d121_neg is made alike
def test_a_saved_mixer_runs_in_lava_as_here(tmp_path: Path, name: str) -> None:
    network, x, _ = saved(tmp_path, name, "relay", "multiply")
    verification = nd.verify(network, x, against=["lava"])
    assert verification.ok, verification.first_divergence


@official
@pytest.mark.lava
def test_a_saved_mixer_without_multiplications_runs_in_lava_as_here(tmp_path: Path) -> None:
    network, x, _ = saved(tmp_path, "spe_d11", "recompute", "shift:3")
    verification = nd.verify(network, x, against=["lava"])
    assert verification.ok, verification.first_divergence


@official
@pytest.mark.parametrize("name", NAMES)
def test_integers_lose_no_more_of_the_first_spikes_than_rounding_the_samples_does(tmp_path: Path, name: str) -> None:
    """Later populations tell nothing: in an untrained network one other spike soon changes many."""
    arrays, path = state_dict(tmp_path, name)
    network, (fixed, _) = nd.lower(path), nd.convert(path)
    levels = network.encoding.encode(arrays["input"])
    exact, rounded, whole = (
        nd.run(net, x, record=("spikes",)).spikes["to_patch_embedding_lif.0"]
        for net, x in ((network, arrays["input"]), (network, levels), (fixed, levels))
    )
    assert np.mean(rounded != whole) <= np.mean(exact != rounded) < 0.01


def test_mlp_spe_t_has_the_neurons_and_the_additions_of_the_official_model() -> None:
    """Additions per timestep, by stage, padding counted; multiplications per image."""
    model = nd.inspect_model("mlp-spe-t", mfi=True)
    assert model["parameters"] == 25_229_180
    assert model["neurons"] == 17_295_824
    assert model["neurons_without_duplicates"] == model["spiking_neurons"] == 17_153_136
    assert model["additions_per_step"] == 4_971_046_080
    stages = [stage["additions"] for stage in model["additions_by_stage"]]
    assert stages == [398_221_824, 1_552_526_976, 2_551_995_264, 468_302_016]
    assert sum(stages) == model["additions_per_step"]
    assert model["input_multiplications"] == 11_741_184
    assert model["multiplications_per_step"] == 2_384_928
    assert model["head_additions"] == 30_576_000


def test_mlp_spe_t_multiplies_only_its_input_once_gains_are_powers_of_two() -> None:
    shifted = nd.inspect_model("mlp-spe-t", mfi=True, token_norm="shift:2")
    assert shifted["multiplication_free"] is True
    assert shifted["additions_per_step"] == 4_971_046_080
    assert shifted["input_multiplications"] == 11_741_184


@official
def test_what_shifts_change_is_told_from_what_integers_change(tmp_path: Path) -> None:
    arrays, path = state_dict(tmp_path, "spe_d121_neg")
    data = Data("official", arrays["input"], arrays["logits"].argmax(axis=1))
    _, multiplied = nd.convert(path, calibrate=data)
    network, shifted = nd.convert(path, calibrate=data, token_norm="shift:3")
    assert multiplied.accuracy_float == shifted.accuracy_float == 1.0
    assert (multiplied.accuracy_shifted, multiplied.differing_predictions_shifted) == (None, None)
    assert (shifted.accuracy_shifted, shifted.differing_predictions_shifted) == (0.0, 1.0)
    assert shifted.differing_predictions == 1 - shifted.accuracy_fixed
    assert "--token-norm with more powers of two" in shifted.warnings[0]
    assert "--token-norm" not in multiplied.warnings[0]
    assert "--skip recompute" in multiplied.warnings[0]
    assert network.meta["quantization"]["accuracy_shifted"] == 0.0


@official
@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("name", NAMES)
def test_at_8_bits_every_population_alone_loses_little_and_less_with_scales_of_channels(
    tmp_path: Path, name: str, skip: Skip
) -> None:
    """Alone: fed by the spikes of the float network, since in an untrained one each other spike soon changes many."""
    arrays, path = state_dict(tmp_path, name)
    network = nd.lower(path, skip=skip)
    levels = network.encoding.encode(arrays["input"]).reshape(arrays["input"].shape)
    whole, own = (alone(network, nd.convert(path, skip=skip, scale=scale)[0], levels) for scale in SCALES)
    assert set(whole) == set(own)
    assert len(whole) >= 3
    assert max(*whole.values(), *own.values()) < 0.005
    assert sum(own.values()) < sum(whole.values())


@official
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_at_8_bits_fewer_than_a_twentieth_of_all_spikes_differ_after_calibration(tmp_path: Path, name: str) -> None:
    """Digitised samples for both networks; scales per population."""
    arrays, path = state_dict(tmp_path, name)
    network = nd.lower(path)
    levels = network.encoding.encode(arrays["input"]).reshape(arrays["input"].shape)
    fixed, _ = nd.convert(path, calibrate=levels)
    want, got = (nd.run(net, levels, record=("spikes",)).spikes for net in (network, fixed))
    differing = sum(int(np.count_nonzero(want[module] != got[module])) for module in want)
    assert differing < 0.05 * sum(spikes.size for spikes in want.values())
