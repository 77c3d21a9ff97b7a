"""The native engine: exact, batched, layer by layer over many timesteps at once (docs/adr/0007-native-engine.md)."""

from neuro_deploy.engines.native.engine import Engine

__all__ = ["Engine"]
