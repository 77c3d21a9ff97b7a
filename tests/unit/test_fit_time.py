"""The time model and its fit to measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import cli
from helpers import changed, graph, samples_for

import neuro_deploy as nd
from neuro_deploy.counters.fit import fit_time, read_measurements
from neuro_deploy.counters.runtime import TERMS
from neuro_deploy.errors import DataError, FileError, FormatError
from neuro_deploy.hardware import load_profile

HEAD = "seconds_per_timestep,neuron_updates,synops,memory_reads,link_messages"
COSTS = {"neuron_update": 9e-9, "synop": 4e-9, "memory_read": 2e-8, "link_message": 6e-9}


def _measured(rows: int, seed: int, *, noise: float = 0.0) -> str:
    """Measurements that the model made: a barrier of 1 us, and the costs above."""
    rng = np.random.default_rng(seed)
    loads = 10 ** rng.uniform(1, 4, (rows, len(COSTS)))
    seconds = 1e-6 + (loads * np.array(list(COSTS.values()))).max(axis=1)
    seconds *= 1 + noise * rng.standard_normal(rows)
    lines = [",".join(map(repr, row)) for row in np.column_stack([seconds, loads]).tolist()]
    return "\n".join([HEAD, *lines]) + "\n"


@pytest.mark.parametrize("seed", range(4))
def test_the_costs_that_made_the_measurements_are_found(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "m.csv"
    path.write_text(_measured(200, seed))
    fitted = fit_time(read_measurements(path))
    assert fitted.barrier == pytest.approx(1e-6, rel=1e-6)
    assert fitted.costs == pytest.approx(COSTS, rel=1e-6)
    assert fitted.worst_error < 1e-6
    assert sum(fitted.bound.values()) == fitted.measurements == 200


def test_noise_moves_the_costs_by_little(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(_measured(400, 7, noise=0.03))
    fitted = fit_time(read_measurements(path))
    assert fitted.costs == pytest.approx(COSTS, rel=0.05)
    assert 0.01 < fitted.mean_error < 0.05


def test_a_term_that_binds_no_measurement_stays_unknown(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    rows = [f"{1e-6 + 4e-9 * n},{n},1" for n in (100, 1000, 5000, 20_000)]
    path.write_text("\n".join(["seconds_per_timestep,synops,link_messages", *rows]))
    fitted = fit_time(read_measurements(path))
    assert set(fitted.costs) == {"synop"}
    assert fitted.to_dict()["unknown"] == ["neuron_update", "memory_read", "link_message"]


def test_a_fitted_profile_gives_times_and_says_where_from(tmp_path: Path) -> None:
    path, output = tmp_path / "m.csv", tmp_path / "mine.toml"
    path.write_text(_measured(100, 3))
    text = cli("fit-time", path, "--profile", "loihi2", "-o", output).stdout
    assert "fitted to 100 measurements" in text
    mine = load_profile(str(output))
    assert mine.name == "loihi2-fitted"
    assert 'base = "loihi2"' in output.read_text()
    assert "100 measurements of m.csv" in mine.quantities["time.synop"].source
    base = load_profile("loihi2").quantities
    assert {name: mine.quantities[name] for name in base} == dict(base)
    network = graph(0)
    result = nd.run(network, samples_for(network, 0, count=4))
    content = nd.measure(network, result, nd.map(network, mine), links=True).to_dict()
    time, busiest = content["runtime"], content["runtime"]["busiest_core"]
    costs = {term: mine.get(f"time.{term}") or 0 for term in TERMS}
    for step, row in enumerate(time["per_timestep"]):
        spent = {term: costs[term] * busiest[load]["per_timestep"][step] for term, load in TERMS.items()}
        assert row["seconds"] == pytest.approx((mine.get("time.barrier") or 0) + max(spent.values()), rel=1e-12)
        assert row["bound_by"] == max(spent, key=lambda term: spent[term])
        assert ("link" in row) == (row["bound_by"] == "link_message")
    assert time["seconds_per_sample"] == pytest.approx(sum(row["seconds"] for row in time["per_timestep"]))
    assert time["left_out"] == []
    assert "measurements of m.csv" in time["coefficients"]["barrier"]["source"]


def test_costs_of_the_base_that_were_not_learned_are_not_kept(tmp_path: Path) -> None:
    path, output = tmp_path / "m.csv", tmp_path / "mine.toml"
    path.write_text("seconds_per_timestep,synops\n1e-6,10\n2e-6,400\n3e-6,800\n")
    cli("fit-time", path, "--profile", "loihi1", "-o", output)
    assert {name for name in load_profile(str(output)).quantities if name.startswith("time.")} == {
        "time.barrier",
        "time.synop",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "seconds_per_timestep and at least one load"),
        ("a,b\n1,2\n", "has the column 'a'"),
        ("seconds_per_timestep,synops,synops\n", "names a column twice"),
        ("synops,neuron_updates\n1,2\n", "wants seconds_per_timestep and at least one load"),
        ("seconds_per_timestep,synops\n1e-6,10\n", "has 1 measurements, 3 to 1,000,000 are wanted"),
        ("seconds_per_timestep,synops\n1e-6,10\n1e-6\n1e-6,3\n", "line 3: has 1 cells, the first line has 2"),
        ("seconds_per_timestep,synops\n1e-6,10\n1e-6,x\n1e-6,3\n", "line 3: synops is 'x', a number is wanted"),
        ("seconds_per_timestep,synops\n1e-6,10\n1e-6,-1\n1e-6,3\n", "synops is -1, a number of 0 or more is wanted"),
        ("seconds_per_timestep,synops\n0,10\n1e-6,1\n1e-6,3\n", "seconds_per_timestep is 0, a number above 0"),
        ("seconds_per_timestep,synops\nnan,10\n1e-6,1\n1e-6,3\n", "seconds_per_timestep is nan"),
        ('seconds_per_timestep,synops\n"1e-6,10\n', "is not CSV"),
        ("\x00\x01\x02", "has the column"),
    ],
)
def test_broken_measurements_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(FormatError) as refusal:
        read_measurements(path)
    assert said in str(refusal.value)
    assert "error:" in cli("fit-time", path, "-o", tmp_path / "o.toml", code=1).stderr
    assert not (tmp_path / "o.toml").exists()


def test_bytes_that_are_no_text_and_loads_that_never_change_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="is not CSV"):
        read_measurements(path)
    path.write_text("seconds_per_timestep,synops\n1e-6,5\n2e-6,5\n3e-6,5\n")
    with pytest.raises(DataError, match="do not differ in any load"):
        fit_time(read_measurements(path))
    with pytest.raises(FileError, match="no such file"):
        read_measurements(tmp_path / "none.csv")


def test_a_file_that_is_no_profile_is_not_overwritten(tmp_path: Path) -> None:
    path, output = tmp_path / "m.csv", tmp_path / "mine.toml"
    path.write_text(_measured(10, 0))
    output.write_text("my own notes")
    with pytest.raises(FileError, match="is there already and is no hardware profile"):
        nd.fit_time(path, "loihi2", output)
    assert output.read_text() == "my own notes"
    with pytest.raises(FileError, match="is the source itself"):
        nd.fit_time(path, "loihi2", path)


def test_without_costs_there_are_loads_and_no_time() -> None:
    network = graph(2)
    result = nd.run(network, samples_for(network, 2))
    time = nd.measure(network, result, nd.map(network), links=True).to_dict()["runtime"]
    assert time["seconds_per_timestep"] is None
    assert set(TERMS.values()) <= set(time["busiest_core"])
    assert time["busiest_core"]["link_messages"]["link"].split()[-1] in ("east", "west", "south", "north")


def test_static_energy_is_power_times_time_and_stands_apart() -> None:
    network = graph(2)
    result = nd.run(network, samples_for(network, 2))
    loihi2 = load_profile("loihi2")
    without = nd.measure(network, result, nd.map(network, loihi2)).to_dict()["energy"]["loihi2"]
    assert (without["joules_per_sample"], without["static"]["joules_per_sample"]) == (None, None)
    timed = changed(loihi2, {"time.barrier": 1e-6, "time.synop": 1e-9})
    content = nd.measure(network, result, nd.map(network, timed)).to_dict()
    static = content["energy"]["loihi2"]["static"]
    assert static["joules_per_sample"] == pytest.approx(0.232 * content["runtime"]["seconds_per_sample"], rel=1e-12)
