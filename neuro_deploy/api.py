"""One function per command; plain data in and out. The command line only parses, calls these, and prints."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neuro_deploy import counters, netx
from neuro_deploy.conversion import Budget, Settings, converted, finetuned, steps
from neuro_deploy.engines import RunResult, get_engine
from neuro_deploy.engines.compare import FIELDS, Agreement, Divergence, Verification, compare
from neuro_deploy.engines.running import run
from neuro_deploy.errors import UsageError
from neuro_deploy.files import check_writable, make_folder, sha256, write_bytes, write_json
from neuro_deploy.hardware import HardwareProfile, load_profile, profile_names, save_profile
from neuro_deploy.lava_compat import Finding, LavaState
from neuro_deploy.mapping import Choice, CutRule, Mapping, Place, check_mapping, map_network
from neuro_deploy.mapping import place as put_in_place
from neuro_deploy.mapping.report import report
from neuro_deploy.network import FixedNetwork, Network
from neuro_deploy.network.topology import check_timesteps
from neuro_deploy.numerics.registers import MAX_WIDTH
from neuro_deploy.passes import Conversion, InputMode, Skip, lowered
from neuro_deploy.passes.levels import WeightBits
from neuro_deploy.passes.quantize import ScaleMode
from neuro_deploy.progress import Progress, silent
from neuro_deploy.training.data import Data, load_data, take_part
from neuro_deploy.training.recipes import RECIPES
from neuro_deploy.version import __version__

__all__ = [
    "Conversion",
    "Data",
    "Finding",
    "HardwareProfile",
    "LavaState",
    "Mapping",
    "Verification",
    "check",
    "convert",
    "explain",
    "finetune",
    "inspect",
    "inspect_model",
    "load",
    "load_data",
    "lower",
    "map",
    "measure",
    "profile",
    "profiles",
    "run",
    "save",
    "train",
    "verify",
    "write_run",
]

Samples = npt.ArrayLike | Data


def train(
    model: str,
    data: str,
    output: str | Path,
    *,
    seed: int = 0,
    epochs: int | None = None,
    timesteps: int | None = None,
    hidden: Sequence[int] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train a model by its recipe and write a checkpoint. ``data="digits"`` trains on four fifths of the digits.

    model: ``mlp``, ``mixer``, or a preset of the Mixer-SNN. hidden: widths of an mlp's hidden layers. A ``FILE.npz`` is
    cut the same way: every fifth sample is held out.

    Raises:
        UsageError: no such model or data set, or numbers out of range.
        FileError, DataError: data or output that cannot be used.
    """
    if model not in RECIPES:
        raise UsageError(f"no model {model!r}; models: {', '.join(RECIPES)}")
    standard = RECIPES[model]
    if hidden and standard.mixer is not None:
        raise UsageError(f"widths of hidden layers are for an mlp, not for {model}")
    recipe = replace(
        standard,
        epochs=standard.epochs if epochs is None else epochs,
        timesteps=standard.timesteps if timesteps is None else timesteps,
        hidden=tuple(hidden) if hidden else standard.hidden,
    )
    check_timesteps(recipe.timesteps)
    if recipe.epochs < 1 or not all(1 <= width <= MAX_WIDTH for width in recipe.hidden):
        raise UsageError(
            f"{recipe.epochs} epochs, widths {recipe.hidden}; 1 epoch or more, widths of 1 to {MAX_WIDTH:,} are wanted"
        )
    samples = load_data(data, "all")
    fit, held_out = take_part(samples, "train"), take_part(samples, "test")
    check_writable(output, kind="checkpoint")

    from neuro_deploy.training.loop import save_trained
    from neuro_deploy.training.loop import train as run_recipe

    start = time.perf_counter()
    trained = run_recipe(recipe, fit, held_out, seed=seed, progress=progress)
    seconds = time.perf_counter() - start
    save_trained(trained, output, fit, {"seed": seed, "data": data, "tool": __version__, "recipe": recipe.to_dict()})
    return {
        "path": str(output),
        "model": model,
        "accuracy": trained.accuracy,
        "held_out": len(held_out.x),
        "samples": len(fit.x),
        "parameters": trained.parameters,
        "epochs": recipe.epochs,
        "seed": seed,
        "seconds": round(seconds, 2),
    }


