"""A CUDA device and a TensorRT that compute in host memory: for tests of everything around the real ones.

The network answers with the frame's mean (logits: times 1, 2, 3; features: one pixel). Work goes through a stream
that runs at `synchronize`; a recorded stream runs nothing. What the real libraries forbid fails here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import DeviceError
from edge.gpu import Gpu

SIDE_PX, CLASSES = 8, 3
SHAPES = {"frame": (-1, 1, SIDE_PX, SIDE_PX), "logits": (-1, CLASSES), "features": (-1, 1, 1, 1)}


class SimulatedCuda:
    """See `edge.backends.cuda.Cuda`."""

    def __init__(self, can_record: bool = True) -> None:
        self.gpu, self.stream = Gpu("Simulated", 87, 8, 12060), 5
        self.memory: dict[int, NDArray[np.uint8]] = {}
        self.can_record, self.closed = can_record, 0
        self.launches = 0
        self.depth = 0
        self._queue: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        self.depth += 1
        yield
        self.depth -= 1

    def allocate(self, size_bytes: int) -> int:
        assert self.depth, "no device is current"
        array = np.zeros(size_bytes, np.uint8)
        self.memory[array.ctypes.data] = array
        return int(array.ctypes.data)

    def pinned(self, size_bytes: int) -> NDArray[np.uint8]:
        return np.zeros(size_bytes, np.uint8)

    def upload(self, address: int, host: NDArray[np.uint8]) -> None:
        self.put(lambda: self.memory[address].__setitem__(slice(host.nbytes), host))

    def download(self, host: NDArray[np.uint8], address: int) -> None:
        self.put(lambda: host.__setitem__(slice(None), self.memory[address][: host.nbytes]))

    def put(self, work: Callable[[], None]) -> None:
        assert self.depth, "no device is current"
        self._queue.append(work)

    def synchronize(self) -> None:
        for work in self._queue:
            work()
        self._queue.clear()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        if not self.can_record:
            raise DeviceError("CUDA refuses cudaStreamEndCapture: not permitted.", "See: edge doctor.")
        assert not self._queue, "recording begins on a busy stream"
        work()
        recorded, self._queue = self._queue, []

        def launch() -> None:
            self.launches += 1
            for step in recorded:
                self.put(step)

        return launch

    def close(self) -> None:
        self.closed += 1


class SimulatedContext:
    """An IExecutionContext."""

    def __init__(self, engine: SimulatedEngine) -> None:
        self._engine = engine
        self.addresses: dict[str, int] = {}
        self.batch = 0

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert name == "frame"
        assert self._engine.smallest <= shape[0] <= self._engine.largest
        self.batch = shape[0]
        return True

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == self._engine.cuda.stream
        if self._engine.is_broken:
            return False
        self._engine.cuda.put(self._computed)
        return True

    def _computed(self) -> None:
        batch, memory = self.batch, self._engine.cuda.memory
        frames = memory[self.addresses["frame"]].view(np.float32)[: batch * SIDE_PX * SIDE_PX]
        means = frames.reshape(batch, -1).mean(1)
        logits = np.outer(means, np.arange(1, CLASSES + 1)).astype(np.float32)
        for name, values in (("logits", logits), ("features", means.astype(np.float32))):
            raw = np.ascontiguousarray(values).view(np.uint8).ravel()
            memory[self.addresses[name]][: raw.size] = raw


class SimulatedEngine:
    """An ICudaEngine with a profile of smallest to largest frames."""

    def __init__(self, cuda: SimulatedCuda, smallest: int = 1, largest: int = 4, is_broken: bool = False) -> None:
        self.cuda, self.smallest, self.largest, self.is_broken = cuda, smallest, largest, is_broken
        self.num_io_tensors = len(SHAPES)
        self.contexts = 0

    def get_tensor_name(self, index: int) -> str:
        return list(SHAPES)[index]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return SHAPES[name]

    def get_tensor_mode(self, name: str) -> Any:
        return SimpleNamespace(name="INPUT" if name == "frame" else "OUTPUT")

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(itemsize=4)

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, ...]]:
        rest = SHAPES[name][1:]
        return [(batch, *rest) for batch in (self.smallest, 1, self.largest)]

    def create_execution_context(self) -> SimulatedContext:
        self.contexts += 1
        return SimulatedContext(self)


class SimulatedTensorRt:
    """The module: what loading a plan asks of it."""

    __version__ = "10.3.0"

    class ILogger:
        """Base of loggers."""

    def __init__(self, engine: SimulatedEngine | None, complaint: str = "") -> None:
        self._engine, self._complaint = engine, complaint
        self._logger: Any = None
        self.creators: set[tuple[str, str, str]] = set()
        self.libraries: list[bytes] = []

    def Runtime(self, logger: Any) -> Any:
        self._logger = logger
        return SimpleNamespace(deserialize_cuda_engine=self._deserialized)

    def get_plugin_registry(self) -> Any:
        return SimpleNamespace(get_creator=self._creator, load_library=self._loaded)

    def _deserialized(self, plan: bytes) -> SimulatedEngine | None:
        if self._engine is None:
            self._logger.log(SimpleNamespace(name="ERROR"), self._complaint)
        return self._engine

    def _creator(self, *name: str) -> Any:
        return name if name in self.creators else None

    def _loaded(self, path: str) -> Any:
        self.libraries.append(Path(path).read_bytes())
        if not self.libraries[-1].startswith(b"plugin"):
            self._logger.log(SimpleNamespace(name="ERROR"), f"Unable to load library: {path}")
            return None
        self.creators.add(("SelectiveScan2D", "1", ""))
        return object()
