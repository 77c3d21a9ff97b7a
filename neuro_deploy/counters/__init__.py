"""Spike and synop counts per core, and the energy model. No I/O."""

from neuro_deploy.counters.counts import Counts, count
from neuro_deploy.counters.metrics import Metrics, measure

__all__ = ["Counts", "Metrics", "count", "measure"]
