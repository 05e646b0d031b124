"""Where a run happens, and in which precision."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext

import torch

_AHEAD = 8


class Device:
    """A device by torch's name.

    Args:
        name: ``"auto"``, ``"cpu"``, ``"cuda"``.
        threads: On the processor.
        bfloat16: Also on a processor. One that multiplies bfloat16 (AVX512-BF16, AMX) trains faster in it; others
            slower.
    """

    def __init__(self, name: str = "auto", threads: int = 1, bfloat16: bool = False) -> None:
        self.name = ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
        self._bfloat16 = bfloat16 or self.is_gpu
        self._threads = threads
        torch.set_num_threads(threads)

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.name.startswith("cuda")

    def precision(self) -> AbstractContextManager[object]:
        """Return the context for forward passes: bfloat16 on a GPU, or where it was asked for."""
        return torch.autocast(self.name.partition(":")[0], torch.bfloat16) if self._bfloat16 else nullcontext()

    def prefetched(self, make: Callable[[int], torch.Tensor], first: int) -> Callable[[int], torch.Tensor]:
        """Return ``make`` with the next few results made ahead by other threads, on a GPU; steps come in order."""
        if not self.is_gpu:
            return make
        pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 2))
        waiting: deque[Future[torch.Tensor]] = deque(pool.submit(make, first + ahead) for ahead in range(_AHEAD))

        def take(step: int) -> torch.Tensor:
            waiting.append(pool.submit(make, step + _AHEAD))
            return waiting.popleft().result()

        return take
