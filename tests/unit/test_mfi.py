"""The audit of additions and multiplications, and the paper's arithmetic."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from helpers import chain, graph, samples_for

import neuro_deploy as nd
from neuro_deploy.counters import Audit, audit, paper_estimate, table4
from neuro_deploy.counters.powers import only_shifts
from neuro_deploy.errors import UsageError
from neuro_deploy.network import (
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    Geometry,
    GradedEncoding,
    Network,
    Population,
    Projection,
)


def audited(network: FixedNetwork) -> dict:
    content = audit(network.populations, network.projections, network.encoding).to_dict()
    json.dumps(content, allow_nan=False)
    return content


def mixer_stage(channels: int, size: int, gain: np.ndarray) -> FixedNetwork:
    """A mixer as the official one: relays h, token and z2; the channel block's second norm is one-to-one weights."""
    state, hidden = (channels, size, size), (3 * channels, size, size)
    shapes = dict.fromkeys(("h", "patch", "rows", "columns", "token", "mixed", "z2", "out"), state)
    shapes |= {"input": (3, 4 * size, 4 * size), "hidden": hidden}
    kinds = {"input": "input", "h": "relay", "token": "relay", "z2": "relay"}
    order = ["input", "h", "patch", "rows", "columns", "token", "mixed", "hidden", "z2", "out"]
    populations = [FixedPopulation(n, kinds.get(n, "lif"), shapes[n], **_threshold(n, kinds)) for n in order]
    populations.append(FixedPopulation("head", "readout", (10,)))

    def to(source: str, target: str, kind: str, weight: np.ndarray, **more: object) -> FixedProjection:
        return FixedProjection(source, target, weight, geometry=Geometry(kind, shapes[source], shapes[target], **more))

    def axial(source: str, target: str, axis: str, rows: int, columns: int) -> FixedProjection:
        return to(source, target, "axial", np.full((rows, columns), 2), axis=axis)

    one, c = np.asarray(2), channels
    projections = (
        to("input", "h", "conv2d", np.full((c, 3, 4, 4), 2), stride=(4, 4)),
        to("h", "patch", "one-to-one", one),
        axial("patch", "rows", "height", size, size),
        axial("patch", "columns", "width", size, size),
        *(axial(name, "token", "channel", c, c) for name in ("patch", "rows", "columns")),
        to("h", "token", "one-to-one", one),
        to("token", "mixed", "one-to-one", one),
        axial("mixed", "hidden", "channel", 3 * c, c),
        axial("hidden", "z2", "channel", c, 3 * c),
        to("token", "out", "one-to-one", one),
        to("z2", "out", "one-to-one", gain),
        FixedProjection("out", "head", np.full((10, c * size * size), 2)),
    )
    return FixedNetwork(tuple(populations), projections, 4, GradedEncoding(shapes["input"], levels=255))


def _threshold(name: str, kinds: dict[str, str]) -> dict[str, np.ndarray]:
    return {} if name in kinds else {"threshold": np.asarray(9)}


def test_a_mixer_of_the_official_model_counts_as_the_paper_counts() -> None:
    """Stage 1 of MLP-SPE-T has two such mixers: 2 x 199,110,912 = 398,221,824 additions."""
    gain = 2 * np.arange(78 * 56 * 56) % 200 + 2
    content = audited(mixer_stage(78, 56, gain))
    assert content["additions_per_step"] == content["valid_additions_per_step"] == 199_110_912
    assert content["by_kind"] == {
        "axial height": 13_698_048,
        "axial width": 13_698_048,
        "axial channel": 3 * 57_238_272,
    }
    assert content["input_multiplications"] == 11_741_184
    assert content["multiplications_per_step"] == 78 * 56 * 56
    assert content["multiplication_free"] is False
    assert content["residual_additions_per_step"] == 4 * 78 * 56 * 56
    assert content["head_additions"] == 10 * 78 * 56 * 56
    (stage,) = content["additions_by_stage"]
    assert (stage["resolution"], stage["additions"]) == ([56, 56], 199_110_912)
    assert [row["per"] for row in content["multiplications"]] == ["image", "timestep"]
    assert "per-token batch norm" in content["multiplications"][1]["reason"]
    assert content["relay_neurons"] == 3 * 78 * 56 * 56
    totals = {
        "spiking": content["additions_per_step"],
        "residual": content["residual_additions_per_step"],
        "gain": content["multiplications_per_step"],
        "first layer": content["input_multiplications"],
        "head": content["head_additions"],
    }
    for role, total in totals.items():
        assert sum(row["additions"] for row in content["mfi"] if row["role"] == role) == total, role


