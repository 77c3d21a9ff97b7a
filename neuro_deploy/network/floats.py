"""The float network: populations and projections with real weights, in the units of the source framework."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError, UnsupportedError
from neuro_deploy.network.encoding import GradedEncoding
from neuro_deploy.network.fixed import Kind
from neuro_deploy.network.topology import check_timesteps, check_topology
from neuro_deploy.numerics.registers import frozen

FloatArray = npt.NDArray[np.float64]
MAX_THRESHOLD = 1e30
"""Larger ones leave float64 once they are scaled."""


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one kind.

    kind "lif": u += (z + bias - u) / tau; spike where u >= v_threshold; u = 0 there.
    kind "readout": v += z + bias; the output is v / timesteps.
    kind "input": holds the sample. bias: (neurons,), float64.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    bias: FloatArray
    tau: float = 2.0
    v_threshold: float = 1.0

    def __post_init__(self) -> None:
        if self.bias.shape != (self.neurons,):
            raise UnsupportedError(f"bias has shape {self.bias.shape}, ({self.neurons},) is wanted", where=self.name)
        if not np.all(np.isfinite(self.bias)):
            raise RangeError("bias holds NaN or infinity", where=self.name, hint="train again: the source is broken")
        if self.kind == "lif" and not (1.0 <= self.tau <= 4096 and 0.0 < self.v_threshold <= MAX_THRESHOLD):
            raise RangeError(
                f"tau {self.tau}, v_threshold {self.v_threshold}; tau from 1 to 4096 and a threshold above 0, at most "
                f"{MAX_THRESHOLD:g}, are wanted",
                where=self.name,
            )
        object.__setattr__(self, "bias", frozen(self.bias))

    @property
    def neurons(self) -> int:
        """How many."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Projection:
    """Dense synapses. weight: (target neurons, source neurons), float64."""

    source: str
    target: str
    weight: FloatArray

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(self.weight)):
            where = f"{self.source} -> {self.target}"
            raise RangeError("weight holds NaN or infinity", where=where, hint="train again: the source is broken")
        object.__setattr__(self, "weight", frozen(self.weight))


@dataclass(frozen=True, eq=False)
class Network:
    """A feed-forward network in execution order. ``nd.run`` on it computes in float64."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    timesteps: int
    encoding: GradedEncoding

    def __post_init__(self) -> None:
        check_topology(self.populations, self.projections)
        check_timesteps(self.timesteps)
        for projection in self.projections:
            want = (self.population(projection.target).neurons, self.population(projection.source).neurons)
            if projection.weight.shape != want:
                where = f"{projection.source} -> {projection.target}"
                raise UnsupportedError(f"weight has shape {projection.weight.shape}, {want} is wanted", where=where)

    def population(self, name: str) -> Population:
        """The population of that name."""
        return next(population for population in self.populations if population.name == name)

    def inputs_of(self, name: str) -> tuple[Projection, ...]:
        """The projections into that population."""
        return tuple(projection for projection in self.projections if projection.target == name)
