"""The plane check's local API for pictures that may not be lost: handed over by name, answered when settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge.errors import PeerError
from edge.service import settlement
from firmware_bridge.service_client import ServiceClient

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge.exam_keys import ExamKey

WORDS = (
    settlement.KEPT,
    settlement.JUDGED,
    settlement.LATE,
    settlement.NOBODYS,
    settlement.REFUSED,
    settlement.UNREAD,
    settlement.DROPPED,
)


class StillClient(ServiceClient):
    """A client that waits for what becomes of a frame."""

    def settle_frame(
        self, pixels: NDArray[np.uint8], name: str, key: ExamKey | None, machine: str, is_still: bool
    ) -> str | None:
        """Hand a frame over and wait until its exam has it.

        Args:
            pixels: (H,W) gray or (H,W,3) RGB; already cut to what may be kept.
            name: of the frame; the same frame sent again has the same one.
            key: patient and study.
            machine: scanner model, or "".
            is_still: it is never dropped.

        Returns:
            A word of `edge.service.settlement`; None where nothing is known yet.

        Raises:
            PeerError: the service is away: whether it took the frame is not known.
            EdgeError: it refused, with its own cause and cure.
        """
        height, width = pixels.shape[:2]
        texts = {
            "Width": str(width),
            "Height": str(height),
            "Channels": "1" if pixels.ndim == 2 else "3",
            "Source": "dicom",
            "Machine": machine,
            "Patient": key.patient if key else "",
            "Study": key.study if key else "",
            "Still": "1" if is_still else "0",
            "Name": name,
        }
        headers = {f"X-{header}": text.encode() for header, text in texts.items()}
        body = np.ascontiguousarray(pixels).data.cast("B")
        answer = self._request("POST", "/api/frames", body, headers)
        word = answer.get("settled") if isinstance(answer, dict) else ""
        if word is not None and word not in WORDS:
            cure = "Install the same version of vmamba-edge on both sides."
            raise PeerError("The plane check does not say what became of a frame.", cure)
        return str(word) if word is not None else None
