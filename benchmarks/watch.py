"""What the native engine's time goes into, kind by kind, as it runs."""

from __future__ import annotations

import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np

from neuro_deploy.engines.native import Engine, arriving, products, run, threads
from neuro_deploy.engines.native.fusion import Fused
from neuro_deploy.engines.native.products import Product

TOGETHER = {"lif8": "neurons", "along8": "neurons", "relay8": "relays"}
"""Loops that compute a product with what it feeds."""
NEURONS = "lif"


@dataclass
class Work:
    """seconds: spent. macs: multiply-accumulates. updates: neurons by timesteps by samples. moved: bytes of arrays."""

    seconds: float = 0.0
    macs: float = 0.0
    updates: float = 0.0
    moved: float = 0.0


@dataclass
class Watch:
    """kind -> what it took, and the whole."""

    kinds: dict[str, Work] = field(default_factory=lambda: defaultdict(Work))
    seconds: float = 0.0
    product: Product | None = None
    """What is being multiplied."""

    def add(self, kind: str, seconds: float, macs: float = 0.0, updates: float = 0.0, moved: float = 0.0) -> None:
        """Add to a kind."""
        work = self.kinds[kind]
        work.seconds, work.macs = work.seconds + seconds, work.macs + macs
        work.updates, work.moved = work.updates + updates, work.moved + moved

    @property
    def rest(self) -> float:
        """Seconds that no kind took."""
        return self.seconds - sum(work.seconds for work in self.kinds.values())


def watched(function: Callable[[], object]) -> Watch:
    """Run, with a clock around every product and every compiled loop."""
    watch = Watch()
    with _clocks(watch):
        start = time.perf_counter()
        function()
        watch.seconds = time.perf_counter() - start
    return watch


def _kind(product: Product) -> str:
    geometry = product.projection.geometry
    axis = {None: "", "height": " height, width", "width": " height, width"}.get(geometry.axis, f" {geometry.axis}")
    return f"{geometry.kind}{axis}"


def _macs(product: Product, frames: int) -> float:
    return sum(p.geometry.additions(p.weight.shape) for p in product.projections) * frames


@contextlib.contextmanager
def _clocks(watch: Watch) -> Iterator[None]:
    original_sums, original_fused = Product.sums, run.Run._fused

    def sums(product: Product, *arguments: Any, **options: Any) -> Any:
        start, watch.product = time.perf_counter(), product
        made = original_sums(product, *arguments, **options)
        watch.product = None
        if product.projection.geometry.kind != "one-to-one":
            frames = made.shape[0] * made.shape[1]
            watch.add(f"{_kind(product)}, {product.kernel}", time.perf_counter() - start, _macs(product, frames))
        return made

    def fused(made: run.Run, what: Fused, shared: tuple[int, int, tuple[int, ...]], rest: tuple[Any, ...]) -> None:
        start, watch.product = time.perf_counter(), what.product
        original_fused(made, what, shared, rest)
        watch.product = None
        loop, some = what.loop.__name__, made.samples * min(made.at_once, made.network.timesteps)
        both = loop == "relay8" and rest[-2].size > 0
        kind = f"{_kind(what.product)} with {TOGETHER[loop]}{', neurons' * both}, {what.product.kernel}"
        static = made._static(what.product)
        macs = _macs(what.product, made.samples if static else some)
        updates = made.samples if static and loop == "relay8" else (1 + both) * some
        watch.add(kind, time.perf_counter() - start, macs, updates * math.prod(what.product.target))

    def clocked(original: Callable[..., None]) -> Callable[..., None]:
        def loop_of(loop: Any, jobs: int, operations: int, *arguments: Any) -> None:
            start = time.perf_counter()
            original(loop, jobs, operations, *arguments)
            if watch.product is None:
                name = str(loop.__name__)
                moved = sum(a.nbytes for a in arguments if isinstance(a, np.ndarray))
                kind = "neurons alone" if name == NEURONS else "sums, relays, order"
                updates = operations // threads.EACH if name == NEURONS else 0
                watch.add(kind, time.perf_counter() - start, 0, updates, moved)

        return loop_of

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(Engine, "_notes", return_value=False))  # a tape has its own
        stack.enter_context(mock.patch.object(Product, "sums", sums))
        stack.enter_context(mock.patch.object(run.Run, "_fused", fused))
        for module in (products, arriving, run):
            for name in {"share", "deal"} & {*vars(module)}:
                stack.enter_context(mock.patch.object(module, name, clocked(vars(module)[name])))
        yield
