"""The stage plan_from_onnx: a strongly typed graph -> TensorRT's plan for this device.

::

    ONNX --parser, plugin--> network --profile 1..max batch, memory, timings of earlier builds--> plan

The module is an argument: the product hands in `tensorrt`, the tests `tensorrt_rtx`, which builds without a driver.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from compile.onnx_function import DOMAIN
from edge.backends.tensorrt_library import load_plugin, logger_from_lines, told
from edge.errors import DeviceError, MachineError, UsageError

MIB = 1 << 20
LEVELS = range(6)  # of TensorRT's optimization, which tries more tactics the higher it is
PARSER_ERRORS = 3  # told in a message; later ones follow from the first


@dataclass(frozen=True)
class PlanOptions:
    """What TensorRT may use.

    Attributes:
        max_batch: frames that the plan takes at once, at least 1; it is tuned for 1.
        workspace_mib: device memory for scratch space, 2^20 bytes.
        level: optimization level, 0..5; 3 is TensorRT's own.
    """

    max_batch: int = 8
    workspace_mib: int = 1024
    level: int = 3

    def __post_init__(self) -> None:
        """Refuse what cannot mean anything."""
        if self.max_batch < 1 or self.workspace_mib < 1 or self.level not in LEVELS:
            raise UsageError(
                f"max_batch {self.max_batch}, workspace {self.workspace_mib} MiB, level {self.level} cannot be built.",
                "Give at least 1 frame, at least 1 MiB, and a level of 0 to 5.",
            )


@dataclass(frozen=True)
class Built:
    """What TensorRT made.

    Attributes:
        plan: its serialized engine.
        timing: its timings of kernels, for the next build; empty where it keeps none.
        tensorrt: its version.
        layers: of the network it read.
        scans: of them, plugin layers of the scan.
        log: lines that begin with "E ", "W " or "I ".
    """

    plan: bytes
    timing: bytes
    tensorrt: str
    layers: int
    scans: int
    log: tuple[str, ...]


def plan_from_onnx(
    trt: Any,
    model: bytes,
    plugin: bytes,
    options: PlanOptions,
    timing: bytes = b"",
    progress: Callable[[str, float], None] | None = None,
    lines: list[str] | None = None,
) -> Built:
    """Build a plan for the device of this process.

    Args:
        trt: the module `tensorrt`, or one with its interface.
        model: ONNX from `fp16_from_qdq`.
        plugin: the scan's library; empty: the plugin is registered already, or the graph has no scan.
        options: what TensorRT may use.
        timing: timings of an earlier build on this device, from a file that nobody else can have written.
        progress: told the stage and what of it is done, 0..1.
        lines: gets the log, also where the build fails.

    Raises:
        DeviceError: TensorRT refuses the graph or the plugin, expands the scan into small layers, or cannot build.
        MachineError: it was stopped.
    """
    lines = [] if lines is None else lines
    builder = trt.Builder(logger := logger_from_lines(trt, lines))
    load_plugin(trt, plugin, lines)
    network = builder.create_network(_strongly_typed(trt))
    _parse(trt, network, logger, model, lines)
    scans = _scans(trt, network, model)
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib * MIB)
    config.builder_optimization_level = options.level
    _add_profile(builder, network, config, options.max_batch)
    cache = timing_cache_from_bytes(config, timing)
    monitor = _monitor(trt, progress) if progress is not None else None
    if monitor is not None:
        config.progress_monitor = monitor
    plan = builder.build_serialized_network(network, config)
    if monitor is not None and monitor.stopped is not None:
        raise monitor.stopped
    if plan is None:
        raise _not_built(trt, lines, options)
    kept = bytes(memoryview(cache.serialize())) if cache is not None else b""
    return Built(bytes(memoryview(plan)), kept, str(trt.__version__), network.num_layers, scans, tuple(lines))


def timing_cache_from_bytes(config: Any, timing: bytes) -> Any:
    """The timing cache of a build; TensorRT refuses one that another version or device made, or that is damaged.

    Args:
        config: the builder's, which gets the cache.
        timing: what an earlier build kept.

    Returns:
        The cache, an empty one where `timing` is refused; None where TensorRT takes none at all.
    """
    for content in (timing, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, False):
            return cache
    return None


def _strongly_typed(trt: Any) -> int:
    """The network's flag by its name: its value changed in TensorRT 11, which knows no other kind of network."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _parse(trt: Any, network: Any, logger: Any, model: bytes, lines: list[str]) -> None:
    parser = trt.OnnxParser(network, logger)
    if parser.parse(model) and network.num_inputs == 1:
        return
    errors = [parser.get_error(index) for index in range(min(parser.num_errors, PARSER_ERRORS))]
    what = "; ".join(" ".join(f"{e.node_operator()} {e.node_name()} {e.desc()}".split()) for e in errors)
    raise DeviceError(
        f"TensorRT {trt.__version__} cannot read the graph: {(what or told(lines))[:600].rstrip('.')}.",
        "See docs/jetson.md for the versions that can; else compile with --target cpu.",
    )


def _scans(trt: Any, network: Any, model: bytes) -> int:
    """Number of plugin layers; as many as the graph has scans, or it would crawl through one launch a pixel."""
    import onnx

    wanted = sum(node.domain == DOMAIN for node in onnx.load_from_string(model).graph.node)
    kinds = [network.get_layer(index).type for index in range(network.num_layers)]
    found = kinds.count(trt.LayerType.PLUGIN_V3)
    if found < wanted:
        raise DeviceError(
            f"TensorRT {trt.__version__} took {found} of {wanted} scans as plugins.",
            "Upgrade TensorRT to 10.3 or newer; if it is, report it with TensorRT's log.",
        )
    return wanted


def _add_profile(builder: Any, network: Any, config: Any, max_batch: int) -> None:
    source = network.get_input(0)
    batch, *rest = source.shape
    if batch == -1:
        profile = builder.create_optimization_profile()
        profile.set_shape(source.name, (1, *rest), (1, *rest), (max_batch, *rest))
        config.add_optimization_profile(profile)


def _monitor(trt: Any, progress: Callable[[str, float], None]) -> Any:
    """TensorRT's progress, told for its outermost phase that has more than one step under way."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # its base is an argument
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.steps: dict[str, int] = {}
            self.stopped: BaseException | None = None

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self.steps[phase_name] = max(num_steps, 1)

        def phase_finish(self, phase_name: str) -> None:
            self.steps.pop(phase_name, None)

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                progress(f"TensorRT: {phase_name}", min(1.0, (step + 1) / self.steps.get(phase_name, 1)))
            except BaseException as error:  # noqa: BLE001  # none may cross TensorRT's frames; raised behind them
                self.stopped = error
            return self.stopped is None

    return Monitor()


def _not_built(trt: Any, lines: list[str], options: PlanOptions) -> DeviceError | MachineError:
    text = told(lines)
    if "memory" in text.lower():
        return MachineError(
            f"TensorRT {trt.__version__} ran out of memory: {text}.",
            f"Close other programs, or give less than --workspace {options.workspace_mib}, or --max-batch 1.",
        )
    return DeviceError(
        f"TensorRT {trt.__version__} cannot build the plan: {text}.",
        "See the versions in docs/jetson.md; else compile with --target cpu.",
    )
