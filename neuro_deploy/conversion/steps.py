"""Where a conversion parts from its source: float model, float network, fixed network; and how near to threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.conversion.convert import networks
from neuro_deploy.conversion.settings import Settings
from neuro_deploy.engines.running import run
from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import FixedNetwork, Network, Population, gathered
from neuro_deploy.numerics.cuba import decayed
from neuro_deploy.numerics.registers import BIAS_EXPONENT
from neuro_deploy.passes.float_states import float_states, in_steps
from neuro_deploy.progress import Progress, silent

if TYPE_CHECKING:
    from neuro_deploy.conversion.model_spikes import ModelRun

Array = npt.NDArray[Any]
Place = tuple[int, int, int]
"""Sample, timestep, neuron."""


@dataclass(frozen=True)
class Parting:
    """The first spike that differs: by population in execution order, then sample, timestep, neuron.

    want, got: 0 or 1. want_u, got_u: u before the reset, in the unit of the source, and threshold in it; a spike is
    where u reaches the threshold, so that ``want_margin``, ``got_margin`` (u less the threshold) say how near it was.
    """

    population: str
    sample: int
    timestep: int
    neuron: int
    want: int
    got: int
    want_u: float
    got_u: float
    threshold: float
    want_margin: float
    got_margin: float


@dataclass(frozen=True)
class Step:
    """One step of a conversion. differing_predictions: samples with another class."""

    step: str
    differing_spikes: int
    compared_spikes: int
    differing_predictions: int
    first: Parting | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def steps(fixed: FixedNetwork, source: str | Path, x: npt.ArrayLike, progress: Progress = silent) -> tuple[Step, ...]:
    """Compare the torch model of a checkpoint, its float network, and a fixed network, step by step, on samples.

    Raises:
        as ``nd.lower``; UnsupportedError: a fixed network of other populations.
    """
    from neuro_deploy.conversion.model_spikes import run_model, source_model

    samples = np.asarray(x)
    network, _ = networks(source, Settings.of(fixed.meta.get("conversion")), fixed.timesteps)
    progress("float model", 0, 3)
    model = run_model(source_model(source, fixed.timesteps), network, samples)
    progress("float network", 1, 3)
    real = run(network, samples, record=("spikes",))
    progress("fixed network", 2, 3)
    whole = run(fixed, samples, record=("spikes",))
    progress("fixed network", 3, 3)
    names = [p.name for p in network.populations if p.kind == "lif"]
    unknown = [name for name in names if name not in whole.spikes]
    if unknown:
        raise UnsupportedError(f"has no population {unknown[0]} of {source}", hint="give the checkpoint it came from")

    def step(what: str, want: Mapping[str, Array], got: Mapping[str, Array], classes: tuple[Array, Array]) -> Step:
        common = [name for name in names if name in want]
        differing = sum(int(np.count_nonzero(want[n] != got[n])) for n in common)
        changed = int(np.count_nonzero(classes[0] != classes[1]))
        return Step(what, differing, sum(want[n].size for n in common), changed, first(want, got, common))

    def first(want: Mapping[str, Array], got: Mapping[str, Array], common: list[str]) -> Parting | None:
        for name in common:
            if not np.array_equal(want[name], got[name]):
                where = _where(want[name], got[name])
                before = _of_model(model, network.population(name), where) if want is model.spikes else None
                return _parting(network, fixed, samples, name, where, before)
        return None

    predicted = model.outputs.argmax(axis=1)
    return (
        step("float model -> float network", model.spikes, real.spikes, (predicted, real.predictions)),
        step("float network -> fixed network", real.spikes, whole.spikes, (real.predictions, whole.predictions)),
    )


def _where(want: Array, got: Array) -> Place:
    flat = (want != got).reshape(*want.shape[:2], -1)
    sample, timestep, neuron = (int(i) for i in np.argwhere(flat)[0])
    return sample, timestep, neuron


def _parting(network: Network, fixed: FixedNetwork, x: Array, name: str, where: Place, before: float | None) -> Parting:
    """before: u of the float model; None: of the float network, and the fixed network comes behind it."""
    sample, _, neuron = where
    population = network.population(name)
    threshold = float(_threshold(population, neuron))
    real = _of_network(network, population, x[sample : sample + 1], where)
    whole = _of_fixed(fixed, name, x[sample : sample + 1], where) * threshold
    want, got = (real, whole) if before is None else (before, real)
    return Parting(
        name,
        *where,
        int(want >= threshold),
        int(got >= threshold),
        want,
        got,
        threshold,
        want - threshold,
        got - threshold,
    )


def _of_model(model: ModelRun, population: Population, where: Place) -> float:
    """u of the torch model just before it fires or not, in its precision, in the unit of the float network."""
    sample, timestep, neuron = where
    z = model.z[population.name]
    own = model.thresholds[population.name]
    u = _u(z.reshape(*z.shape[:2], -1)[sample, :, neuron], population.tau, own, timestep)
    return u / own * float(_threshold(population, neuron))


def _threshold(population: Population, neuron: int) -> np.float64:
    threshold: np.float64 = np.broadcast_to(np.asarray(population.v_threshold), (population.neurons,))[neuron]
    return threshold


def _of_network(network: Network, population: Population, x: Array, where: Place) -> float:
    """u of the float network just before it fires or not."""
    sequence = in_steps(network.encoding.model_units(x), network.timesteps)
    found = {p.name: z for p, z, _ in float_states(network, sequence)}
    z = gathered(network, found, axis=2)[population.name][0, :, where[2]]
    z = np.broadcast_to(z, (network.timesteps,)) if len(z) == 1 else z
    return _u(z, population.tau, float(_threshold(population, where[2])), where[1])


def _u(z: Array, tau: float, threshold: float, timestep: int) -> float:
    """u of one neuron before its reset at a timestep. z: (T,), in the precision that counts."""
    u = z.dtype.type(0)
    for t in range(timestep + 1):
        u = u + (z[t] - u) / z.dtype.type(tau)
        if t < timestep and u >= threshold:
            u = z.dtype.type(0)
    return float(u)


def _of_fixed(fixed: FixedNetwork, name: str, x: Array, where: Place) -> float:
    """v of the integers just before the reset, in parts of the threshold."""
    _, timestep, neuron = where
    result = run(fixed, x, record=("u", "v"))
    u, v = (each[name].reshape(fixed.timesteps, -1)[:, neuron] for each in (result.u, result.v))
    population = fixed.population(name)
    decay, threshold = (
        np.broadcast_to(each, (population.neurons,))[neuron] for each in (population.v_decay, population.threshold)
    )
    bias = int(population.bias[neuron])
    if fixed.driven(population):
        bias += int(fixed.encode(x).reshape(-1)[neuron])
    kept = decayed(np.asarray(v[timestep - 1]), decay) if timestep else 0
    return float((int(kept) + int(u[timestep]) + (bias << BIAS_EXPONENT)) / ((int(threshold) << BIAS_EXPONENT) + 1))
