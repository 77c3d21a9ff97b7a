"""The float network: populations and projections with real weights, in the units of the source framework."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import RangeError, UnsupportedError
from neuro_deploy.network.encoding import GradedEncoding
from neuro_deploy.network.fixed import Kind
from neuro_deploy.network.geometry import Geometry, checked_sign, geometry_of
from neuro_deploy.network.separate import check_order, separate
from neuro_deploy.network.topology import check_geometry, check_timesteps, check_topology, grouped_by_target
from neuro_deploy.numerics.registers import frozen

FloatArray = npt.NDArray[np.float64]
MAX_THRESHOLD = 1e30
"""Larger ones leave float64 once they are scaled."""


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one kind.

    kind "lif": u += (z + bias - u) / tau; spike where u >= v_threshold; u = 0 there.
    kind "readout": v += z + bias; the output is v / timesteps.
    kind "relay": sends z + bias on as it is. kind "input": holds the sample.
    bias: (neurons,), float64. v_threshold: one number, or (neurons,).
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    bias: FloatArray
    tau: float = 2.0
    v_threshold: float | FloatArray = 1.0

    def __post_init__(self) -> None:
        if self.bias.shape != (self.neurons,):
            raise UnsupportedError(f"bias has shape {self.bias.shape}, ({self.neurons},) is wanted", where=self.name)
        if not np.all(np.isfinite(self.bias)):
            raise RangeError("bias holds NaN or infinity", where=self.name, hint="train again: the source is broken")
        threshold = np.asarray(self.v_threshold, np.float64)
        if threshold.shape not in ((), (self.neurons,)):
            raise UnsupportedError(
                f"v_threshold has shape {threshold.shape}, ({self.neurons},) is wanted", where=self.name
            )
        if self.kind == "lif" and not (
            1.0 <= self.tau <= 4096 and np.all((threshold > 0.0) & (threshold <= MAX_THRESHOLD))
        ):
            raise RangeError(
                f"tau {self.tau}, v_threshold from {threshold.min():g}; a tau from 1 to 4096 and a threshold above 0, "
                f"at most {MAX_THRESHOLD:g}, are wanted",
                where=self.name,
            )
        object.__setattr__(self, "bias", frozen(self.bias))
        if threshold.ndim:
            object.__setattr__(self, "v_threshold", frozen(threshold))

    @property
    def neurons(self) -> int:
        """How many."""
        return math.prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "kind": self.kind, "shape": list(self.shape), "neurons": self.neurons}


@dataclass(frozen=True, eq=False)
class Projection:
    """Synapses: z += M @ s, where geometry makes M of weight (geometry.py has the shapes), each row times its sign.

    weight: float64. geometry: dense from source to target where not given. sign: None, or (target neurons of the
    window,), int8, of -1, 0 and 1.
    """

    source: str
    target: str
    weight: FloatArray
    geometry: Geometry = None  # type: ignore[assignment]  # made in __post_init__ where not given
    sign: npt.NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        if not np.all(np.isfinite(self.weight)):
            raise RangeError("weight holds NaN or infinity", where=self.name, hint="train again: the source is broken")
        object.__setattr__(self, "geometry", geometry_of(self.geometry, np.shape(self.weight), self.name))
        object.__setattr__(self, "weight", frozen(self.weight))
        if self.sign is not None:
            object.__setattr__(self, "sign", frozen(checked_sign(np.asarray(self.sign), self.geometry, self.name)))

    @property
    def name(self) -> str:
        """``source -> target``."""
        return f"{self.source} -> {self.target}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data. weights: stored numbers."""
        geometry = self.geometry
        return {
            "source": self.source,
            "target": self.target,
            "kind": geometry.kind,
            "axis": geometry.axis,
            "source_channels": geometry.source_channels,
            "target_channels": geometry.target_channels,
            "weights": self.weight.size,
            "nonzero": int(np.count_nonzero(self.weight)),
        }


@dataclass(frozen=True, eq=False)
class Network:
    """A feed-forward network in execution order. ``nd.run`` on it computes in float64."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    timesteps: int
    encoding: GradedEncoding

    def __post_init__(self) -> None:
        check_topology(self.populations, self.projections)
        check_geometry(self.populations, self.projections)
        check_timesteps(self.timesteps)
        check_order(self)

    @cached_property
    def _by_name(self) -> dict[str, Population]:
        return {population.name: population for population in self.populations}

    @cached_property
    def _inputs(self) -> dict[str, tuple[Projection, ...]]:
        return grouped_by_target(self.populations, self.projections)

    @cached_property
    def separated(self) -> Network:
        """The same network with populations that feed their own later channels cut into parts; see separate.py."""
        return separate(self)

    def population(self, name: str) -> Population:
        """The population of that name."""
        return self._by_name[name]

    def inputs_of(self, name: str) -> tuple[Projection, ...]:
        """The projections into that population."""
        return self._inputs[name]
