"""Builds the C side for tests, and talks to the driver program (c/driver.c).

In: the sources in the tree. Out: programs in a test's folder; nothing is built inside the tree.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from firmware_bridge.proto import cart_pb2 as cart
from tests.conftest import absent
from tests.firmware_bridge.cart.golden.make_frames import TARGET
from tests.firmware_bridge.cart.reference_frame import frame_ref, messages_ref

ROOT = Path(__file__).parents[3]
LIBRARY = ROOT / "firmware_bridge" / "c"
FIRMWARE = ROOT / "firmware_bridge" / "firmware"
PROGRAMS = Path(__file__).parent / "c"
WARNINGS = (
    "-std=c99",
    "-pedantic-errors",
    "-DPB_C99_STATIC_ASSERT",
    "-Wvla",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Werror",
)
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")


def tool(name: str) -> str:
    """Path of a program; the test is absent without it."""
    return shutil.which(name) or absent(f"{name} is not installed")


def library_sources() -> list[Path]:
    """cartlink and its part of nanopb."""
    return [*sorted(LIBRARY.glob("*.c")), *sorted(LIBRARY.glob("nanopb/*.c"))]


def built(target: Path, *arguments: object, compiler: str = "gcc") -> Path:
    """Compile and link sources against the library with every warning an error."""
    includes = [f"-I{folder}" for folder in (LIBRARY, LIBRARY / "nanopb", FIRMWARE)]
    command = [
        tool(compiler),
        *WARNINGS,
        *includes,
        *map(str, arguments),
        *map(str, library_sources()),
        "-o",
        str(target),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def firmware(folder: Path, name: str) -> Path:
    """The reference firmware: "cart" (a process) or "cart.elf" (Cortex-M3)."""
    tool("arm-none-eabi-gcc" if name.endswith(".elf") else "gcc")
    target = folder / name
    command = [tool("make"), "-s", "-C", str(FIRMWARE), f"BUILD={folder}", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def driver_program(folder: Path) -> Path:
    """The driver, under the sanitizers."""
    return built(folder / "driver", *SANITIZERS, "-O1", PROGRAMS / "driver.c", FIRMWARE / "panel.c")


def fuzz_target(folder: Path) -> Path:
    """The libFuzzer target; comparisons are not traced: three times as fast, and its corpus knows the words."""
    flags = ("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-fno-sanitize-coverage=trace-cmp")
    probe = folder / "probe.c"
    probe.write_text("int LLVMFuzzerTestOneInput(const char *d, unsigned long n) { return d && n ? 0 : 0; }\n")
    command = [tool("clang"), flags[0], str(probe), "-o", str(folder / "probe")]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        absent("clang has no libFuzzer runtime (Debian: libclang-rt-14-dev)")
    return built(folder / "fuzz", *flags, "-DCARTLINK_FUZZ_LIBFUZZER", "-O2", PROGRAMS / "fuzz.c", compiler="clang")


def fuzz_corpus(folder: Path) -> Path:
    """Scripts of c/fuzz.c to begin with: a Hello, then each golden message, framed there and framed already."""
    folder.mkdir()
    for number, case in enumerate(json.loads(TARGET.read_text("utf-8"))["good"]):
        (folder / f"message{number}").write_bytes(b"\x42\xfc" + bytes.fromhex(case["message"]))
        (folder / f"frame{number}").write_bytes(b"\x42\xfb" + bytes.fromhex(case["frame"]))
    return folder


def fuzz_command(program: Path, corpus: Path, runs: int, seed: int = 1) -> list[str]:
    """Run the libFuzzer target; what breaks it is kept beside the program."""
    limits = (f"-runs={runs}", f"-seed={seed}", "-max_len=160", "-reduce_inputs=0", "-detect_leaks=0")
    return [str(program), *limits, f"-artifact_prefix={program.parent}/", str(corpus)]


@dataclass(frozen=True)
class Outcome:
    """What one call of the library led to.

    Attributes:
        sent: messages that it wrote to the line.
        shown: the view as the panel's words, of each call of `show`.
        rung: signals.
        status: that the function returned, if it returns one.
    """

    sent: tuple[cart.Message, ...]
    shown: tuple[dict[str, str], ...]
    rung: tuple[int, ...]
    status: int | None


class Driver:
    """A running driver program; a context manager."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Driver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=30)
        assert self._process.returncode == 0  # else a sanitizer has spoken

    def lines(self, *words: object) -> list[str]:
        """One command's answer."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        found: list[str] = []
        while (line := self._process.stdout.readline()) != ".\n":
            assert line, "the driver has ended"
            found.append(line.rstrip("\n"))
        return found

    def call(self, *words: object) -> Outcome:
        """A command of the link."""
        parts = [line.partition(" ")[::2] for line in self.lines(*words)]
        frames = b"".join(bytes.fromhex(rest) for name, rest in parts if name == "write")
        messages, bad = messages_ref(frames)
        assert bad == 0
        status = [int(rest) for name, rest in parts if name == "status"]
        return Outcome(
            tuple(cart.Message.FromString(message) for message in messages),
            tuple(panel_words(rest) for name, rest in parts if name == "show"),
            tuple(int(rest) for name, rest in parts if name == "ring"),
            status[0] if status else None,
        )

    def receive(self, now_ms: int, *messages: cart.Message) -> Outcome:
        """Frames from the box."""
        data = b"".join(frame_ref(message.SerializeToString()) for message in messages)
        return self.call("receive", now_ms, data.hex())

    def tick(self, now_ms: int) -> Outcome:
        """Time passes."""
        return self.call("tick", now_ms)


def panel_words(line: str) -> dict[str, str]:
    """A line of the panel as words by key."""
    return dict(word.partition("=")[::2] for word in line.split())
