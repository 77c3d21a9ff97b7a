"""Spike and synop counts per core, the energy model, and the audit of multiplications. No I/O."""

from neuro_deploy.counters.counts import Counts, count
from neuro_deploy.counters.fit import TimeFit, fit_time, read_measurements
from neuro_deploy.counters.links import Links, links
from neuro_deploy.counters.metrics import Metrics, measure
from neuro_deploy.counters.mfi import Audit, ProjectionAudit, audit
from neuro_deploy.counters.paper import exact, paper_estimate, table4

__all__ = [
    "Audit",
    "Counts",
    "Links",
    "Metrics",
    "ProjectionAudit",
    "TimeFit",
    "audit",
    "count",
    "exact",
    "fit_time",
    "links",
    "measure",
    "paper_estimate",
    "read_measurements",
    "table4",
]
