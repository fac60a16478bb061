"""The worker processes of a run, kept warm between stages that want the same kind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from vernier.exec.local import Pool
from vernier.pipeline.prepare import Prepared


class Pools(contextlib.AbstractContextManager["Pools"]):
    """One pool for each kind of worker that was asked for."""

    def __init__(self) -> None:
        self._pools: dict[tuple[int, int, str, str], Pool] = {}
        self._stack = contextlib.ExitStack()

    def of(self, prepared: Prepared) -> Pool:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        on: Mapping[str, Any] = prepared.node.on
        device = on.get("device") or "cpu"
        workers = on.get("workers") or (1 if device != "cpu" else max(1, cores // _cores(prepared, cores)))
        memory = on.get("memory") or _physical_memory() * 9 // 10 // workers
        threads = str(max(1, cores // (workers * (on.get("ranks") or 1))))  # each rank is a process of its own
        kind = (workers, memory, device, threads)
        if kind not in self._pools:
            env = {
                "OMP_NUM_THREADS": threads,
                "MKL_NUM_THREADS": threads,
                "TOKENIZERS_PARALLELISM": "false",
                "VERNIER_DEVICE": device,  # vernier.models.device
                "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # without it PyTorch refuses to be deterministic on a GPU
            }
            pool = Pool(workers=workers, memory=memory, recycle=256, env=env)
            self._pools[kind] = self._stack.enter_context(pool)
        return self._pools[kind]

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)


def _cores(prepared: Prepared, cores: int) -> int:
    """How many cores one worker keeps busy: a build says it by a setting `threads`, or takes all that there are."""
    if prepared.shape != "build":
        return 1
    if prepared.node.on.get("ranks"):
        return cores
    return min(cores, getattr(prepared.node.plugin, "threads", cores))


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
