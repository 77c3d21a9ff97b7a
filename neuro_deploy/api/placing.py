"""Networks on chips, and what a run did there."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy import counters
from neuro_deploy.engines import RunResult
from neuro_deploy.errors import UsageError
from neuro_deploy.files import check_writable, json_bytes, sha256, write_folder
from neuro_deploy.hardware import HardwareProfile, load_profile, profile_names, save_profile
from neuro_deploy.mapping import Choice, CutRule, Mapping, Place, check_mapping, map_network
from neuro_deploy.mapping import place as put_in_place
from neuro_deploy.mapping.report import report
from neuro_deploy.network import FixedNetwork
from neuro_deploy.progress import Progress, silent
from neuro_deploy.version import __version__


def map(  # noqa: PLR0913
    network: FixedNetwork,
    profile: str | HardwareProfile = "loihi2",
    *,
    sharing: bool = True,
    weight_bits: int | None = None,
    cut: CutRule = "fewest",
    place: Place = "curve",
    seed: int = 0,
    result: RunResult | None = None,
    progress: Progress = silent,
) -> Mapping:
    """Put a network on the cores of a chip. ``.fits`` tells whether every known limit holds.

    sharing: weights that positions share (of convolutions and axial projections) are stored once per core, where the
    profile says what that costs. weight_bits: of a stored weight, None: as the profile says. cut: "fewest" cores, or as
    the "compiler" of lava-loihi cuts. place: "curve" (a Hilbert curve and swaps, from ``seed``), "first-fit", "random".
    result: a run whose spikes decide what is near; if not told, all neurons spike alike.

    Raises:
        UsageError: no such profile, cut or place. FormatError: a broken profile.
    """
    chosen = load_profile(profile) if isinstance(profile, str) else profile
    spikes = None if result is None else {name: result.counts[name] for name in result.counts}
    rates = None if spikes is None else {name: counts.sum(axis=0) for name, counts in spikes.items()}
    mapped = map_network(network, chosen, Choice(sharing, weight_bits, cut), rates=rates, progress=progress)
    return put_in_place(network, mapped, place, seed=seed, counts=spikes, progress=progress)


def check(network: FixedNetwork, mapping: Mapping) -> list[str]:
    """Recount a mapping from the network alone; what is wrong with it, in words."""
    return check_mapping(network, mapping)


def mapping_report(
    network: FixedNetwork,
    mapping: Mapping,
    *,
    result: RunResult | None = None,
    alternatives: bool | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """All that ``map --json`` says: mapping, check, busiest cores, cost of the placement, what else it could cost.

    result: the run whose spikes the placement is judged by; if not told, all neurons spike once. alternatives: None:
    for networks of up to half a million neurons. Where it does not fit: with the smallest system that would do.
    """
    return report(network, mapping, profiles(), result=result, alternatives=alternatives, progress=progress)


def measure(
    network: FixedNetwork,
    result: RunResult,
    mapping: Mapping,
    labels: npt.ArrayLike | None = None,
    *,
    links: bool = False,
    per_timestep: bool = False,
) -> counters.Metrics:
    """Spikes, axon events and synops per core of a run; ``.to_dict()`` is the content of metrics.json.

    links: with messages and bits on every link of the mesh. per_timestep: with every core's counts of each timestep.

    Raises:
        UsageError: a result or a mapping of another network. DataError: labels that are not one class per sample.
    """
    if not isinstance(mapping, Mapping):
        raise UsageError(f"{mapping!r} is no mapping", hint="nd.map(network, profile) makes one")
    if set(result.counts) != {population.name for population in network.populations}:
        raise UsageError("the result is of another network", hint="nd.run(network, x) gives this one's")
    accuracy = result.accuracy(labels)
    return counters.measure(network, result, mapping, accuracy, with_links=links, per_timestep=per_timestep)


def write_run(
    folder: str | Path, metrics: counters.Metrics, config: dict[str, Any], labels: npt.ArrayLike | None
) -> None:
    """Write a run folder, whole or not at all: metrics.json, predictions.npz, config.json (what was run, with hashes).

    Raises:
        FileError: it cannot be written.
    """
    files = {name: sha256(path) for name, path in config.items() if isinstance(path, str) and Path(path).is_file()}
    config = {"tool": f"neuro-deploy {__version__}", **config, "sha256": files}
    arrays = {"predictions": metrics.result.predictions, "outputs": metrics.result.outputs}
    if labels is not None:
        arrays["labels"] = np.asarray(labels)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_folder(
        folder,
        {
            "predictions.npz": (buffer.getbuffer(), ".npz file"),
            "config.json": (json_bytes(config), "JSON file"),
            "metrics.json": (json_bytes(metrics.to_dict()), "JSON file"),
        },
    )


def profiles() -> list[HardwareProfile]:
    """The hardware profiles that come with the package."""
    return [load_profile(name) for name in profile_names()]


def profile(name: str) -> HardwareProfile:
    """One profile, by name or from a ``.toml`` file."""
    return load_profile(name)


def fit_time(measurements: str | Path, profile: str | HardwareProfile, output: str | Path) -> counters.TimeFit:
    """Fit the time model's costs to measurements on hardware (a CSV file), and write a profile that has them.

    Raises:
        FileError, FormatError: a file that is not there or broken, or an output that cannot be written.
        DataError: measurements from which nothing can be learned. UsageError: no such profile.
    """
    chosen = load_profile(profile) if isinstance(profile, str) else profile
    check_writable(output, source=measurements, kind="hardware profile")
    fitted = counters.fit_time(counters.read_measurements(measurements))
    source = f"{Path(measurements).name} (SHA-256 {sha256(measurements)[:16]})"
    save_profile(fitted.onto(chosen, source), output, base=chosen if profile in profile_names() else None)
    return fitted
