"""Engines run a FixedNetwork. All of them give the same spikes, u and v: see tests/conformance."""

from neuro_deploy.engines.base import ENGINES, Engine, RunResult, get_engine

__all__ = ["ENGINES", "Engine", "RunResult", "get_engine"]