def test_gains_that_are_powers_of_two_leave_no_multiplication() -> None:
    gain = np.resize([2, -4, 64, 0, 128], 6 * 4 * 4)
    content = audited(mixer_stage(6, 4, gain))
    assert content["multiplication_free"] is True
    assert content["multiplications_per_step"] == 0
    assert content["residual_additions_per_step"] == 5 * 6 * 4 * 4
    assert content["input_multiplications"] == 6 * 4 * 4 * 48


def test_a_float_network_is_audited_by_the_same_rules() -> None:
    relay = Population("relay", "relay", (4,), np.zeros(4))
    populations = (
        Population("input", "input", (3,), np.zeros(3)),
        relay,
        Population("lif", "lif", (4,), np.zeros(4)),
        Population("readout", "readout", (2,), np.zeros(2)),
    )
    one = Geometry("one-to-one", (4,), (4,))
    for weight, multiplied in ((np.asarray(1.0), 0), (np.asarray([1.0, -0.5, 4.0, 2.0**-9]), 0), (np.asarray(0.3), 4)):
        projections = (
            Projection("input", "relay", np.ones((4, 3))),
            Projection("relay", "lif", weight, geometry=one),
            Projection("lif", "readout", np.ones((2, 4))),
            Projection("relay", "readout", np.ones((2, 4))),
        )
        network = Network(populations, projections, 4, GradedEncoding((3,)))
        content = audit(network.populations, network.projections, network.encoding).to_dict()
        assert content["multiplications_per_step"] == multiplied + 8
        assert content["residual_additions_per_step"] == 4 - multiplied
        assert (content["input_multiplications"], content["head_additions"]) == (12, 8)
        assert content["additions_per_step"] == 0
        assert content["additions_by_stage"][0]["resolution"] == [1, 1]


def test_input_that_changes_is_multiplied_at_every_timestep() -> None:
    network = graph(0)
    still = audit(network.populations, network.projections, network.encoding)
    moving = audit(network.populations, network.projections, network.encoding, static=False)
    first = 3 * 2 * 4 * 3 * 12
    assert (still.input_multiplications, moving.input_multiplications) == (first, 0)
    assert moving.multiplications_per_step == still.multiplications_per_step + first
    assert still.multiplications_per_step == 72  # token -> out: weights that are no powers of two


def test_one_bit_input_is_added_and_a_host_multiplies() -> None:
    spikes = audited(chain(0, (6, 5, 3), mode="spikes"))
    assert (spikes["additions_per_step"], spikes["input_multiplications"], spikes["multiplication_free"]) == (
        30,
        0,
        True,
    )
    driven = audited(chain(0, (6, 5, 3), mode="bias"))
    assert driven["input_multiplications"] == 36
    assert driven["multiplications"][0]["projection"] == "the host"
    graded = chain(0, (6, 5, 3))
    assert audited(graded)["input_multiplications"] == 30
    assert audited(replace(graded, encoding=replace(graded.encoding, levels=1)))["input_multiplications"] == 0


