"""NetX files: schema, readers, writers. The only place that imports h5py.

A chain is what lava-dl reads; a graph is what a chain has no place for (docs/netx_format.md). ``netx.writer`` is
imported by those who write chains: it loads torch.
"""

from neuro_deploy.netx.reader import read
from neuro_deploy.netx.store import save

__all__ = ["read", "save"]
