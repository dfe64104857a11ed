"""Who each end of the cart link is, and why one is refused."""

from __future__ import annotations

import secrets

from edge import __version__
from firmware_bridge.cart.messages import Capability, Hello, Refusal, Role
from firmware_bridge.proto.schema import MAJOR, MINOR, SCHEMA_HASH

MAX_FIRMWARE_BYTES = 31
SIM_CAPABILITIES = (
    Capability.LAMP | Capability.BELL | Capability.FREEZE_KEY | Capability.FOOT_SWITCH | Capability.CHECKLIST
)
SIM_ROWS = 32


def hello_of(role: Role, name: str, capabilities: int = 0, rows: int = 0, boot_id: int = 0) -> Hello:
    """Who this side is.

    Args:
        role: of the link.
        name: of program and version, ASCII.
        capabilities: bits of Capability.
        rows: checklist lamps.
        boot_id: 0: drawn by chance.
    """
    boot_id = boot_id or secrets.randbelow((1 << 32) - 1) + 1
    text = name.encode("ascii", "replace")[:MAX_FIRMWARE_BYTES].decode()
    return Hello(MAJOR, MINOR, SCHEMA_HASH, role, boot_id, 0, False, Refusal.NONE, capabilities, rows, text)


def box_hello() -> Hello:
    """The box, started now."""
    return hello_of(Role.BOX, f"vmamba-edge {__version__}")


def sim_hello() -> Hello:
    """A cart in software, started now."""
    return hello_of(Role.CART, f"edge sim cart {__version__}", SIM_CAPABILITIES, SIM_ROWS)


def refusal_of(mine: Hello, theirs: Hello) -> int:
    """Why a peer is refused, or why it refuses this side; of Refusal."""
    if {theirs.role, mine.role} != {Role.BOX, Role.CART} or theirs.boot_id == mine.boot_id:
        return int(Refusal.ROLE)
    if theirs.major != mine.major:
        return int(Refusal.MAJOR)
    if theirs.schema_hash != mine.schema_hash:
        return int(Refusal.SCHEMA)
    return theirs.refusal


def name_of(peer: Hello | None) -> str:
    """A stranger's name and version as it may stand in a log: no line end and no order to a terminal; "" for nobody."""
    name = "" if peer is None else peer.firmware[:MAX_FIRMWARE_BYTES]
    return "".join(letter if " " <= letter <= "~" else "?" for letter in name)


def refusal_text(refusal: int, peer: Hello | None) -> str:
    """Why the link is refused, one line; "" where it is not."""
    if refusal == Refusal.NONE or peer is None:
        return ""
    theirs, ours = f"{peer.major}.{peer.minor}", f"{MAJOR}.{MINOR}"
    texts = {
        Refusal.MAJOR: f"the cart speaks version {theirs} of the link, this box {ours}: install matching versions",
        Refusal.SCHEMA: f"the cart was built from another cart.proto ({peer.schema_hash:016x}, here "
        f"{SCHEMA_HASH:016x}): build its firmware from this version's firmware_bridge/c",
        Refusal.ROLE: "the other end is a box too, or the line echoes: connect a cart",
    }
    return texts.get(Refusal(refusal), "") if refusal in list(Refusal) else f"the cart refuses for reason {refusal}"