def test_padding_is_counted_and_left_out_beside_it() -> None:
    network = graph(0)
    content = audited(network)
    cells = [row for row in content["mfi"] if (row["source"], row["target"]) == ("cell", "h")]
    assert [row["additions"] for row in cells] == [2 * 12 * 18] * 2
    rows = sum(p.fan_out.sum() for p in network.projections if (p.source, p.target) == ("cell", "h"))
    assert sum(row["valid_additions"] for row in cells) == rows < 2 * 2 * 12 * 18
    assert content["additions_per_step"] - content["valid_additions_per_step"] == 2 * 2 * 12 * 18 - rows


def test_a_shift_is_one_to_one_and_a_power_of_two() -> None:
    one = Geometry("one-to-one", (3,), (3,))
    for weight, shifts in (([2, -4, 0], True), ([2, 6, 8], False), ([-128, 64, 2], True)):
        assert only_shifts(FixedProjection("a", "b", np.asarray(weight), geometry=one)) is shifts
    assert not only_shifts(FixedProjection("a", "b", np.full((3, 3), 2)))


def test_table_4_is_its_operations_times_its_coefficients() -> None:
    rows = {row["model"]: row for row in table4()}
    assert rows["MLP-SPE-T"]["mJ"] == pytest.approx(1.1172, rel=1e-12)
    assert rows["ResNet-34"]["mJ"] == pytest.approx(2.2078, rel=1e-12)
    assert all(round(row["mJ"], 2) == row["printed_mJ"] for row in rows.values())


def test_the_papers_estimate_stands_beside_what_took_place() -> None:
    network = graph(3)
    made = audit(network.populations, network.projections, network.encoding)
    result = nd.run(network, samples_for(network, 3), engine="reference")
    estimate = paper_estimate(made, 0.14, 4)
    assert estimate["additions"] == pytest.approx(0.14 * 4 * made.additions_per_step)
    assert estimate["joules"] == pytest.approx(
        estimate["additions"] * 0.9e-12 + made.input_multiplications * 4.6e-12, rel=1e-12
    )
    exact = nd.inspect(network, mfi=True, x=samples_for(network, 3))["exact"]
    totals = nd.measure(network, result, nd.map(network)).to_dict()["totals"]
    entry = sum(
        int(result.counts["input"].sum(axis=0) @ p.geometry.fan_out(p.weight != 0))
        for p in network.projections
        if p.source == "input"
    )
    done = sum(exact[k] for k in ("additions", "head_additions", "residual_additions", "multiplications"))
    assert done * result.samples == pytest.approx(totals["synops_effective"] - entry, rel=1e-12)
    assert exact["input_multiplications"] * result.samples == entry
    ran = nd.measure(network, result, nd.map(network)).to_dict()["energy"]["paper_45nm"]
    assert exact["joules"] == pytest.approx(ran["joules_per_sample"], rel=1e-12)
    assert "once per image" in ran["basis"]
    assert 0 < exact["firing_rate"] < 1
    with pytest.raises(UsageError, match="samples and a firing rate are for the audit"):
        nd.inspect(network, rate=0.5)
    with pytest.raises(UsageError, match=r"firing rate 1.5, 4 timesteps; 0 to 1, and 1 or more, are wanted"):
        paper_estimate(made, 1.5, 4)


def test_the_papers_additions_do_not_follow_from_the_released_model() -> None:
    """docs/mfi.md: s T A with A = 4,971,046,080 gives 2.784 G additions and 2.56 mJ."""
    additions = 0.14 * 4 * 4_971_046_080
    assert additions == pytest.approx(2.784e9, rel=1e-3)
    assert additions * 0.9e-12 + 11_741_184 * 4.6e-12 == pytest.approx(2.56e-3, rel=1e-3)
    rate = 1.18e9 / (4 * 4_971_046_080)
    assert rate == pytest.approx(0.0593, rel=1e-3)
    assert paper_estimate(Audit((), 0, host=11_741_184), 0.14, 4)["joules"] == 11_741_184 * 4.6e-12
