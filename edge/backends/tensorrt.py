"""TensorRT: verified plan bytes in, a ready backend out.

::

    frames --copy--> pinned memory --upload--> device --enqueueV3--> device --download--> pinned memory --copy--> arrays
                                   `--------------- for one frame: recorded once as a CUDA graph -------------'

All memory is allocated before the first frame. A batch that the plan cannot take at once is answered in pieces.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.backends.tensorrt_library import load_plugin, logger_from_lines, told
from edge.errors import DeviceError, EdgeError, MachineError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.backends.cuda import Cuda

WARM_UP = 2  # runs before recording: TensorRT sets up lazily at the first


@dataclass(frozen=True)
class Port:
    """An input or output of a plan.

    Attributes:
        name: of the tensor.
        shape: without the batch.
        is_input: whether it is read.
        item_bytes: size of one value; the input, logits and features are float32.
    """

    name: str
    shape: tuple[int, ...]
    is_input: bool
    item_bytes: int

    def size_bytes(self, batch: int) -> int:
        """Of a batch."""
        return batch * math.prod(self.shape) * self.item_bytes


@dataclass(frozen=True)
class Memory:
    """Where a port's values lie: on the device, and in host memory that the device reaches."""

    port: Port
    address: int
    host: NDArray[np.uint8]

    def floats(self, batch: int) -> NDArray[np.float32]:
        """The host's values of a batch, a view."""
        return self.host[: self.port.size_bytes(batch)].view(np.float32).reshape(batch, *self.port.shape)


def batches_from_count(count: int, smallest: int, largest: int) -> list[int]:
    """Sizes of the pieces in which a plan answers so many frames.

    Args:
        count: frames, at least 1.
        smallest: batch that the plan takes.
        largest: batch that the plan takes.

    Raises:
        DeviceError: a plan for one fixed batch does not divide them.
    """
    whole, rest = divmod(count, largest)
    if count < 1 or 0 < rest < smallest:
        raise DeviceError(
            f"The plan takes {smallest} to {largest} frames at once, got {count}.", f"Give a multiple of {largest}."
        )
    return [largest] * whole + ([rest] if rest else [])


