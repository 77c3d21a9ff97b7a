"""The fixed network: populations and projections with integer weights and Loihi's neuron parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network.encoding import InputEncoding
from neuro_deploy.network.geometry import Geometry, checked_sign, geometry_of
from neuro_deploy.network.separate import check_order, separate
from neuro_deploy.network.topology import check_geometry, check_timesteps, check_topology, depths, grouped_by_target
from neuro_deploy.numerics.registers import (
    BIAS,
    BIAS_EXPONENT,
    DECAY,
    DECAY_UNITY,
    DELAY,
    MAX_NEURONS,
    NEVER,
    RELAY,
    SIGN,
    STOCK_WEIGHT,
    THRESHOLD,
    WEIGHT_EXPONENT,
    IntArray,
    Register,
    frozen,
)

Kind = Literal["input", "lif", "relay", "readout"]


@dataclass(frozen=True, eq=False)
class FixedPopulation:
    """Neurons of one kind with Loihi's parameters.

    bias: mantissa, (neurons,), 13 bits signed; it enters v shifted left by 6. A relay adds it to its sum as it is: 24
    bits signed.
    threshold: vThMant, () or (neurons,), 17 bits. A readout never spikes: its threshold is NEVER.
    u_decay, v_decay: () or (neurons,), 0..4096 parts of 4096.

    Raises:
        RangeError: a parameter beyond its register.
        UnsupportedError: a parameter of the wrong shape.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    bias: IntArray = field(default_factory=lambda: np.zeros((), np.int64))
    threshold: IntArray = field(default_factory=lambda: np.asarray(NEVER))
    u_decay: IntArray = field(default_factory=lambda: np.asarray(DECAY_UNITY))
    v_decay: IntArray = field(default_factory=lambda: np.asarray(0))

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1 or self.neurons > MAX_NEURONS:
            raise UnsupportedError(f"has shape {self.shape}; 1 to {MAX_NEURONS:,} neurons are wanted", where=self.name)
        bias = np.broadcast_to(self.bias, (self.neurons,)) if np.ndim(self.bias) == 0 else self.bias
        never = self.kind != "lif" and np.all(np.asarray(self.threshold) == NEVER)
        object.__setattr__(self, "bias", self._parameter(bias, RELAY if self.kind == "relay" else BIAS))
        object.__setattr__(self, "threshold", frozen(NEVER) if never else self._parameter(self.threshold, THRESHOLD))
        object.__setattr__(self, "u_decay", self._parameter(self.u_decay, DECAY))
        object.__setattr__(self, "v_decay", self._parameter(self.v_decay, DECAY))

    def _parameter(self, value: npt.ArrayLike, register: Register) -> IntArray:
        array = register.check(value, self.name)
        if array.shape not in ((), (self.neurons,)):
            raise UnsupportedError(
                f"{register.name} has shape {array.shape}; one value or ({self.neurons},) is wanted", where=self.name
            )
        return frozen(array)

    @property
    def neurons(self) -> int:
        """How many."""
        return math.prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; a parameter that differs between neurons as [lowest, highest]."""
        computed, neuron = self.kind != "input", self.kind in ("lif", "readout")
        return {
            "name": self.name,
            "kind": self.kind,
            "shape": list(self.shape),
            "neurons": self.neurons,
            "threshold": _one_or_range(self.threshold) if self.kind == "lif" else None,
            "u_decay": _one_or_range(self.u_decay) if neuron else None,
            "v_decay": _one_or_range(self.v_decay) if neuron else None,
            "bias_min": int(self.bias.min()) if computed else None,
            "bias_max": int(self.bias.max()) if computed else None,
        }

    @property
    def shifted_bias(self) -> IntArray:
        """What enters v: (neurons,), int64."""
        return self.bias << BIAS_EXPONENT


@dataclass(frozen=True, eq=False)
class FixedProjection:
    """Synapses: a_in += shift(M @ s), where shift is << weight_exp, or >> -weight_exp rounding down.

    M is the matrix of all synapses that geometry makes of weight (geometry.py has the shapes), each row times its sign.
    weight: int16. Ours are even, -256..254; in stock files some odd ones act, up to 255. geometry: dense from source to
    target where not given. sign: None, or (target neurons of the window,), int8, of -1, 0 and 1.
    delay: (), or like the weight of dense synapses; 0..62 timesteps beyond the layer-synchronous timing.
    A negative weight_exp shifts the sum that arrives in one timestep with one delay, as lava-nc does it; of a source
    that is cut, see ``separated``, the sum of each part.
    """

    source: str
    target: str
    weight: IntArray
    weight_exp: int = 0
    delay: IntArray = field(default_factory=lambda: np.zeros((), np.int64))
    geometry: Geometry = None  # type: ignore[assignment]  # made in __post_init__ where not given
    sign: IntArray | None = None

    def __post_init__(self) -> None:
        weight = STOCK_WEIGHT.check(self.weight, self.name)
        delay = DELAY.check(self.delay, self.name)
        object.__setattr__(self, "geometry", geometry_of(self.geometry, weight.shape, self.name))
        if delay.shape not in ((), weight.shape if self.geometry.kind == "dense" else ()):
            raise UnsupportedError(f"delay has shape {delay.shape}; {weight.shape} is wanted", where=self.name)
        if delay.ndim == 2 and np.all(delay == delay.flat[0]):
            delay = delay[0, 0]
        object.__setattr__(self, "weight_exp", int(WEIGHT_EXPONENT.check(self.weight_exp, self.name)))
        object.__setattr__(self, "weight", frozen(weight.astype(np.int16)))
        object.__setattr__(self, "delay", frozen(np.asarray(delay)))
        if self.sign is not None:
            sign = SIGN.check(self.sign, self.name).astype(np.int8)
            object.__setattr__(self, "sign", frozen(checked_sign(sign, self.geometry, self.name)))

    @property
    def name(self) -> str:
        """``source -> target``."""
        return f"{self.source} -> {self.target}"

    @cached_property
    def weight_bits(self) -> int:
        """Bits of the smallest register that holds every weight, once a common power of two is taken out.

        As Lava counts ``num_weight_bits``: weights of one sign need none for it.
        """
        common = int(np.bitwise_or.reduce(np.abs(self.weight.astype(np.int64)).reshape(-1), initial=0))
        step = max(common & -common, 1)
        low, high = int(self.weight.min()) // step, int(self.weight.max()) // step
        if low >= 0 or high <= 0:
            return max(high, -low, 1).bit_length()
        return max(high.bit_length(), (-low - 1).bit_length()) + 1

    @property
    def max_delay(self) -> int:
        """The longest delay, in timesteps."""
        return int(self.delay.max())

    def to_dict(self) -> dict[str, Any]:
        """Plain data. weights: stored numbers. synapses: connections they make; shared weights make many."""
        return {
            "source": self.source,
            "target": self.target,
            "kind": self.geometry.kind,
            "axis": self.geometry.axis,
            "source_channels": self.geometry.source_channels,
            "target_channels": self.geometry.target_channels,
            "weights": self.weight.size,
            "synapses": int(self.fan_out.sum()),
            "nonzero": int(np.count_nonzero(self.weight)),
            "weight_min": int(self.weight.min()),
            "weight_max": int(self.weight.max()),
            "weight_bits": self.weight_bits,
            "weight_exp": self.weight_exp,
            "max_delay": self.max_delay,
            "signed_rows": self.sign is not None,
        }

    @cached_property
    def fan_out(self) -> IntArray:
        """Stored synapses of each source neuron: (source neurons,), int64."""
        return self.geometry.fan_out(np.broadcast_to(np.int8(1), self.weight.shape))

    @cached_property
    def by_delay(self) -> tuple[tuple[int, Any], ...]:
        """(delay, matrix of the synapses that have it) for every delay that occurs.

        matrix: scipy.sparse, (target neurons, source neurons) of the whole populations, int64.
        """
        weight = self.weight.astype(np.int64)
        if self.delay.ndim == 0:
            return ((int(self.delay), self.geometry.matrix(weight, sign=self.sign)),)
        return tuple(
            (int(delay), self.geometry.matrix(np.where(self.delay == delay, weight, 0), sign=self.sign))
            for delay in np.unique(self.delay)
        )

    def shift(self, sums: Any) -> Any:
        """The weight exponent applied to sums of weights: numpy or torch integers."""
        if self.weight_exp > 0:
            return sums << self.weight_exp
        return sums >> -self.weight_exp if self.weight_exp else sums


@dataclass(frozen=True, eq=False)
class FixedNetwork:
    """A feed-forward network of integers, in execution order. Engines run it; all of them give the same spikes.

    encoding: how samples become the integers sent in. meta: plain data about where it came from.
    """

    populations: tuple[FixedPopulation, ...]
    projections: tuple[FixedProjection, ...]
    timesteps: int
    encoding: InputEncoding
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_topology(self.populations, self.projections)
        check_geometry(self.populations, self.projections)
        check_timesteps(self.timesteps)
        if self.encoding.mode == "bias" and self.encoding.population not in {p.name for p in self.populations}:
            raise UnsupportedError("the encoding names this population, which does not exist", where=self.entry)
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))
        check_order(self)
        entry = self.population(self.entry)
        if entry.neurons != self._encoded_neurons():
            raise UnsupportedError(
                f"has {entry.neurons} neurons, the encoding gives {self._encoded_neurons()}", where=self.entry
            )

    def _encoded_neurons(self) -> int:
        weight = self.encoding.weight if self.encoding.mode == "bias" else None
        return len(weight) if weight is not None and weight.ndim == 2 else math.prod(self.encoding.shape)

    @property
    def entry(self) -> str:
        """The population that the encoded integers reach: as spikes, or as bias."""
        return self.encoding.population if self.encoding.mode == "bias" else self.populations[0].name

    def driven(self, population: FixedPopulation) -> bool:
        """Whether data enter this population as its bias."""
        return self.encoding.mode == "bias" and self.entry == population.name

    @cached_property
    def _by_name(self) -> dict[str, FixedPopulation]:
        return {population.name: population for population in self.populations}

    @cached_property
    def _inputs(self) -> dict[str, tuple[FixedProjection, ...]]:
        return grouped_by_target(self.populations, self.projections)

    def population(self, name: str) -> FixedPopulation:
        """The population of that name."""
        return self._by_name[name]

    def inputs_of(self, name: str) -> tuple[FixedProjection, ...]:
        """The projections into that population."""
        return self._inputs[name]

    @cached_property
    def separated(self) -> FixedNetwork:
        """The same network with populations that feed their own later channels cut into parts; see separate.py."""
        return separate(self)

    @property
    def computed(self) -> tuple[FixedPopulation, ...]:
        """The populations that an engine computes: all but the input."""
        return tuple(population for population in self.populations if population.kind != "input")

    @property
    def output(self) -> FixedPopulation:
        """The last population: a readout, or LIF neurons whose spikes are counted."""
        return self.populations[-1]

    @cached_property
    def depths(self) -> dict[str, int]:
        """Longest path from the input, per part of ``separated``; Lava and the chip run that many timesteps late."""
        return depths(self.separated.populations, self.separated.projections)

    @property
    def parameters(self) -> int:
        """Stored numbers: weights, and biases of populations that have any."""
        weights = sum(projection.weight.size for projection in self.projections)
        return weights + sum(p.neurons for p in self.computed if np.any(p.bias))

    @property
    def neurons(self) -> int:
        """Neurons that are computed (the input is not)."""
        return sum(population.neurons for population in self.computed)

    def encode(self, x: npt.ArrayLike) -> IntArray:
        """The integers sent in for samples x: (samples, *entry shape), or (samples, T, *entry shape).

        Raises:
            DataError: x does not fit the network's input.
        """
        encoded = self.encoding.encode(x)
        return encoded.reshape(*encoded.shape[:-1], *self.population(self.entry).shape)


def weight_bytes(network: FixedNetwork) -> int:
    """Bytes of all weights as a chip stores them: one for every synapse, shared ones too; indices come on top."""
    bits = sum(int(p.fan_out.sum()) * p.weight_bits for p in network.projections)
    return -(-bits // 8)


def _one_or_range(parameter: IntArray) -> int | list[int]:
    low, high = int(parameter.min()), int(parameter.max())
    return low if low == high else [low, high]
