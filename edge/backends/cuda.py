"""A CUDA device: memory, copies, one stream, recorded launches. The only file of the runtime that touches CUDA.

::

    pycuda where it is installed, else cuda-bindings          device, memory, copies, stream
    cuda-bindings                                             recording of a graph, which pycuda cannot do

Both work on the device's primary context, which TensorRT uses too. No machine without a driver gets past `open_cuda`.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edge.errors import DeviceError, MachineError
from edge.gpu import Gpu
from edge.packages import install_cure

if TYPE_CHECKING:
    from numpy.typing import NDArray

DEVICE = 0  # a cart computer has one
OUT_OF_MEMORY = 2  # cudaErrorMemoryAllocation


class Cuda(Protocol):
    """One device with one stream; calls from several threads must not overlap."""

    gpu: Gpu
    stream: int

    def current(self) -> contextlib.AbstractContextManager[None]:
        """Make the device this thread's own for a while."""
        ...

    def allocate(self, size_bytes: int) -> int:
        """Address of new device memory."""
        ...

    def pinned(self, size_bytes: int) -> NDArray[np.uint8]:
        """New host memory that the device copies from and to by itself."""
        ...

    def upload(self, address: int, host: NDArray[np.uint8]) -> None:
        """Put a copy to the device on the stream."""
        ...

    def download(self, host: NDArray[np.uint8], address: int) -> None:
        """Put a copy from the device on the stream."""
        ...

    def synchronize(self) -> None:
        """Wait until the stream is done."""
        ...

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record what `work` puts on the stream, as a graph; what is returned puts all of it there again.

        Raises:
            DeviceError: it cannot be recorded.
        """
        ...

    def close(self) -> None:
        """Free everything."""
        ...


def open_cuda() -> Cuda:
    """The machine's CUDA device.

    Raises:
        DeviceError: no package for CUDA, no driver, or no device.
    """
    try:
        return PycudaDevice()
    except ImportError:
        pass
    try:
        return BindingsDevice()
    except ImportError as error:
        raise DeviceError(
            "No Python package for CUDA is installed.",
            f"{install_cure('tensorrt')} (JetPack 6: pip install 'cuda-bindings<13').",
        ) from error


class BindingsDevice:
    """The device through cuda-bindings' runtime API."""

    def __init__(self) -> None:
        from cuda.bindings import runtime

        self._cuda: Any = runtime
        self._device_memory: list[int] = []
        self._host_memory: list[int] = []
        self._graphs: list[Any] = []
        if not self._call("cudaGetDeviceCount"):
            raise _no_device("the driver finds none")
        self._call("cudaSetDevice", DEVICE)
        properties = self._call("cudaGetDeviceProperties", DEVICE)
        self.gpu = Gpu(
            name=properties.name.decode().strip("\0 "),
            capability=properties.major * 10 + properties.minor,
            multiprocessors=properties.multiProcessorCount,
            driver=self._call("cudaDriverGetVersion"),
        )
        self._stream = self._call("cudaStreamCreateWithFlags", runtime.cudaStreamNonBlocking)
        self.stream = int(self._stream)

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """See `Cuda`, as for all that follow."""
        self._call("cudaSetDevice", DEVICE)
        yield

    def allocate(self, size_bytes: int) -> int:
        address = int(self._call("cudaMalloc", size_bytes))
        self._device_memory.append(address)
        return address

    def pinned(self, size_bytes: int) -> NDArray[np.uint8]:
        address = int(self._call("cudaHostAlloc", size_bytes, self._cuda.cudaHostAllocDefault))
        self._host_memory.append(address)
        return np.ctypeslib.as_array((ctypes.c_uint8 * size_bytes).from_address(address))

    def upload(self, address: int, host: NDArray[np.uint8]) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._call("cudaMemcpyAsync", address, host.ctypes.data, host.nbytes, kind, self._stream)

    def download(self, host: NDArray[np.uint8], address: int) -> None:
        kind = self._cuda.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._call("cudaMemcpyAsync", host.ctypes.data, address, host.nbytes, kind, self._stream)

    def synchronize(self) -> None:
        self._call("cudaStreamSynchronize", self._stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        executable = recorded(self._cuda, self._call, self._stream, work)
        self._graphs.append(executable)
        return lambda: self._call("cudaGraphLaunch", executable, self._stream)

    def close(self) -> None:
        with contextlib.suppress(DeviceError, MachineError):  # a device that failed frees its memory by itself
            self._call("cudaStreamSynchronize", self._stream)
            for graph in self._graphs:
                self._call("cudaGraphExecDestroy", graph)
            for address in self._device_memory:
                self._call("cudaFree", address)
            for address in self._host_memory:
                self._call("cudaFreeHost", address)
            self._call("cudaStreamDestroy", self._stream)
        self._graphs, self._device_memory, self._host_memory = [], [], []

    def _call(self, function: str, *arguments: Any) -> Any:
        return called(self._cuda, function, *arguments)


class PycudaDevice:
    """The device through pycuda; cuda-bindings records its graphs."""

    def __init__(self) -> None:
        import pycuda.driver

        self._cuda: Any = pycuda.driver
        with self._told("cuInit"):
            pycuda.driver.init()
            device = pycuda.driver.Device(DEVICE)
            major, minor = device.compute_capability()
            processors = device.get_attribute(pycuda.driver.device_attribute.MULTIPROCESSOR_COUNT)
            self.gpu = Gpu(device.name(), major * 10 + minor, processors, pycuda.driver.get_driver_version())
            self._context = device.retain_primary_context()
        with self.current(), self._told("cuStreamCreate"):
            self._stream = pycuda.driver.Stream(pycuda.driver.stream_flags.NON_BLOCKING)
            self.stream = int(self._stream.handle)
        self._kept: list[Any] = []
        self._graphs: list[Any] = []

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """See `Cuda`, as for all that follow."""
        self._context.push()
        try:
            yield
        finally:
            self._context.pop()

    def allocate(self, size_bytes: int) -> int:
        with self._told("cuMemAlloc"):
            memory = self._cuda.mem_alloc(size_bytes)
        self._kept.append(memory)
        return int(memory)

    def pinned(self, size_bytes: int) -> NDArray[np.uint8]:
        with self._told("cuMemHostAlloc"):
            array: NDArray[np.uint8] = self._cuda.pagelocked_empty(size_bytes, np.uint8)
        self._kept.append(array)
        return array

    def upload(self, address: int, host: NDArray[np.uint8]) -> None:
        with self._told("cuMemcpyHtoDAsync"):
            self._cuda.memcpy_htod_async(address, host, self._stream)

    def download(self, host: NDArray[np.uint8], address: int) -> None:
        with self._told("cuMemcpyDtoHAsync"):
            self._cuda.memcpy_dtoh_async(host, address, self._stream)

    def synchronize(self) -> None:
        with self._told("cuStreamSynchronize"):
            self._stream.synchronize()

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        try:
            from cuda.bindings import runtime
        except ImportError as error:
            raise DeviceError("pycuda cannot record a graph.", "pip install cuda-bindings") from error
        executable = recorded(runtime, lambda name, *rest: called(runtime, name, *rest), self.stream, work)
        self._graphs.append((runtime, executable))
        return lambda: called(runtime, "cudaGraphLaunch", executable, self.stream)

    def close(self) -> None:
        with contextlib.suppress(DeviceError, MachineError), self.current():
            for runtime, graph in self._graphs:
                called(runtime, "cudaGraphExecDestroy", graph)
            self._kept.clear()
            self._stream = None
        self._graphs.clear()
        self._context.detach()

    @contextlib.contextmanager
    def _told(self, function: str) -> Iterator[None]:
        try:
            yield
        except self._cuda.MemoryError as error:
            raise _out_of_memory(function) from error
        except self._cuda.Error as error:
            raise _failed(function, str(error)) from error


def called(runtime: Any, function: str, *arguments: Any) -> Any:
    """Call a function of cuda-bindings' runtime API.

    Returns:
        Its result; None where it has none.

    Raises:
        DeviceError: CUDA refuses.
        MachineError: the device's memory does not suffice.
    """
    try:
        status, *results = getattr(runtime, function)(*arguments)
    except RuntimeError as error:  # cuda-bindings finds no driver library to load
        raise _failed(function, str(error).splitlines()[0]) from error
    if int(status) == OUT_OF_MEMORY:
        raise _out_of_memory(function)
    if int(status):
        raise _failed(function, runtime.cudaGetErrorString(status)[1].decode())
    return results[0] if results else None


def recorded(runtime: Any, call: Callable[..., Any], stream: Any, work: Callable[[], None]) -> Any:
    """Record what `work` puts on a stream; the graph, ready to be launched.

    Raises:
        DeviceError: something in it cannot be recorded.
    """
    mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal  # other threads may allocate meanwhile
    call("cudaStreamBeginCapture", stream, mode)
    try:
        work()
    finally:  # a stream that keeps recording could do nothing else any more
        graph = call("cudaStreamEndCapture", stream)
    try:
        return call("cudaGraphInstantiate", graph, 0)
    finally:
        call("cudaGraphDestroy", graph)


def _no_device(why: str) -> DeviceError:
    return DeviceError(f"There is no CUDA device here: {why}.", "Check NVIDIA's driver.")


def _failed(function: str, why: str) -> DeviceError:
    if "driver" in why.lower() or "no CUDA-capable device" in why:
        return _no_device(why)
    return DeviceError(f"CUDA refuses {function}: {why}.", "See: edge doctor; restart the program.")


def _out_of_memory(function: str) -> MachineError:
    return MachineError(f"The GPU's memory does not suffice ({function}).", "Close other programs on the GPU.")
