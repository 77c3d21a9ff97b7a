"""Messages and bits on every link of the mesh, from the spikes of a run and the places of the cores.

A message goes along its row to the column of its destination, then along that column (XY routing); a spike is one
message to each core that it reaches. What comes from the host has no place on the mesh and is left out.

    bits(message) = message_bits of the profile; where that is not public, the fewest that name the destination:
                    ceil(log2(cores of the system)) + ceil(log2(input axons of a core)) + payload bits if it is graded
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Any

import numpy as np

from neuro_deploy.hardware import HardwareProfile
from neuro_deploy.mapping import Mapping, Traffic, traffic
from neuro_deploy.network import FixedNetwork
from neuro_deploy.numerics.registers import IntArray

DIRECTIONS = ("east", "west", "south", "north")


@dataclass(frozen=True, eq=False)
class Links:
    """Links that carry anything. x, y: (links,), the tile that a link leaves; direction: (links,), of ``DIRECTIONS``.

    messages, bits: (links, T), int64, sums over the samples. within: (T,), messages that stay on their tile.
    """

    x: IntArray
    y: IntArray
    direction: IntArray
    messages: IntArray
    bits: IntArray
    within: IntArray
    between: Traffic

    def name(self, link: int) -> str:
        """Such as ``(3, 1) east``."""
        return f"({self.x[link]}, {self.y[link]}) {DIRECTIONS[self.direction[link]]}"

    def to_dict(self) -> list[dict[str, Any]]:
        """One row per link, sums over timesteps."""
        messages, bits = self.messages.sum(axis=1).tolist(), self.bits.sum(axis=1).tolist()
        return [
            {"tile": [int(x), int(y)], "direction": DIRECTIONS[d], "messages": m, "bits": b}
            for x, y, d, m, b in zip(self.x, self.y, self.direction, messages, bits, strict=True)
        ]


def links(network: FixedNetwork, mapping: Mapping, spikes: Dict[str, IntArray]) -> Links:
    """Of a run. spikes: population -> (T, neurons)."""
    between = traffic(network, mapping, dict(spikes))
    tiles = np.array([core.tile for core in mapping.cores], np.int64).reshape(-1, 2)
    one, other = tiles[between.source], tiles[between.target]
    widths = np.array([message_bits(network, mapping.profile, core.population) for core in mapping.cores], np.int64)
    shape = int(tiles[:, 1].max(initial=0)) + 1, int(tiles[:, 0].max(initial=0)) + 1
    messages = np.stack([_loads(one, other, column, shape) for column in between.messages.T])
    bits = np.stack([_loads(one, other, column * widths[between.source], shape) for column in between.messages.T])
    used = np.flatnonzero(messages.any(axis=0))
    direction, place = np.divmod(used, shape[0] * shape[1])
    y, x = np.divmod(place, shape[1])
    within = between.messages[np.all(one == other, axis=1)].sum(axis=0)
    return Links(x, y, direction, messages[:, used].T, bits[:, used].T, within, between)


def message_bits(network: FixedNetwork, profile: HardwareProfile, population: str) -> int:
    """Bits of a message from this population; see above."""
    known = profile.get("spike.message_bits")
    if known is not None:
        return int(known)
    cores = profile.whole("system.chips") * profile.whole("system.cores_per_chip")
    address = (cores - 1).bit_length() + (profile.whole("core.input_axons") - 1).bit_length()
    graded = network.population(population).kind == "relay"
    return address + (profile.whole("spike.payload_bits") if graded else 0)


def _loads(one: IntArray, other: IntArray, messages: IntArray, shape: tuple[int, int]) -> IntArray:
    """Messages on all links of a timestep: (4 * rows * columns,), direction after direction.

    Where a message enters a row it counts from there on, and no more from where it leaves it: sums along the row.
    """
    rows, columns = shape
    x, y, to_x, to_y = one[:, 0], one[:, 1], other[:, 0], other[:, 1]

    def along(start: IntArray, stop: IntArray, line: IntArray, size: int, lines: int, chosen: IntArray) -> IntArray:
        ends = [
            np.bincount(line[chosen] * (size + 1) + at[chosen], messages[chosen], lines * (size + 1))
            for at in (start, stop)
        ]
        load = np.cumsum((ends[0] - ends[1]).reshape(lines, size + 1), axis=1)[:, :size]
        return np.rint(load).astype(np.int64)

    east = along(x, to_x, y, columns, rows, np.flatnonzero(to_x > x))
    west = along(to_x + 1, x + 1, y, columns, rows, np.flatnonzero(to_x < x))
    south = along(y, to_y, to_x, rows, columns, np.flatnonzero(to_y > y)).T
    north = along(to_y + 1, y + 1, to_x, rows, columns, np.flatnonzero(to_y < y)).T
    return np.concatenate([east.reshape(-1), west.reshape(-1), south.reshape(-1), north.reshape(-1)])
