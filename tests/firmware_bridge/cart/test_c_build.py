"""What the C library promises to whoever builds it: clean under strict warnings, alone, small, up to date."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from firmware_bridge.proto import generate, schema
from tests.conftest import absent
from tests.firmware_bridge.cart.c_programs import FIRMWARE, LIBRARY, WARNINGS, library_sources, tool

FLASH_BYTES, RAM_BYTES = 16 * 1024, 4 * 1024
OWN = sorted(LIBRARY.glob("cartlink*.[ch]"))
CORTEX = ("-mcpu=cortex-m3", "-mthumb")


def objects(folder: Path, compiler: str, *flags: str) -> list[Path]:
    """Each source of the library compiled on its own."""
    made = []
    for source in library_sources():
        target = folder / f"{source.stem}.o"
        command = [tool(compiler), *WARNINGS, *flags, f"-I{LIBRARY}", f"-I{LIBRARY}/nanopb", "-c"]
        done = subprocess.run([*command, str(source), "-o", str(target)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        made.append(target)
    return made


@pytest.mark.peer
@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize(("compiler", "machine"), [("gcc", ()), ("arm-none-eabi-gcc", CORTEX)])
def test_library_compiles_without_a_warning(
    compiler: str, machine: tuple[str, ...], level: str, tmp_path: Path
) -> None:
    objects(tmp_path, compiler, level, *machine)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The library as a microcontroller has it."""
    return objects(tmp_path_factory.mktemp("small"), "arm-none-eabi-gcc", "-Os", *CORTEX)


@pytest.mark.peer
def test_library_needs_nothing_but_mem_functions(small: list[Path], tmp_path: Path) -> None:
    whole = tmp_path / "whole.o"
    subprocess.run([tool("arm-none-eabi-ld"), "-r", *map(str, small), "-o", str(whole)], check=True)
    listed = subprocess.run([tool("arm-none-eabi-nm"), "-u", whole], capture_output=True, text=True, check=True).stdout
    assert {line.split()[-1] for line in listed.splitlines()} <= {"memcpy", "memset", "memmove", "memcmp"}


@pytest.mark.peer
def test_library_keeps_no_state_of_its_own(small: list[Path]) -> None:
    sizes = subprocess.run([tool("arm-none-eabi-size"), *small], capture_output=True, text=True, check=True).stdout
    assert {tuple(line.split()[1:3]) for line in sizes.splitlines()[1:]} == {("0", "0")}  # data, bss


def test_every_macro_has_a_prefix() -> None:
    own = [(path.name, name) for path in OWN for name in re.findall(r"#\s*define\s+(\w+)", path.read_text())]
    assert [pair for pair in own if not pair[1].startswith("CARTLINK_")] == []
    generated = re.findall(r"#\s*define\s+(\w+)", (LIBRARY / "cart.pb.h").read_text())
    assert [name for name in generated if not re.match(r"_?cartlink_|CARTLINK_|PB_CARTLINK_", name)] == []
    board = [name for path in FIRMWARE.rglob("*.[ch]") for name in re.findall(r"#\s*define\s+(\w+)", path.read_text())]
    assert [name for name in board if not re.match(r"CART_|_DEFAULT_SOURCE", name)] == []


def test_no_message_can_change_the_scanner() -> None:
    text = (LIBRARY.parent / "proto" / "cart.proto").read_text("utf-8")
    assert "NO MESSAGE CAN CHANGE THE SCANNER'S STATE OR ITS ACOUSTIC OUTPUT" in text
    bodies = re.findall(r"^    (\w+) \w+ = \d+;", text[text.index("oneof body") :], re.MULTILINE)
    assert bodies == ["Hello", "Input", "PlaneResult", "Checklist", "Led", "Buzz", "Health", "Ack", "TimeSync"]


def test_longest_message_fits_its_frame() -> None:
    size = re.search(r"#define cartlink_Message_size +(\d+)", (LIBRARY / "cart.pb.h").read_text())
    assert size
    assert int(size[1]) <= 128


def test_schema_hash_ignores_comments_and_sees_fields() -> None:
    text = (LIBRARY.parent / "proto" / "cart.proto").read_text("utf-8")
    assert generate.hash_from_schema(text) == schema.SCHEMA_HASH
    assert generate.hash_from_schema(text + "\n// more\n") == schema.SCHEMA_HASH
    assert generate.hash_from_schema(text.replace("age_ms = 5", "age_ms = 6")) != schema.SCHEMA_HASH


@pytest.mark.peer
def test_generated_files_are_up_to_date() -> None:
    try:
        made = generate.files_from_schema(LIBRARY.parent / "proto")
    except subprocess.CalledProcessError:
        absent("nanopb 0.4.9.1 and grpcio-tools are not installed")
    made.pop("proto/cart_pb2.pyi")  # its form is that of protoc's version
    stale = {path for path, text in made.items() if (LIBRARY.parent / path).read_text("utf-8") != text}
    assert stale == set()


@pytest.mark.peer
def test_firmware_fits_a_small_microcontroller(cart_elf: Path) -> None:
    printed = subprocess.run([tool("arm-none-eabi-size"), cart_elf], capture_output=True, text=True, check=True).stdout
    text, data, bss = (int(word) for word in printed.splitlines()[1].split()[:3])
    assert text + data <= FLASH_BYTES, printed
    assert data + bss <= RAM_BYTES, printed  # the stack is a section of its own: counted


def test_sources_stand_alone_in_the_package() -> None:
    """An integrator copies one folder."""
    included = {name for path in OWN for name in re.findall(r'#include "(.+)"', path.read_text())}
    assert [name for name in included if not ((LIBRARY / name).exists() or (LIBRARY / "nanopb" / name).exists())] == []
    assert "zlib" in (LIBRARY / "nanopb" / "README.md").read_text()


def readme_commands(first: str) -> str:
    """The indented block of the README that begins so."""
    blocks = re.findall(r"(?:^ {7}\S.*\n)+", (LIBRARY / "README.md").read_text("utf-8"), re.MULTILINE)
    (block,) = [block for block in blocks if block.lstrip().startswith(first)]
    return "\n".join(line.strip() for line in block.splitlines())


@pytest.mark.peer
def test_readme_compiles_the_template_in_an_empty_folder(tmp_path: Path) -> None:
    tool("arm-none-eabi-gcc")
    script = readme_commands("SOURCES=").replace("PATH/TO/vmamba-edge", str(LIBRARY.parents[1]))
    done = subprocess.run(["sh", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    flash = int(done.stdout.splitlines()[-1].split()[0])
    assert flash < 11_000, done.stdout  # the README's 9 kB, and what the linker leaves out
    named = re.findall(r"\bmy_\w+(?=\()", (FIRMWARE / "template" / "main.c").read_text())
    listed = subprocess.run(
        ["arm-none-eabi-nm", "-u", "main.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    missing = {line.split()[-1] for line in listed.stdout.splitlines() if " my_" in line}
    assert missing == set(named)
    assert len(missing) == 9


@pytest.mark.peer
def test_readme_builds_the_process_that_it_lets_one_try(tmp_path: Path) -> None:
    tool("gcc")
    first = readme_commands("make -C").splitlines()[0]
    script = f"SOURCES={LIBRARY.parent}\n{first}"
    done = subprocess.run(["sh", "-e", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "build" / "cart").exists()
