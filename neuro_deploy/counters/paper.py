"""The paper's estimate of energy (arXiv:2306.12465, Table 4), and the exact number of additions beside it."""

from __future__ import annotations

from typing import Any

from neuro_deploy.counters.energy import ADDITION, MULTIPLY_ACCUMULATE
from neuro_deploy.counters.mfi import Audit, audit
from neuro_deploy.engines import RunResult
from neuro_deploy.errors import UsageError
from neuro_deploy.network import FixedNetwork
from neuro_deploy.network.fan_out import fan_out_onto

TABLE_4 = (
    ("MLP-SPE-T", 1.18e9, 12e6, 1.12),
    ("ResNet-34", 1.85e9, 118e6, 2.21),
)
"""(model, additions, multiplications, mJ as printed). Source: the paper's Table 4, T=4."""


def joules(additions: float, multiplications: float) -> float:
    """0.9 pJ an addition and 4.6 pJ a multiply-accumulate (45 nm)."""
    return additions * ADDITION + multiplications * MULTIPLY_ACCUMULATE


def table4() -> list[dict[str, Any]]:
    """The arithmetic of Table 4: its operations, times its coefficients, beside its energies in mJ."""
    return [
        {
            "model": model,
            "additions": additions,
            "multiplications": multiplications,
            "mJ": joules(additions, multiplications) * 1e3,
            "printed_mJ": printed,
        }
        for model, additions, multiplications, printed in TABLE_4
    ]


def paper_estimate(audited: Audit, firing_rate: float, timesteps: int) -> dict[str, Any]:
    """s * T * A additions per image and their energy, as the paper estimates them.

    firing_rate: s, spikes per neuron and timestep.

    Raises:
        UsageError: a rate beyond 0..1, or no timestep.
    """
    if not 0 <= firing_rate <= 1 or timesteps < 1:
        raise UsageError(f"firing rate {firing_rate}, {timesteps} timesteps; 0 to 1, and 1 or more, are wanted")
    additions = firing_rate * timesteps * audited.additions_per_step
    return {
        "firing_rate": firing_rate,
        "timesteps": timesteps,
        "additions_per_step": audited.additions_per_step,
        "additions": additions,
        "multiplications": audited.input_multiplications,
        "joules": joules(additions, audited.input_multiplications),
        "formula": "additions = s * T * A; 0.9 pJ an addition, 4.6 pJ a multiplication",
    }


def exact(network: FixedNetwork, run: RunResult) -> dict[str, float]:
    """What took place, per image: additions behind one-bit spikes (effective synops), of the head and of residuals,
    multiplications of each timestep, and the firing rate of the neurons. input_multiplications: of the first layer, at
    every timestep that its input is not 0, or of the host; with them, joules is what ``run`` says (``paper_45nm``).
    """
    audited = audit(network.populations, network.projections, network.encoding)
    totals = {"additions": 0, "head_additions": 0, "residual_additions": 0, "multiplications": 0}
    totals["input_multiplications"] = audited.host * run.samples
    for projection, row in zip(network.projections, audited.projections, strict=True):
        target = network.population(projection.target)
        fan_out = fan_out_onto(projection, 0, target.neurons, effective=True)
        done = int(run.counts[projection.source].sum(axis=0) @ fan_out)
        if row.multiplications:
            totals["input_multiplications" if row.per_image else "multiplications"] += done
        else:
            role = {"residual": "residual_additions", "head": "head_additions"}.get(row.role, "additions")
            totals[role] += done
    spiking = [population for population in network.populations if population.kind == "lif"]
    places = sum(population.neurons for population in spiking) * run.samples * run.timesteps
    spikes = sum(int(run.counts[population.name].sum()) for population in spiking)
    per_image = {name: total / run.samples for name, total in totals.items()}
    added = sum(per_image[what] for what in ("additions", "head_additions", "residual_additions"))
    multiplied = per_image["multiplications"] + per_image["input_multiplications"]
    rate = spikes / places if places else 0.0
    return {**per_image, "firing_rate": rate, "joules": joules(added, multiplied)}
