r"""Names as another system wrote them: bytes and a declared character set in, a text out, or the raw value with a flag.

::

    SpecificCharacterSet --known, and the bytes fit--> text
                         `-none declared, unknown, or a byte does not fit--> raw: "Wang^\xCD\xF5", flagged

A wrong name beside a picture is worse than none: nothing is guessed. A character set that is declared wrongly, but into
which every byte fits, cannot be seen from here.

Source: PS3.3 C.12.1.1.2 (Specific Character Set), PS3.5 6.1.2 and 6.2.1, annexes J and K.
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

ASCII = ("", "ISO_IR 6", "ISO 2022 IR 6")  # the default repertoire: nothing above 7EH
ESCAPE = 0x1B
WHOLE = ("GB18030", "GBK", "ISO_IR 192")  # no escape sequence may follow these
PRINTABLE = range(0x20, 0x7F)
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # what turns the direction of writing shows another name


@dataclass(frozen=True)
class Text:
    """A value of another system.

    Attributes:
        text: as it is meant; where flagged, its printable ASCII with every other byte as \\xHH.
        is_flagged: it could not be read for certain: show it as a raw value, never as a name.
    """

    text: str
    is_flagged: bool


def text_from_bytes(raw: bytes, charsets: Sequence[str]) -> Text:
    """Read a text or a person's name.

    Args:
        raw: the value as it came, padded or not.
        charsets: values of Specific Character Set; empty where it is missing.
    """
    bare = raw.strip(b" \0")
    if all(byte in PRINTABLE for byte in bare):
        return Text(bare.decode("ascii"), False)
    try:
        text = _decoded(bare, charsets)
    except (LookupError, UnicodeError, ValueError, Warning):
        text = ""
    if not text or any(unicodedata.category(letter) in UNSEEN for letter in text) or "\ufffd" in text:
        return Text(_raw(bare), True)
    return Text(text, False)


def bytes_from_element(dataset: Dataset, name: str) -> bytes:
    """A value as it came; empty where there is none.

    Args:
        dataset: whose texts nobody has decoded yet.
        name: keyword of the element.
    """
    from pydicom.tag import Tag

    element: Any = dataset.get_item(Tag(name)) if name in dataset else None
    value = getattr(element, "value", None)
    return value if isinstance(value, bytes) else str(value or "").encode("ascii", "backslashreplace")


def charsets_from_dataset(dataset: Dataset) -> tuple[str, ...]:
    """Values of Specific Character Set (0008,0005), as they were declared; empty: they were not."""
    declared = dataset.get("SpecificCharacterSet") or ()
    return (declared,) if isinstance(declared, str) else tuple(str(charset) for charset in declared)


def person_from_text(name: str) -> str:
    """A name to show: the ideographic group where there is one, then the alphabetic one, without their marks.

    Args:
        name: groups separated by "=", components by "^".
    """
    groups = [" ".join(re.split(r"[\s^]+", group)).strip() for group in name.split("=")]
    alphabetic, ideographic = (*groups, "")[:2]
    return f"{ideographic} ({alphabetic})" if ideographic and alphabetic else ideographic or alphabetic


def _decoded(bare: bytes, charsets: Sequence[str]) -> str:
    """Strictly.

    Raises:
        ValueError: none declares these bytes, or they do not fit it (also UnicodeError, LookupError, Warning).
    """
    from pydicom.charset import convert_encodings

    declared = [charset.strip() for charset in charsets]
    if not any(charset not in ASCII for charset in declared):
        raise ValueError("no character set declared")
    if declared[0] in WHOLE and ESCAPE in bare:
        raise ValueError("an escape sequence where none may be")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encodings = list(convert_encodings(declared))
    if declared[0] in ASCII:
        encodings[0] = "ascii"
    parts = re.findall(rb"\A[^\x1b]+|\x1b[^\x1b]*", bare)
    return "".join(_part(part, encodings) if part[0] == ESCAPE else part.decode(encodings[0]) for part in parts)


def _part(part: bytes, encodings: Sequence[str]) -> str:
    """What follows an escape sequence; pydicom 3.0.2 leaves that of ISO 2022 IR 58 in the text."""
    from pydicom.charset import CODES_TO_ENCODINGS, default_encoding

    length = 4 if part[:3] in (b"\x1b$(", b"\x1b$)") else 3
    encoding = CODES_TO_ENCODINGS.get(part[:length], "")
    if encoding == default_encoding:
        return part[length:].decode("ascii")
    if encoding not in encodings:
        raise ValueError("an escape sequence that is not declared")
    if encoding.startswith("iso2022_jp"):
        return part.decode(encoding)
    body = re.split(rb"[\^=]", part[length:])[0]  # a delimiter ends what the sequence began
    return body.decode(encoding) + part[length + len(body) :].decode(encodings[0])


def _raw(bare: bytes) -> str:
    return "".join(chr(byte) if byte in PRINTABLE else f"\\x{byte:02X}" for byte in bare)
