"""An IMAGE message -> a frame with its exam's key, where the metadata of version 2 names one.

A frame whose patient or study cannot be read is dropped: without a key it would go into the exam that happens to be
open.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from edge.exam_keys import MAX_KEY_LENGTH, key_from_texts
from edge.service.frame import Frame
from firmware_bridge.igtl.body import BodyError
from firmware_bridge.igtl.decoder import Message
from firmware_bridge.igtl.image import pixels_from_content

KIND = "openigtlink"  # X-Source
PATIENT, STUDY, MACHINE = "PatientID", "StudyInstanceUID", "ManufacturerModelName"  # DICOM PS3.6 keywords
HOLD_S = 2.0  # as long as an answer counts: a stream that was silent for longer has ended


def frame_from_message(message: Message, now_s: float, scanner: str) -> Frame:
    """A live frame.

    Args:
        message: of kind IMAGE.
        now_s: when it was whole, monotonic, seconds; the sender's clock is another one.
        scanner: model, where the message names none.

    Raises:
        BodyError: no single picture of 8 bits, or an id that is none.
    """
    pixels = pixels_from_content(message.body.content)
    texts = message.body.metadata
    key = key_from_texts(_id_from_metadata(texts, PATIENT), _id_from_metadata(texts, STUDY))
    machine = _id_from_metadata(texts, MACHINE) or scanner
    return Frame(pixels, 0, now_s, KIND, key, machine=machine)


class Turn:
    """Which stream is the source: the first that sends, until it is silent for HOLD_S or its connection is over.

    Two would mix two patients: two programs of one workstation as well, or two devices of one program.
    """

    def __init__(self, device: str = "") -> None:
        """Nobody sends yet.

        Args:
            device: the only device name that counts; "" for any.
        """
        self._device = device
        self._owner: tuple[int, str] | None = None
        self._last_s = 0.0

    def takes(self, peer: int, device: str, now_s: float) -> bool:
        """Whether a picture of this device of this peer counts.

        Args:
            peer: number of the sender's connection.
            device: of the message.
            now_s: monotonic, seconds.
        """
        if self._device and device != self._device:
            return False
        if self._owner not in (None, (peer, device)) and now_s - self._last_s <= HOLD_S:
            return False
        self._owner, self._last_s = (peer, device), now_s
        return True

    def left(self, peer: int) -> None:
        """A connection is over: whoever sends next is the source."""
        if self._owner is not None and self._owner[0] == peer:
            self._owner = None


def _id_from_metadata(texts: Mapping[str, str | None], name: str) -> str:
    text = texts.get(name, "")
    if text is None or len(text) > MAX_KEY_LENGTH:
        raise BodyError(f"{name} is no text of at most {MAX_KEY_LENGTH} characters")
    bare = text.rstrip("\0")  # padding
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in bare):
        raise BodyError(f"{name} holds a control character")
    return bare