class TensorRtBackend:
    """A plan on the device. Calls from several threads take turns: there is one stream."""

    def __init__(self, engine: Any, cuda: Cuda, version: str) -> None:
        self._engine, self._cuda = engine, cuda
        self._lock = threading.Lock()
        self._ports, self._smallest, self._largest = ports_from_engine(engine)
        self._memory = {
            port.name: Memory(
                port, cuda.allocate(port.size_bytes(self._largest)), cuda.pinned(port.size_bytes(self._largest))
            )
            for port in self._ports
        }
        self._contexts: dict[int, Any] = {}  # batch -> context bound to it; a recorded one must not be bound anew
        self._record: Callable[[], None] | None = None
        self.name = f"tensorrt {version} on {cuda.gpu.name}"

    def logits_from_input(self, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B,C,S,S) -> (B,K)."""
        return self._answer("logits", network_input)

    def features_from_input(self, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B,C,S,S) -> (B,h,w,D)."""
        return self._answer("features", network_input)

    def warm_up(self) -> None:
        """Run the smallest batch until nothing is set up any more, then record it.

        Raises:
            DeviceError: the device cannot run the plan.
        """
        with self._lock, self._cuda.current():
            for _ in range(WARM_UP):
                self._enqueue(self._smallest)
                self._cuda.synchronize()
            try:
                self._record = self._cuda.record(lambda: self._enqueue(self._smallest))
            except DeviceError:  # some layers cannot be recorded: they are launched one by one, a little slower
                self._record = None

    @property
    def is_recorded(self) -> bool:
        """Whether single frames run as a CUDA graph."""
        return self._record is not None

    def close(self) -> None:
        """Free the engine and its memory."""
        with self._lock, self._cuda.current():
            self._record = None
            self._contexts.clear()
            self._memory.clear()
            self._engine = None
        self._cuda.close()

    def _answer(self, output: str, network_input: NDArray[np.float32]) -> NDArray[np.float32]:
        (source,) = [port for port in self._ports if port.is_input]
        if network_input.shape[1:] != source.shape or not any(port.name == output for port in self._ports):
            raise DeviceError(
                f"The plan cannot compute {output!r} from {network_input.shape[1:]}; it takes {source.shape}.",
                "Compile the bundle again.",
            )
        pieces, start = [], 0
        for batch in batches_from_count(len(network_input), self._smallest, self._largest):
            pieces.append(self._run(output, source, network_input[start : start + batch]))
            start += batch
        return np.concatenate(pieces)

    def _run(self, output: str, source: Port, piece: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = len(piece)
        with self._lock, self._cuda.current():
            self._memory[source.name].floats(batch)[:] = piece
            if self._record is not None and batch == self._smallest:
                self._record()
            else:
                self._enqueue(batch)
            self._cuda.synchronize()
            answer: NDArray[np.float32] = self._memory[output].floats(batch).copy()
        return answer

    def _enqueue(self, batch: int) -> None:
        """Put copies and the network on the stream."""
        context = self._context(batch)
        for port in self._ports:
            memory = self._memory[port.name]
            if port.is_input:
                self._cuda.upload(memory.address, memory.host[: port.size_bytes(batch)])
        if not context.execute_async_v3(self._cuda.stream):
            raise DeviceError("TensorRT could not run the plan.", "Run edge verify on the bundle; restart the program.")
        for port in self._ports:
            memory = self._memory[port.name]
            if not port.is_input:
                self._cuda.download(memory.host[: port.size_bytes(batch)], memory.address)

    def _context(self, batch: int) -> Any:
        if batch not in self._contexts:
            kept = {size: context for size, context in self._contexts.items() if size == self._smallest}
            self._contexts = kept  # one more at a time: each holds memory for the activations
            context = self._engine.create_execution_context()
            if context is None:
                raise MachineError("The GPU's memory does not suffice for the plan.", "Close other programs on it.")
            for port in self._ports:
                context.set_tensor_address(port.name, self._memory[port.name].address)
                if port.is_input:
                    context.set_input_shape(port.name, (batch, *port.shape))
            self._contexts[batch] = context
        return self._contexts[batch]


def ports_from_engine(engine: Any) -> tuple[tuple[Port, ...], int, int]:
    """Inputs and outputs of a deserialized engine, and the smallest and largest batch.

    Raises:
        DeviceError: it has not one input with a batch in front.
    """
    ports, batches = [], []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        shape = tuple(engine.get_tensor_shape(name))
        is_input = engine.get_tensor_mode(name).name == "INPUT"
        if is_input:
            smallest, _, largest = engine.get_tensor_profile_shape(name, 0)
            batches.append((int(smallest[0]), int(largest[0])))
        size = int(engine.get_tensor_dtype(name).itemsize)
        ports.append(Port(name, tuple(int(side) for side in shape[1:]), is_input, size))
    if len(batches) != 1 or any(side < 1 for port in ports for side in port.shape):
        raise DeviceError(
            f"The plan has {len(batches)} inputs or sizes that are not fixed.", "Compile the bundle again."
        )
    return tuple(ports), *batches[0]


def tensorrt_from_plan(trt: Any, cuda: Cuda, plan: bytes, plugin: bytes) -> TensorRtBackend:
    """Load a plan whose seal has been checked.

    Args:
        trt: the module `tensorrt`.
        cuda: the device; closed with the backend, and if this fails.
        plan: serialized engine.
        plugin: library with the operators' plugins; empty: the plan needs none.

    Raises:
        DeviceError: TensorRT refuses plan or plugin.
        MachineError: the device's memory does not suffice.
    """
    try:
        lines: list[str] = []
        logger = logger_from_lines(trt, lines)
        with cuda.current():
            runtime = trt.Runtime(logger)
            load_plugin(trt, plugin, lines)
            engine = runtime.deserialize_cuda_engine(plan)
            if engine is None:
                raise DeviceError(
                    f"TensorRT {trt.__version__} refuses the plan: {told(lines)}.",
                    "Build it again: edge compile BUNDLE --target tensorrt",
                )
            backend = TensorRtBackend(engine, cuda, str(trt.__version__))
        backend.warm_up()
    except EdgeError:
        cuda.close()
        raise
    return backend
