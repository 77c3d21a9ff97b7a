"""A Lava process that writes the spikes and states of one LIF process to a file.

Lava's own sinks hand their data back one number at a time (24 ms for 1,024 numbers); this one saves an array.
"""
# mypy: ignore-errors
# ruff: noqa: D101

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class SpikeRecorder(AbstractProcess):
    """Saves what arrives at ``s_in`` in each of ``steps`` timesteps to ``path``: (steps, neurons), int32."""

    def __init__(self, *, shape, steps, path):
        super().__init__(shape=shape, steps=steps, path=path)
        self.s_in = InPort(shape=shape)


class StateRecorder(AbstractProcess):
    """Saves the variables behind ``u`` and ``v`` after each of ``steps`` timesteps: (2, steps, neurons), int32."""

    def __init__(self, *, shape, steps, path):
        super().__init__(shape=shape, steps=steps, path=path)
        self.u = RefPort(shape=shape)
        self.v = RefPort(shape=shape)


@implements(proc=SpikeRecorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PySpikeRecorder(PyLoihiProcessModel):
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.record = np.zeros((proc_params["steps"], *proc_params["shape"]), np.int32)

    def run_spk(self):
        self.record[self.time_step - 1] = self.s_in.recv()
        if self.time_step == len(self.record):
            np.save(self.proc_params["path"], self.record)


@implements(proc=StateRecorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyStateRecorder(PyLoihiProcessModel):
    u: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    v: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.record = np.zeros((2, proc_params["steps"], *proc_params["shape"]), np.int32)

    def post_guard(self):
        return True

    def run_post_mgmt(self):
        self.record[0, self.time_step - 1] = self.u.read()
        self.record[1, self.time_step - 1] = self.v.read()
        if self.time_step == self.record.shape[1]:
            np.save(self.proc_params["path"], self.record)
