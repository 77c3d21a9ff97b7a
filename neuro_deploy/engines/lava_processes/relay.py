"""Lava processes for the relay population and for spikes that are held back: Lava has neither."""
# mypy: ignore-errors
# ruff: noqa: D101

from __future__ import annotations

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from neuro_deploy.engines.lava_processes.recorder import Log


class Relay(AbstractProcess):
    """Sends ``a_in + bias`` in every timestep after the first ``start``, and 0 in those. bias: (neurons,), int32.

    Logs what it sent in ``steps`` timesteps to ``PATH.spikes.npy``.
    """

    def __init__(self, *, shape, bias, start, steps, path):
        super().__init__(shape=shape, bias=bias, start=start, steps=steps, path=path)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


class DelayLine(AbstractProcess):
    """Sends what arrived ``delay`` timesteps ago, 1 or more; before that, 0."""

    def __init__(self, *, shape, delay):
        super().__init__(shape=shape, delay=delay)
        self.s_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


@implements(proc=Relay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRelay(PyLoihiProcessModel):
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.log = Log(f"{proc_params['path']}.spikes.npy", proc_params["steps"], proc_params["shape"])

    def run_spk(self):
        value = self.a_in.recv() + self.proc_params["bias"]
        sent = value if self.time_step > self.proc_params["start"] else np.zeros_like(value)
        self.s_out.send(sent)
        self.log.put(self.time_step, sent)


@implements(proc=DelayLine, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyDelayLine(PyLoihiProcessModel):
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def __init__(self, proc_params):
        super().__init__(proc_params)
        self.held = np.zeros((proc_params["delay"], *proc_params["shape"]), np.int32)

    def run_spk(self):
        place = self.time_step % len(self.held)
        self.s_out.send(self.held[place])
        self.held[place] = self.s_in.recv()