def lower(
    source: str | Path,
    *,
    timesteps: int | None = None,
    skip: Skip = "relay",
    token_norm: str = "multiply",  # noqa: S107
) -> Network:
    """Read a checkpoint and give its float Network: batch norms folded, populations and projections.

    skip: how sums that several neurons need (residuals) reach them: sent by a "relay", or made anew for each, by
    "recompute". token_norm: what becomes of a batch norm per token before a residual: "multiply", or "shift:K", which
    makes its gain a sum of K signed powers of two.

    Raises:
        FileError, FormatError: not there, broken, or with NaN.
        UnsupportedError: an operator that has no exact counterpart.
        UsageError: no such skip or token norm.
    """
    from neuro_deploy.frontends.source import checkpoint_graph

    return lowered(checkpoint_graph(source, timesteps), skip, token_norm)


def convert(  # noqa: PLR0913  # one argument per option of the command
    source: str | Path,
    *,
    calibrate: Samples | None = None,
    evaluate: Samples | None = None,
    timesteps: int | None = None,
    input: InputMode = "graded",
    skip: Skip = "relay",
    token_norm: str = "multiply",  # noqa: S107
    weight_bits: WeightBits | Literal["auto"] = 8,
    scale: ScaleMode = "population",
    max_loss: float = 0.5,
    profile: str | HardwareProfile = "loihi2",
    say: Callable[[dict[str, Any]], None] | None = None,
    progress: Progress = silent,
) -> tuple[FixedNetwork, Conversion]:
    """Read a checkpoint and quantize it: even weights of 1 to 8 bits, one scale per population, states within 24 bits.

    calibrate: samples by which scales are chosen: those whose spikes come nearest to the float network's. evaluate:
    samples on which the float and the fixed network are then compared, those of calibrate if not told; with labels (a
    Data) also their accuracies. input: "graded" sends pixels as graded spikes, "bias" puts the first layer's current
    into its bias. skip, token_norm: as ``lower``. weight_bits: of all weights, or by projection ``"source -> target"``
    (8 where not named), or "auto": lowered where it costs least, until ``max_loss`` points of accuracy on the samples
    of calibrate are spent; say: is then told each point of the curve, with the cores of profile. scale: one per
    "population", or one per output "channel", with thresholds per neuron.

    Raises:
        as ``lower``; RangeError: numbers that do not fit however they are scaled; DataError: unusable samples;
        UsageError: bits beyond 1..8, of projections that do not exist, or "auto" without samples.
    """
    budget = None
    if weight_bits == "auto":
        if calibrate is None:
            raise UsageError("weight bits are searched on samples", hint="--calibrate D, such as --calibrate digits")
        budget = Budget(max_loss, load_profile(profile) if isinstance(profile, str) else profile, say)
    bits = 8 if isinstance(weight_bits, str) else weight_bits
    data = _samples(calibrate)
    return converted(
        source,
        Settings(input, skip, token_norm, bits, scale),
        calibrate=data,
        evaluate=data if evaluate is None else _samples(evaluate),
        budget=budget,
        timesteps=timesteps,
        progress=progress,
    )


