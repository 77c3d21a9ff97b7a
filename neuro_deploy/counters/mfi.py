"""The audit of multiplication-free inference (MFI): what one dense timestep adds and multiplies, and why.

    source LIF                      one-bit spikes: a weight is only ever added
    source input, graded            multiplications; once per image where it is shown unchanged (direct coding)
    source relay, one-to-one,
      every weight a power of two   a shift and a residual addition
    source relay, otherwise         one multiplication per synapse and timestep
    target readout                  the head: counted apart

A dense timestep is one in which every neuron spikes. A convolution's padding is counted, as the paper does;
``valid_additions`` leaves it out. The first layer and the head are no part of ``additions_per_step``: the paper's A.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro_deploy.counters.powers import only_shifts

SPIKES, GRADED = "spikes only", "graded"
RELAY_REASON = "a graded value meets weights that are no powers of two"
NORM_REASON = f"{RELAY_REASON}; a per-token batch norm after a channel block cannot fold into shared weights"
INPUT_REASON = {
    True: "the first layer sees real pixels; the image does not change, so once per image",
    False: "the first layer sees real pixels, and they change from timestep to timestep",
}
HOST_REASON = "the host computes the first layer, once per image"
HEAD_REASON = "the head sees graded values"


@dataclass(frozen=True)
class ProjectionAudit:
    """What one projection costs in one dense timestep.

    additions, valid_additions: with and without a convolution's padding. role: "spiking", "first layer", "head" or
    "residual". multiplications: per timestep, or per image where per_image. stage: (height, width) of the target.
    """

    source: str
    target: str
    kind: str
    meets: str
    role: str
    stage: tuple[int, int]
    parameters: int
    additions: int
    valid_additions: int
    multiplications: int = 0
    per_image: bool = False
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**vars(self), "stage": list(self.stage)}


@dataclass(frozen=True)
class Audit:
    """Projections in the network's order. neurons: that can spike. relays: that only send sums on. host:
    multiplications per image that the host makes.
    """

    projections: tuple[ProjectionAudit, ...]
    neurons: int
    relays: int = 0
    host: int = 0

    def of(self, role: str) -> list[ProjectionAudit]:
        """The projections of one role."""
        return [projection for projection in self.projections if projection.role == role]

    @property
    def additions_per_step(self) -> int:
        """The paper's A: dense additions behind one-bit spikes, without first layer, head and residual shifts."""
        return sum(p.additions for p in self.of("spiking"))

    @property
    def input_multiplications(self) -> int:
        """Per image."""
        return self.host + sum(p.multiplications for p in self.projections if p.per_image)

    @property
    def multiplications_per_step(self) -> int:
        """Per timestep."""
        return sum(p.multiplications for p in self.projections if not p.per_image)

    @property
    def multiplication_free(self) -> bool:
        """Whether nothing is multiplied from timestep to timestep."""
        return self.multiplications_per_step == 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what ``inspect --mfi`` adds."""
        return {
            "additions_per_step": self.additions_per_step,
            "valid_additions_per_step": sum(p.valid_additions for p in self.of("spiking")),
            "input_multiplications": self.input_multiplications,
            "multiplications_per_step": self.multiplications_per_step,
            "multiplication_free": self.multiplication_free,
            "residual_additions_per_step": sum(p.additions for p in self.of("residual")),
            "head_additions": sum(p.additions for p in self.of("head") if p.meets == SPIKES),
            "stored_weights": sum(p.parameters for p in self.projections),
            "spiking_neurons": self.neurons,
            "relay_neurons": self.relays,
            "additions_by_stage": self._stages(),
            "by_kind": self._kinds(),
            "multiplications": self._multiplications(),
            "mfi": [projection.to_dict() for projection in self.projections],
        }

    def _stages(self) -> list[dict[str, Any]]:
        stages: dict[tuple[int, int], dict[str, Any]] = {}
        for p in self.projections:
            if p.role not in ("spiking", "residual", "gain"):
                continue
            stage = stages.setdefault(
                p.stage, {"resolution": list(p.stage), "additions": 0, "residual_additions": 0, "multiplications": 0}
            )
            stage["additions"] += p.additions if p.role == "spiking" else 0
            stage["residual_additions"] += p.additions if p.role == "residual" else 0
            stage["multiplications"] += 0 if p.per_image else p.multiplications
        return list(stages.values())

    def _kinds(self) -> dict[str, int]:
        kinds: dict[str, int] = {}
        for p in self.of("spiking"):
            kinds[p.kind] = kinds.get(p.kind, 0) + p.additions
        return kinds

    def _multiplications(self) -> list[dict[str, Any]]:
        found = [
            {"projection": f"{p.source} -> {p.target}", "multiplications": p.multiplications}
            | {"per": "image" if p.per_image else "timestep", "reason": p.reason}
            for p in self.projections
            if p.multiplications
        ]
        host = {"projection": "the host", "multiplications": self.host, "per": "image", "reason": HOST_REASON}
        return [host, *found] if self.host else found


def audit(
    populations: Sequence[Any], projections: Iterable[Any], encoding: Any = None, *, static: bool = True
) -> Audit:
    """Audit a float or a fixed network.

    encoding: the network's; input is taken for graded where it is not given. static: the same image at every timestep.
    """
    by_name = {population.name: population for population in populations}
    graded = _graded_input(encoding)
    rows = [_one(p, by_name[p.source], by_name[p.target], graded=graded, static=static) for p in projections]
    mode = getattr(encoding, "mode", None)
    return Audit(
        tuple(rows),
        sum(population.neurons for population in populations if population.kind == "lif"),
        sum(population.neurons for population in populations if population.kind == "relay"),
        int(encoding.multiplications) if mode == "bias" else 0,
    )


def _graded_input(encoding: Any) -> bool:
    if getattr(encoding, "mode", "graded") != "graded":
        return False
    return getattr(encoding, "levels", 2) > 1 or getattr(encoding, "first", 0) != 0


def _one(projection: Any, source: Any, target: Any, *, graded: bool, static: bool) -> ProjectionAudit:
    geometry, shape = projection.geometry, projection.weight.shape
    synapses = int(geometry.additions(shape))
    role = "head" if target.kind == "readout" else "spiking"
    meets = GRADED if source.kind == "relay" or (source.kind == "input" and graded) else SPIKES
    multiplications, per_image, reason = 0, False, None
    if meets == GRADED and source.kind == "input":
        role = "first layer"
        multiplications, per_image, reason = synapses, static, INPUT_REASON[static]
    elif meets == GRADED and only_shifts(projection):
        role = "residual" if role == "spiking" else role
    elif meets == GRADED:
        multiplications, reason = synapses, NORM_REASON if geometry.kind == "one-to-one" else RELAY_REASON
        role, reason = ("head", HEAD_REASON) if role == "head" else ("gain", reason)
    return ProjectionAudit(
        projection.source,
        projection.target,
        f"axial {geometry.axis}" if geometry.axis else geometry.kind,
        meets,
        role,
        (target.shape[1], target.shape[2]) if len(target.shape) == 3 else (1, 1),
        projection.weight.size,
        synapses,
        _valid(geometry, shape),
        multiplications,
        per_image,
        reason,
    )


def _valid(geometry: Any, shape: tuple[int, ...]) -> int:
    """Additions whose source is a neuron and no padding."""
    if geometry.kind != "conv2d":
        return int(geometry.additions(shape))
    return int(geometry.fan_out(np.broadcast_to(np.int8(1), shape)).sum())
