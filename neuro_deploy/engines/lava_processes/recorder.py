"""Lava's own model of LIFReset, which also notes what it computed.

A model and no process beside it: Lava's sinks hand their data back one number at a time (24 ms for 1,024 numbers), and
each further process costs a few messages per timestep.
"""
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.lif.models import PyLifResetModelBitAcc
from lava.proc.lif.process import LIFReset


class Log:
    """Saves one row per timestep to ``path`` when the last of ``steps`` is there: (steps, *shape), int32."""

    def __init__(self, path, steps, shape):
        self.path = path
        self.rows = np.zeros((steps, *shape), np.int32)

    def put(self, time_step, row):
        self.rows[time_step - 1] = row
        if time_step == len(self.rows):
            np.save(self.path, self.rows)


@implements(proc=LIFReset, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRecordedLif(PyLifResetModelBitAcc):
    """Logs spikes to ``PATH.spikes.npy`` and, where asked, u and v after the timestep to ``PATH.states.npy``."""

    def __init__(self, proc_params):
        super().__init__(proc_params)
        path, steps, shape = (proc_params[key] for key in ("path", "steps", "shape"))
        self.spikes = Log(f"{path}.spikes.npy", steps, shape)
        self.states = Log(f"{path}.states.npy", steps, (2, *shape)) if proc_params["states"] else None

    def spiking_activation(self):
        fired = super().spiking_activation()
        self.spikes.put(self.time_step, fired)
        return fired

    def run_spk(self):
        super().run_spk()
        if self.states:
            self.states.put(self.time_step, np.stack([self.u, self.v]))
