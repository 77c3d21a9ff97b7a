"""Writing a network in the file format that has a place for it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from neuro_deploy.network import FixedNetwork
from neuro_deploy.netx.chain_rules import is_chain
from neuro_deploy.netx.graph_writer import write_graph


def save(network: FixedNetwork, path: str | Path) -> Literal["chain", "graph"]:
    """Write a NetX chain where the network is one, which lava-dl loads; else a NetX graph. Says which it was.

    Raises:
        MissingError: a chain, and lava-dl is not installed.
        UnsupportedError: a chain that the stock reader would change, or what neither format has a place for.
        RangeError: weights that are not even, a readout that could spike, a relay beyond 24 bits.
        FileError: the file cannot be written.
    """
    if is_chain(network):
        from neuro_deploy.netx.writer import write  # loads torch

        write(network, path)
        return "chain"
    write_graph(network, path)
    return "graph"
