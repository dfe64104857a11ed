"""Make what C and Python need of the schema again: `python -m firmware_bridge.proto.generate`.

::

    cart.proto -. cart.options --nanopb 0.4.9.1--> c/cart.pb.{h,c}
    cart.proto --its words, hashed--------------> c/cartlink_schema.h, proto/schema.py
    cart.proto --protoc-------------------------> proto/cart_pb2.{py,pyi}

Needs `nanopb` 0.4.9.1 and `grpcio-tools`. What it makes is committed, so that neither a firmware's build nor an
installation needs a generator; a test makes it again. `cart_pb2.py` holds the serialized schema and builds its classes
through protobuf's public functions: protoc's own output runs only with its neighbouring versions of the package.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
MAJOR, MINOR = 1, 0

_SCHEMA_H = """\
/* Made by firmware_bridge/proto/generate.py of cart.proto. */
#ifndef CARTLINK_SCHEMA_H
#define CARTLINK_SCHEMA_H

#define CARTLINK_MAJOR {major}U
#define CARTLINK_MINOR {minor}U
#define CARTLINK_SCHEMA_HASH 0x{hash:016X}ULL

#endif
"""

_SCHEMA_PY = '''\
"""Version of the cart link, made by `generate.py` of cart.proto."""

from __future__ import annotations

MAJOR = {major}
MINOR = {minor}
SCHEMA_HASH = 0x{hash:016X}
'''

_PB2 = '''\
"""Message classes of cart.proto, made by `generate.py`; cart_pb2.pyi tells their types."""

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.internal import enum_type_wrapper

_SCHEMA = """
{schema}
"""
DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(bytes.fromhex(_SCHEMA))
for _name, _enum in DESCRIPTOR.enum_types_by_name.items():
    globals()[_name] = enum_type_wrapper.EnumTypeWrapper(_enum)
    globals().update({{_value.name: _value.number for _value in _enum.values}})
for _name, _message in DESCRIPTOR.message_types_by_name.items():
    globals()[_name] = message_factory.GetMessageClass(_message)
'''

_PYI = """\
# Made by generate.py with protoc, whose style is not this project's; its Mapping has no type arguments.
# ruff: noqa
# fmt: off
# mypy: disable-error-code="type-arg"
"""


def hash_from_schema(text: str) -> int:
    """64 bits of SHA-256 over the schema's words; comments and line breaks do not count.

    Args:
        text: of cart.proto.
    """
    words = " ".join(re.sub(r"//[^\n]*", "", text).split())
    return int.from_bytes(hashlib.sha256(words.encode("ascii")).digest()[:8], "big")


def files_from_schema(folder: Path) -> dict[str, str]:
    """Everything that is made of the schema.

    Args:
        folder: where cart.proto and cart.options lie.

    Returns:
        Text by path within `firmware_bridge/`.
    """
    version = {"major": MAJOR, "minor": MINOR, "hash": hash_from_schema((folder / "cart.proto").read_text("utf-8"))}
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        _run("nanopb.generator.nanopb_generator", "-q", "-D", name, "-I", folder, "-T", "cart.proto", cwd=folder)
        _run("grpc_tools.protoc", f"-I{folder}", f"--pyi_out={made}", f"--descriptor_set_out={made}/set", "cart.proto")
        return {
            "c/cart.pb.h": (made / "cart.pb.h").read_text(),
            "c/cart.pb.c": (made / "cart.pb.c").read_text(),
            "c/cartlink_schema.h": _SCHEMA_H.format(**version),
            "proto/schema.py": _SCHEMA_PY.format(**version),
            "proto/cart_pb2.py": _PB2.format(schema=_hexadecimal((made / "set").read_bytes())),
            "proto/cart_pb2.pyi": _PYI + (made / "cart_pb2.pyi").read_text(),
        }


def _hexadecimal(file_set: bytes) -> str:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    schema = FileDescriptorSet.FromString(file_set).file[0].SerializeToString(deterministic=True).hex()
    return "\n".join(schema[at : at + 112] for at in range(0, len(schema), 112))


def _run(module: str, *arguments: object, cwd: Path | None = None) -> None:
    subprocess.run([sys.executable, "-m", module, *map(str, arguments)], check=True, cwd=cwd)


if __name__ == "__main__":
    for path, text in files_from_schema(HERE).items():
        (HERE.parent / path).write_text(text, "utf-8")
