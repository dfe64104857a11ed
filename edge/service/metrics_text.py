"""A status as Prometheus reads it.

Source: Prometheus exposition formats, text format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge.service.child import ChildState
from edge.service.desk_exams import DeskNow
from edge.service.fan_out import SinkCounts
from edge.service.signal_state import Signal
from edge.service.status import Status
from edge.store_space import FAILED, FULL, OK, StoreState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[Mapping[str, str], float]


def text_from_status(status: Status, temperatures: Mapping[str, float]) -> str:
    """All metrics; nothing in them names a patient, a file or a bundle's place.

    Args:
        status: now.
        temperatures: zone -> degrees Celsius.
    """
    counters = status.counters
    latencies: list[Sample] = [({"quantile": f"{share:g}"}, value / 1e3) for share, value in status.latency_ms]
    restarts: list[Sample] = [({"reason": reason}, count) for reason, count in sorted(counters.restarts.items())]
    signals: list[Sample] = [({"state": state.value}, float(state is status.signal)) for state in Signal]
    parts = [
        _family("frames_total", "counter", "Frames that came from the source.", [({}, counters.frames)]),
        _family("dropped_frames_total", "counter", "Live frames replaced by a newer one.", [({}, counters.dropped)]),
        _family("stale_frames_total", "counter", "Live frames too old to be answered.", [({}, counters.stale)]),
        _family("answers_total", "counter", "Frames with a prediction.", [({}, counters.answered)]),
        _family("refused_frames_total", "counter", "Frames without a prediction.", [({}, counters.refused)]),
        _family("lost_frames_total", "counter", "Live frames lost with an inference process.", [({}, counters.lost)]),
        _family("restarts_total", "counter", "Inference processes lost, by reason.", restarts),
        _family("latency_seconds", "gauge", "Capture to answer, quantiles of the last minute.", latencies),
        _family("signal", "gauge", "1 for the state that the source is in.", signals),
        _family("ai_on", "gauge", "1 while results are younger than 2 s.", [({}, float(status.ai_on))]),
        _family("child_ready", "gauge", "1 while the inference process is.", [({}, float(_is_ready(status)))]),
        _family("temperature_celsius", "gauge", "Thermal zones.", [({"zone": k}, v) for k, v in temperatures.items()]),
    ]
    return "".join(parts)


def text_from_desk(now: DeskNow, store: StoreState) -> str:
    """Metrics of the exams, as nameless as the others.

    Args:
        now: the desk.
        store: its state.
    """
    states: list[Sample] = [({"state": state}, float(state == store.state)) for state in (OK, FULL, FAILED)]
    shown = 0 if now.shown is None or now.shown.is_ended else 1
    parts = [
        _family("refused_captures_total", "counter", "Captures that could not be kept.", [({}, now.refused)]),
        _family("late_stills", "gauge", "Stills after the end of an exam on the desk.", [({}, now.late_stills)]),
        _family("open_exams", "gauge", "Exams that are not ended.", [({}, shown + len(now.others))]),
        _family("unread_exams", "gauge", "Stored exams that could not be opened again.", [({}, len(now.unread))]),
        _family("store", "gauge", "1 for the state that the exam store is in.", states),
    ]
    return "".join(parts)


def text_from_sinks(counts: Mapping[str, SinkCounts]) -> str:
    """Metrics of the sinks; "" without any.

    Args:
        counts: of every sink, by its kind.
    """
    named = [({"sink": name}, count) for name, count in counts.items()]
    parts = [
        _family("sink_calls_total", "counter", "What a sink took.", [(n, float(c.taken)) for n, c in named]),
        _family(
            "sink_replaced_total", "counter", "What a newer one replaced.", [(n, float(c.replaced)) for n, c in named]
        ),
        _family("sink_failures_total", "counter", "Calls that failed.", [(n, float(c.failed)) for n, c in named]),
        _family("sink_hung", "gauge", "1 while a call does not return.", [(n, float(c.is_hung)) for n, c in named]),
    ]
    return "".join(parts)


def _is_ready(status: Status) -> bool:
    return status.child is ChildState.READY


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> str:
    """One metric; "" where it has no sample."""
    name = f"vmamba_edge_{name}"
    lines = [f"{name}{_labels(labels)} {value:.10g}\n" for labels, value in samples]
    return "".join((f"# HELP {name} {text}\n", f"# TYPE {name} {kind}\n", *lines)) if lines else ""


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels.items())
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
