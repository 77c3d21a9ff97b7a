"""verify --source: float model, float network, fixed network, and how near the first differing spike was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import cli, cli_json
from conftest import Trained

import neuro_deploy as nd
from neuro_deploy.conversion import steps
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.models import Mixer, MixerConfig
from neuro_deploy.training.data import Data
from neuro_deploy.training.loop import Trained as TrainedModel
from neuro_deploy.training.loop import save_trained


@pytest.fixture(scope="module")
def mixer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained Mixer-SNN whose batch norms are per token, some of negative gain."""
    path = tmp_path_factory.mktemp("mixer") / "mixer.pt"
    config = MixerConfig((8, 8), 1, 2, 12, (1, 1), alpha=2, classes=10)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Mixer(config)
        x = torch.tensor(nd.load_data("digits").x, dtype=torch.float32)
        for _ in range(20):
            model(x[:100])  # statistics
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1 and "weight" in name:
                torch.nn.init.normal_(parameter, 1.0, 0.6)
    save_trained(TrainedModel(model.eval(), 0.0), path, Data("digits", nd.load_data("digits").x, levels=16), {})
    return path


def test_the_first_differing_spike_stands_between_two_sides_of_the_threshold(trained: Trained) -> None:
    x = nd.load_data("digits").x
    fixed, _ = nd.convert(trained.checkpoint, weight_bits=3)
    model, whole = steps(fixed, trained.checkpoint, x)
    assert (model.step, whole.step) == ("float model -> float network", "float network -> fixed network")
    assert whole.first is not None
    first = whole.first
    assert (first.want, first.got) == (int(first.want_margin >= 0), int(first.got_margin >= 0))
    assert first.want != first.got
    assert abs(first.want_margin) < 0.5
    real, got = (nd.run(net, x, record=("spikes",)).spikes for net in (nd.lower(trained.checkpoint), fixed))
    place = (first.sample, first.timestep, first.neuron)
    assert (real[first.population][place], got[first.population][place]) == (first.want, first.got)
    assert whole.differing_spikes == sum(np.count_nonzero(real[n] != got[n]) for n in real)
    assert model.compared_spikes == sum(spikes.size for spikes in real.values())


@pytest.mark.parametrize("skip", ["relay", "recompute"])
def test_a_mixers_torch_model_and_its_float_network_agree(mixer: Path, skip: str) -> None:
    x = nd.load_data("digits").x[:40]
    fixed, _ = nd.convert(mixer, skip=skip)  # type: ignore[arg-type]
    model, whole = steps(fixed, mixer, x)
    assert model.compared_spikes > 100_000
    assert model.differing_spikes <= 1e-4 * model.compared_spikes  # float32 against float64
    if model.first is not None:
        assert abs(model.first.want_margin) < 1e-4
    assert whole.first is not None
    assert whole.first.want != whole.first.got


def test_a_network_of_other_populations_is_refused(trained: Trained, mixer: Path) -> None:
    fixed, _ = nd.convert(trained.checkpoint)
    with pytest.raises(UnsupportedError, match=r"(?s)has no population .*hint: give the checkpoint it came from"):
        steps(replace(fixed, meta={}), mixer, nd.load_data("digits").x[:4])


def test_verify_prints_the_steps_and_does_not_fail_by_them(trained: Trained, tmp_path: Path) -> None:
    path = tmp_path / "three.net"
    cli("convert", trained.checkpoint, "-o", path, "--weight-bits", 3, "--calibrate", "digits")
    report = cli_json("verify", path, "--data", "digits", "--source", trained.checkpoint)
    assert report["ok"] is True
    assert list(report["engines"]) == ["reference", str(trained.checkpoint)]
    assert [step["step"] for step in report["steps"]] == [
        "float model -> float network",
        "float network -> fixed network",
    ]
    assert report["steps"][1]["differing_spikes"] > 0
    assert {"want_margin", "got_margin", "threshold", "want_u", "got_u"} <= set(report["steps"][1]["first"])
    text = cli("verify", path, "--data", "digits", "--source", trained.checkpoint).stdout
    assert "float network -> fixed network: fc1.lif differs first, in sample" in text
    assert "margin to the threshold" in " ".join(text.split())
