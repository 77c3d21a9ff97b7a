"""Extra delays that bring every path to a population to the same length."""

from __future__ import annotations

from neuro_deploy.errors import UnsupportedError
from neuro_deploy.network import FixedNetwork


def balance_delays(network: FixedNetwork) -> tuple[int, ...]:
    """``extra = d(target) - d(source) - 1`` timesteps, for every projection, with ``d(p)`` the depth of population p.

    Inside neuro-deploy all populations see the same timestep. Lava and the chip add one timestep per projection, so
    that population p runs its timestep t at ``t + d(p)``: the longest path arrives in time, and a projection that skips
    levels must hold its spikes back by this much. It adds to the projection's own delay, which is part of the network.

    Requires: a feed-forward network, as ``FixedNetwork.separated`` gives it.
    Ensures: no extra delay is negative, and along every path into a population extra delays and projections add up to
    the same number: the population's depth less that of the path's start.

    Raises:
        UnsupportedError: the network has populations that feed their own later channels.
    """
    if network.separated is not network:
        raise UnsupportedError(
            "populations that feed their own later channels run in parts, each at a depth of its own",
            hint="balance the delays of network.separated",
        )
    depth = network.depths
    return tuple(depth[p.target] - depth[p.source] - 1 for p in network.projections)
