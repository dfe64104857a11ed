"""What the service hands on for one frame, and the JSON in which the inference child says it.

The child is the process that may fail, so its words are read as strictly as a stranger's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.prediction import Prediction
from edge.record import RecordError, figure_from_json, json_from_record
from edge.service.frame import Frame


@dataclass(frozen=True, eq=False)
class Answer:
    """A frame and what the engine said of it.

    Attributes:
        frame: the frame.
        prediction: None where there is no answer: the engine refused the frame, or it died on it twice.
        reason: why there is none; empty where there is one.
        answered_s: monotonic clock, seconds.
    """

    frame: Frame
    prediction: Prediction | None
    reason: str
    answered_s: float

    @property
    def age_s(self) -> float:
        """Seconds from capture to answer."""
        return self.frame.age_s(self.answered_s)


def json_from_prediction(prediction: Prediction) -> Any:
    """A prediction as dictionaries, lists and scalars."""
    return json_from_record(prediction)


def prediction_from_json(data: object) -> Prediction:
    """The prediction that `json_from_prediction` wrote.

    Raises:
        RecordError: a field is missing, unknown, of a wrong type or out of range.
    """
    names = Prediction.__dataclass_fields__
    if not isinstance(data, Mapping) or set(data) != set(names):
        raise RecordError("the prediction does not hold its fields")
    texts = [data[name] for name in ("plane", "answer", "reason")]
    if not all(isinstance(text, str) for text in texts) or not isinstance(data["accepted"], bool):
        raise RecordError("the prediction has a field of a wrong type")
    top = data["top"]
    if not isinstance(top, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in top):
        raise RecordError("the prediction's planes are no pairs")
    pairs = tuple((_text(plane), _share(share)) for plane, share in top)
    latency_ms = _number(data["latency_ms"])
    return Prediction(
        data["plane"], _share(data["probability"]), data["accepted"], data["answer"], pairs, data["reason"], latency_ms
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise RecordError("a plane is no text")
    return value


def _number(value: object) -> float:
    if (figure := figure_from_json(value)) is None:
        raise RecordError("a figure of the prediction is no finite number")
    return figure


def _share(value: object) -> float:
    share = _number(value)
    if not 0 <= share <= 1:
        raise RecordError("a probability is outside 0..1")
    return share
