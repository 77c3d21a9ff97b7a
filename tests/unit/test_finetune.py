"""Fine-tuning: what the training computes is what engines run, and what it ends in is better than what it began with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import cli, cli_json
from conftest import Trained

import neuro_deploy as nd
from neuro_deploy.errors import DataError, NeuroDeployError, UnsupportedError, UsageError
from neuro_deploy.frontends.mixer_config import MixerConfig
from neuro_deploy.frontends.random_mixer import random_mixer
from neuro_deploy.network import FixedNetwork, Network, gathered
from neuro_deploy.passes import Quantize, lowered
from neuro_deploy.passes.as_floats import AsFloats
from neuro_deploy.training.data import Data
from neuro_deploy.training.forward import FixedForward
from neuro_deploy.training.tuning import Tuning, tune

SMALL = MixerConfig((8, 12), 2, 2, 6, (1, 2), alpha=2, classes=5)
LEVELS = np.random.default_rng(5).integers(0, 256, (9, 2, 8, 12))


def assert_forward_is_what_engines_run(forward: FixedForward, x: np.ndarray) -> FixedNetwork:
    network = forward.fixed()
    inputs = network.encode(x)
    spikes: dict[str, torch.Tensor] = {}
    with torch.no_grad():
        outputs = forward(torch.tensor(inputs.reshape(len(inputs), 1, -1)), spikes).double().numpy()
    want = nd.run(network, x, engine="reference", record=("spikes",))
    np.testing.assert_array_equal(outputs, want.outputs)
    computed = {
        name: tensor.double().numpy() for name, tensor in spikes.items() if name != network.entry or name in want.spikes
    }
    found = gathered(network, computed, axis=2)
    for population in network.computed:
        if population.kind == "lif":
            expected = want.spikes[population.name]
            np.testing.assert_array_equal(found[population.name].reshape(expected.shape), expected, population.name)
    assert nd.verify(network, x).ok
    return network


@pytest.mark.parametrize("bits", [8, 4, 2, 1])
@pytest.mark.parametrize("mode", ["graded", "bias"])
def test_the_forward_of_training_is_what_engines_run_of_a_chain(trained: Trained, mode: str, bits: int) -> None:
    fit = nd.load_data("digits", "train")
    quantize = Quantize(mode, weight_bits=bits, samples=fit.x)  # type: ignore[arg-type]
    forward = FixedForward(quantize.quantized(nd.lower(trained.checkpoint)))
    assert_forward_is_what_engines_run(forward, fit.x[:40])


@pytest.mark.parametrize("scale", ["population", "channel"])
@pytest.mark.parametrize("skip", ["relay", "recompute"])
@pytest.mark.parametrize(("norm", "tau"), [("token", 2.0), ("channel", 4.0)])
def test_the_forward_of_training_is_what_engines_run_of_a_mixer(norm: str, tau: float, skip: str, scale: str) -> None:
    """Signs, windows, exponents, patch cells that are cut into parts, and a decay that is no halving."""
    network = lowered(random_mixer(replace(SMALL, norm=norm, tau=tau), 3), skip)  # type: ignore[arg-type]
    forward = FixedForward(Quantize(weight_bits=4, scale=scale).quantized(network))  # type: ignore[arg-type]
    before = assert_forward_is_what_engines_run(forward, LEVELS)
    with torch.no_grad():
        noise = torch.randn(forward.reals.shape, generator=torch.Generator().manual_seed(1), dtype=forward.dtype)
        forward.reals += 0.2 * noise * forward.learned
    forward.keep_within()
    after = assert_forward_is_what_engines_run(forward, LEVELS)
    relays = {p.name for p in before.populations if p.kind == "relay"}
    changed = {p.name: np.any(p.weight != q.weight) for p, q in zip(before.projections, after.projections, strict=True)}
    assert sum(changed.values()) > len(changed) / 3
    assert not any(change for name, change in changed.items() if name.partition(" -> ")[0] in relays)


def test_training_begins_with_the_integers_of_the_conversion(trained: Trained) -> None:
    quantized = Quantize(weight_bits=4).quantized(nd.lower(trained.checkpoint))
    begun = FixedForward(quantized).fixed()
    for one, other in zip(begun.projections, quantized.network.projections, strict=True):
        np.testing.assert_array_equal(one.weight, other.weight)
    for mine, other in zip(begun.populations, quantized.network.populations, strict=True):
        np.testing.assert_array_equal(mine.bias, other.bias)


def few(part: str) -> Data:
    return nd.load_data("digits", part).head(400)  # type: ignore[arg-type]


def tuned(network: Network, seed: int, **changes: float) -> FixedNetwork:
    data = few("train")
    assert data.y is not None
    quantized = Quantize(weight_bits=1, samples=data.x).quantized(network)
    return tune(quantized, network, data.x, data.y, Tuning(seed=seed, epochs=3, learning_rate=0.03, **changes)).network  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_integers_and_another_seed_others(trained: Trained) -> None:
    network = nd.lower(trained.checkpoint)
    first, again, other = (tuned(network, seed) for seed in (1, 1, 2))
    for a, b in zip(first.projections, again.projections, strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)
    assert any(np.any(a.weight != b.weight) for a, b in zip(first.projections, other.projections, strict=True))


def test_weights_of_one_bit_learn_and_keep_their_bits(trained: Trained) -> None:
    network, data = nd.lower(trained.checkpoint), nd.load_data("digits")
    before = Quantize(weight_bits=1, samples=few("train").x)(network)[0]
    after = tuned(network, 0)
    assert [p.weight_bits for p in after.projections] == [1, 1, 1]
    accuracies = [nd.run(net, data.x).accuracy(data.y) or 0 for net in (before, after)]
    assert accuracies[1] > accuracies[0] + 0.1
    assert nd.verify(after, data.x[:32]).ok


def test_an_epoch_that_the_time_does_not_allow_is_not_begun(trained: Trained) -> None:
    network, report = nd.finetune(trained.checkpoint, few("train"), epochs=50, seconds=0.001)
    assert report.finetuning is not None
    assert (report.finetuning["epochs"], report.finetuning["stopped_by_time"]) == (1, True)
    assert network.meta["conversion"]["finetuned"] is True


def test_a_file_is_fine_tuned_from_its_integers(trained: Trained, digits_net: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned.net"
    report = cli_json("finetune", digits_net, "--data", "digits", "--weight-bits", 3, "--epochs", 2, "-o", out)
    assert report["accuracy_float"] > 0.98
    assert report["accuracy_finetuned"] > 0.97
    assert [row["bits"] for row in report["populations"]] == [{"input": 3}, {"fc1.lif": 3}, {"fc2.lif": 3}]
    assert cli_json("verify", out, "--data", "digits", "--source", trained.checkpoint)["ok"]
    assert "fine-tuned" in cli("finetune", out, "--data", "digits", "--epochs", 1, "-o", tmp_path / "again.net").stdout


@pytest.mark.parametrize("mode", ["graded", "bias"])
def test_integers_as_floats_give_the_same_spikes_but_for_truncation(trained: Trained, mode: str) -> None:
    fixed, _ = nd.convert(trained.checkpoint, input=mode)  # type: ignore[arg-type]
    x = nd.load_data("digits").x
    want, got = (nd.run(net, x, record=("spikes",)).spikes for net in (fixed, AsFloats()(fixed)))
    for name, spikes in got.items():
        assert np.mean(spikes != want[name]) < 0.001, name


def test_what_cannot_be_fine_tuned_is_refused(trained: Trained, tmp_path: Path) -> None:
    from helpers import chain

    nd.save(chain(0, (4, 5, 3), u_decay=2048), tmp_path / "current.net")
    data = Data("samples", np.zeros((10, 4), np.int64), np.zeros(10, np.int64))
    with pytest.raises(UnsupportedError, match=r"(?s)p1: has a current that decays.*hint: fine-tune the checkpoint"):
        nd.finetune(tmp_path / "current.net", data)
    with pytest.raises(DataError, match="has no labels"):
        nd.finetune(trained.checkpoint, Data("samples", nd.load_data("digits").x))
    with pytest.raises(DataError, match="labels go from 12 to 12; the network has 10 classes"):
        nd.finetune(trained.checkpoint, Data("samples", nd.load_data("digits").x, np.full(360, 12)))
    with pytest.raises(UsageError, match="0 epochs"):
        nd.finetune(trained.checkpoint, "digits", epochs=0)


def test_an_interruption_leaves_the_old_file(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.net"
    nd.save(nd.convert(trained.checkpoint)[0], out)
    old = out.read_bytes()

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("neuro_deploy.training.tuning._Tuner._step", interrupted)
    cli("finetune", trained.checkpoint, "--data", "digits", "-o", out, code=130)
    assert out.read_bytes() == old
    assert list(tmp_path.iterdir()) == [out]


def test_errors_of_fine_tuning_are_named(tmp_path: Path) -> None:
    with pytest.raises(NeuroDeployError, match="no such file"):
        nd.finetune(tmp_path / "nothing.pt", "digits")