def finetune(  # noqa: PLR0913  # one argument per option of the command
    source: str | Path,
    data: str | Data,
    *,
    weight_bits: WeightBits = 4,
    scale: ScaleMode = "population",
    timesteps: int | None = None,
    input: InputMode = "graded",
    skip: Skip = "relay",
    token_norm: str = "multiply",  # noqa: S107
    epochs: int = 15,
    seconds: float = 100.0,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[FixedNetwork, Conversion]:
    """Quantize a checkpoint, or a NetX file anew, and let its integers learn on the fixed-point arithmetic itself.

    data: labelled samples; every fifth is held out, and the report speaks of those. seconds: from the first choice of
    scales on; no epoch is begun that would end later. The same seed gives the same integers, unless the time is up
    first (the report tells). Engines run them exactly as the training computed them.

    Raises:
        as ``convert`` and ``load``; DataError: no labels, or samples that do not fit; UnsupportedError: a NetX file
        with delays, or neurons that are not those of the paper.
    """
    samples = load_data(data, "all") if isinstance(data, str) else data
    return finetuned(
        source,
        Settings(input, skip, token_norm, weight_bits, scale),
        fit=take_part(samples, "train"),
        held_out=take_part(samples, "test"),
        tuning={"epochs": epochs, "seconds": seconds, "seed": seed},
        timesteps=timesteps,
        progress=progress,
    )


def _samples(given: Samples | None) -> Data | None:
    return given if given is None or isinstance(given, Data) else Data("samples", np.asarray(given))


def load(path: str | Path, *, timesteps: int | None = None) -> FixedNetwork:
    """Read a NetX file: one of ours, or a stock chain of dense, conv and flatten layers.

    A stock chain does not say how many timesteps it runs: 32, if not told.

    Raises:
        FileError, FormatError, UnsupportedError: with the HDF5 path.
    """
    return netx.read(path, timesteps)


def inspect(
    network: FixedNetwork,
    *,
    mfi: bool = False,
    x: npt.ArrayLike | None = None,
    rate: float | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """What a network is made of, as plain data.

    mfi: with the audit of its additions and multiplications. x: samples that are run for it, so that what took place
    stands beside the paper's estimate s * T * A. rate: s, the firing rate of the estimate; of the run, if not told.

    Raises:
        UsageError: samples or a rate without mfi. DataError: samples that do not fit.
    """
    if not mfi and (x is not None or rate is not None):
        raise UsageError("samples and a firing rate are for the audit", hint="--mfi (in Python: mfi=True)")
    summary = {
        "parameters": network.parameters,
        "neurons": network.neurons,
        "timesteps": network.timesteps,
        "encoding": {"mode": network.encoding.mode, "shape": list(network.encoding.shape), "entry": network.entry},
        "populations": [population.to_dict() for population in network.populations],
        "projections": [projection.to_dict() for projection in network.projections],
        "source": network.meta.get("source"),
        "quantization": network.meta.get("quantization"),
    }
    if not mfi:
        return summary
    audited = counters.audit(network.populations, network.projections, network.encoding)
    done = None if x is None else counters.exact(network, run(network, x, progress=progress))
    return {**summary, **audited.to_dict(), **_paper(audited, network.timesteps, rate, done)}


def inspect_model(
    name: str,
    *,
    mfi: bool = False,
    skip: Skip = "relay",
    token_norm: str = "multiply",  # noqa: S107
    rate: float | None = None,
) -> dict[str, Any]:
    """What a model is made of: its float network, with random weights. name: a preset of the Mixer-SNN.

    neurons: of all its LIF modules; neurons_without_duplicates: those that the network has. rate: as ``inspect``.

    Raises:
        UsageError: no such model, skip or token norm; a rate without mfi, or beyond 0..1.
    """
    from neuro_deploy.frontends.random_mixer import neurons, preset, random_mixer, trained_numbers

    if rate is not None and not mfi:
        raise UsageError("a firing rate is for the audit", hint="--mfi (in Python: mfi=True)")
    config = preset(name)
    graph = random_mixer(config)
    network = lowered(graph, skip, token_norm)
    summary = {
        "parameters": trained_numbers(config),
        "neurons": neurons(graph),
        "neurons_without_duplicates": sum(p.neurons for p in network.populations if p.kind == "lif"),
        "timesteps": network.timesteps,
        "populations": [population.to_dict() for population in network.populations],
        "projections": [projection.to_dict() for projection in network.projections],
    }
    if not mfi:
        return summary
    audited = counters.audit(network.populations, network.projections, network.encoding)
    return {**summary, **audited.to_dict(), **_paper(audited, network.timesteps, rate, None)}


def _paper(
    audited: counters.Audit, timesteps: int, rate: float | None, done: dict[str, float] | None
) -> dict[str, Any]:
    """The paper's estimate, what took place beside it, and the arithmetic of the paper's own table."""
    if rate is None and done is not None:
        rate = done["firing_rate"]
    estimate = None if rate is None else counters.paper_estimate(audited, rate, timesteps)
    return {"paper": estimate, "exact": done, "table4": counters.table4()}


def save(network: FixedNetwork, path: str | Path) -> Literal["chain", "graph"]:
    """Write a NetX file: a chain by way of lava-dl's SLAYER blocks where the network is one, else a graph.

    Returns which it was.

    Raises:
        MissingError: a chain, and lava-dl is not installed. UnsupportedError, RangeError: would be changed by the stock
        reader, or has no place in the file. FileError: the file cannot be written.
    """
    return netx.save(network, path)


def explain(network: FixedNetwork, **options: Any) -> list[dict[str, Any]]:
    """Which kernel the native engine takes for each projection and population, and why that is exact.

    options: as ``run`` takes them for this engine. Returns rows of "part", "kernel", "reason".
    """
    from neuro_deploy.engines.native import Engine

    return Engine(**options).explain(network)


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
    """
    accuracy = result.accuracy(labels)
    return counters.measure(network, result, mapping, accuracy, with_links=links, per_timestep=per_timestep)


def write_run(
    folder: str | Path, metrics: counters.Metrics, config: dict[str, Any], labels: npt.ArrayLike | None
) -> None:
    """Write a run folder: metrics.json, predictions.npz, config.json (what was run, with hashes of the files).

    Raises:
        FileError: it cannot be written.
    """
    folder = make_folder(folder)
    write_json(folder / "metrics.json", metrics.to_dict())
    files = {name: sha256(path) for name, path in config.items() if isinstance(path, str) and Path(path).is_file()}
    write_json(folder / "config.json", {"tool": f"neuro-deploy {__version__}", **config, "sha256": files})
    arrays = {"predictions": metrics.result.predictions, "outputs": metrics.result.outputs}
    if labels is not None:
        arrays["labels"] = np.asarray(labels)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_bytes(folder / "predictions.npz", buffer.getbuffer(), ".npz file")


def verify(
    network: FixedNetwork,
    x: npt.ArrayLike,
    *,
    against: Sequence[str] = ("reference",),
    engine: str = "native",
    source: str | Path | None = None,
    time_limit: float = 600.0,
    progress: Progress = silent,
) -> Verification:
    """Run the same samples several times and compare spikes, u and v of every population, exactly.

    against: names of engines, or paths of other ``.net`` files, which ``engine`` then runs. source: a checkpoint,
    converted anew with the file's settings and run as well, unless that took samples or fine-tuning of its own; its
    torch model, its float network and this network are then compared step by step (``.steps``), which never fails.

    Raises:
        as ``run`` and ``load``; UsageError: nothing to compare with, or networks that cannot be compared.
    """
    files = [name for name in against if name.endswith(".net")]
    for name in set(against) - set(files):
        get_engine(name)
        if name == engine:
            raise UsageError(f"{engine} compared with itself says nothing", hint="--against reference,lava,slayer")
    others = {name: load(name, timesteps=network.timesteps) if name in files else network for name in against}
    again = source is not None and _repeated(network, source, progress)
    if source is not None and again:
        others[str(source)] = again
    if not others:
        raise UsageError("nothing to verify against", hint="--against reference,lava,slayer")
    limits = {"lava": {"time_limit": time_limit}}
    want = run(network, x, engine=engine, record=FIELDS, progress=progress, **limits.get(engine, {}))
    agreements: dict[str, Agreement] = {}
    divergences: list[Divergence] = []
    for label, other in others.items():
        name = label if other is network else engine
        got = run(other, x, engine=name, record=FIELDS, progress=progress, **limits.get(name, {}))
        agreements[label], divergence = compare(network, want, got, label, other)
        divergences += [divergence] if divergence else []
    chain = () if source is None else steps(network, source, x, progress)
    told = tuple(step.to_dict() for step in chain)
    return Verification(want.samples, engine, agreements, divergences[0] if divergences else None, told)


def _repeated(network: FixedNetwork, source: str | Path, progress: Progress) -> FixedNetwork | None:
    """The source converted anew as the file was; None where that takes samples that are not built in."""
    said = network.meta.get("conversion")
    name = said.get("calibrate") if isinstance(said, dict) else None
    if isinstance(said, dict) and (said.get("finetuned") or name not in (None, "digits")):
        return None
    data = None if name is None else load_data(name, "train")
    settings = Settings.of(said)
    return converted(
        source,
        settings,
        calibrate=data,
        evaluate=None,
        budget=None,
        timesteps=network.timesteps,
        progress=progress,
    )[0]


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
