"""NetX files: schema, reader, writer. The only place that imports h5py.

``netx.writer`` is imported by those who write: it loads torch and lava-dl.
"""

from neuro_deploy.netx.reader import read

__all__ = ["read"]
