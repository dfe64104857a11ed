"""Whatever is wrong with what a user gives: exit code, a line of cause, a line of cure, nothing half-written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edge.bundle import HEADER_BYTES, Bundle, bytes_from_parts
from edge.keyring import Keyring
from edge.loading import load_bundle
from edge.manifest import Manifest
from tests.conftest import PLANES, Command, Done, Made, check_told, edge_process, labels_file, striped

DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut in half": lambda data: data[: len(data) // 2],
    "cut within the header": lambda data: data[:50],
    "empty": lambda data: b"",
    "another file": lambda data: b"PK\3\4" + data[4:],
    "a byte of the magic": lambda data: flipped(data, 0),
    "a byte of the manifest": lambda data: flipped(data, HEADER_BYTES + 40),
    "a byte of the signature": lambda data: flipped(data, HEADER_BYTES - 1),
    "a byte of a part": lambda data: flipped(data, len(data) // 2),
    "the last byte": lambda data: flipped(data, len(data) - 1),
    "a byte more": lambda data: data + b"\0",
}


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.fixture
def classify(edge: Command, stripes_made: Made) -> Callable[..., Done]:
    """`edge classify BUNDLE PATHS --json` with a good bundle."""
    return lambda *paths: edge("classify", stripes_made.bundle, *paths, "--json", home=stripes_made.home)


# --- images ---------------------------------------------------------------------------------------------------------


def truncated_png(path: Path) -> None:
    Image.fromarray(striped(0, seed=1)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BAD_IMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated.png": (truncated_png, "is damaged"),
    "text.jpg": (lambda path: path.write_text("not an image\n" * 20), "is no image, whatever its name says"),
    "empty.png": (lambda path: path.write_bytes(b""), "is empty"),
    "tiny.png": (lambda path: Image.new("L", (1, 1), 9).save(path), "is 1x1 pixels"),
    "huge.png": (lambda path: Image.new("1", (10_000, 10_000)).save(path), "at most 36 are read"),
    "float.tiff": (lambda path: Image.fromarray(np.ones((64, 64), np.float32)).save(path), "floating-point"),
    "broken.dcm": (lambda path: path.write_bytes(b"\0" * 128 + b"DICM" + b"\x02\0\x10\0UI\xff\xff"), "DICOM"),
    "broken.mp4": (lambda path: path.write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 400), ""),
    "absent.png": (lambda path: None, "is not there"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_an_image_that_cannot_be_read_is_a_line_and_exit_3(
    name: str, classify: Callable[..., Done], tmp_path: Path
) -> None:
    make, cause = BAD_IMAGES[name]
    make(tmp_path / name)
    done = classify(tmp_path / name)
    check_told(done, 3, "1 of the inputs could not be read")
    (line, _) = done.lines
    assert line["input"] == str(tmp_path / name)
    assert cause in line["error"]
    assert "\n" not in line["error"]


def test_a_folder_with_good_and_bad_files_answers_the_good_ones(
    stripes_made: Made, classify: Callable[..., Done], tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    for name in ("truncated.png", "text.jpg", "tiny.png"):
        BAD_IMAGES[name][0](folder / name)
    for plane in range(len(PLANES)):
        Image.fromarray(striped(plane, seed=3)).save(folder / f"{plane}.png")
    (folder / "notes.txt").write_text("no picture, passed over")
    done = edge_process(stripes_made.home, "classify", stripes_made.bundle, folder, "--json")
    check_told(done, 3, "3 of the inputs could not be read; the others were answered")
    assert [line["plane"] for line in done.lines[:-1] if "plane" in line] == list(PLANES)
    assert len([line for line in done.lines[:-1] if "error" in line]) == 3


@pytest.mark.parametrize("hidden", [False, True])
def test_a_folder_without_a_picture_is_exit_3(hidden: bool, classify: Callable[..., Done], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / ".hidden.png" if hidden else folder / "notes.txt").write_text("nothing")
    done = classify(folder)
    check_told(done, 3, "1 of the inputs could not be read")
    assert "holds no image, DICOM file or video" in done.lines[0]["error"]


def deep(gray: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(gray.astype(np.uint16) * 257)


def opaque(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.full_like(gray, 255)


GOOD_IMAGES: dict[str, Callable[[NDArray[np.uint8]], Image.Image]] = {
    "gray.png": Image.fromarray,
    "deep.png": deep,
    "deep.tiff": deep,
    "colour.png": lambda gray: Image.fromarray(gray).convert("RGB"),
    "colour.jpg": lambda gray: Image.fromarray(gray).convert("RGB"),
    "palette.png": lambda gray: Image.fromarray(gray).convert("P"),
    "palette.gif": lambda gray: Image.fromarray(gray).convert("P"),
    "alpha.png": lambda gray: Image.fromarray(np.stack([gray, gray, gray, opaque(gray)], axis=-1)),
    "gray_alpha.png": lambda gray: Image.fromarray(np.stack([gray, opaque(gray)], axis=-1)),
    "cmyk.jpg": lambda gray: Image.fromarray(gray).convert("RGB").convert("CMYK"),
}


@pytest.mark.parametrize("name", GOOD_IMAGES)
def test_every_usual_pixel_format_answers_alike(name: str, classify: Callable[..., Done], tmp_path: Path) -> None:
    gray = striped(1, seed=5, side_px=200)
    Image.fromarray(gray).save(tmp_path / "expected.png")
    GOOD_IMAGES[name](gray).save(tmp_path / name)
    done = classify(tmp_path / "expected.png", tmp_path / name)
    assert done.code == 0, done.err
    expected, got = done.lines
    assert got["plane"] == expected["plane"] == PLANES[1]
    assert got["probability"] == pytest.approx(expected["probability"], abs=0.05)


# --- bundles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_bundle_is_exit_6(damage: str, stripes_made: Made, edge: Command, tmp_path: Path) -> None:
    (tmp_path / "x.edge").write_bytes(DAMAGES[damage](stripes_made.bundle.read_bytes()))
    done = edge("classify", tmp_path / "x.edge", tmp_path, home=stripes_made.home)
    check_told(done, 6, "")
    assert done.out == ""


def test_a_flipped_byte_is_exit_6_in_a_process_of_its_own(stripes_made: Made, tmp_path: Path) -> None:
    data = stripes_made.bundle.read_bytes()
    (tmp_path / "x.edge").write_bytes(flipped(data, len(data) - 100))
    check_told(edge_process(stripes_made.home, "verify", tmp_path / "x.edge"), 6, "was altered")


def test_an_untrusted_signer_is_exit_6_until_trusted(stripes_made: Made, edge: Command, tmp_path: Path) -> None:
    check_told(edge("verify", stripes_made.bundle), 6, "signed by a key this device does not trust")
    (key,) = Keyring(stripes_made.home).keys()
    assert edge("key", "trust", key.text, "--name", "maker").code == 0
    assert edge("verify", stripes_made.bundle).code == 0
    assert edge("key", "revoke", "maker").code == 0
    check_told(edge("verify", stripes_made.bundle), 6, "revoked")


@pytest.fixture
def signed(stripes_made: Made, tmp_path: Path) -> Callable[[Callable[[Manifest], Manifest]], Path]:
    """The bundle with another manifest, properly signed; the keyring is a copy, since opening writes to it."""
    home = Path(shutil.copytree(stripes_made.home, tmp_path / "home"))
    bundle: Bundle = load_bundle(stripes_made.bundle, Keyring(home))

    def sign(change: Callable[[Manifest], Manifest]) -> Path:
        manifest = change(replace(bundle.manifest, parts=()))
        path = tmp_path / f"{manifest.release}.edge"
        parts = {name: bundle.part(name) for name in bundle.parts}
        path.write_bytes(bytes_from_parts(manifest, parts, Keyring(home).development_key()))
        return path

    return sign


def test_an_older_release_than_installed_is_exit_6(
    signed: Callable[[Callable[[Manifest], Manifest]], Path], edge: Command
) -> None:
    new = signed(lambda manifest: replace(manifest, release=9))
    old = signed(lambda manifest: replace(manifest, release=8))
    assert edge("verify", old).code == 0
    assert edge("verify", new).code == 0
    check_told(edge("verify", old), 6, "Release 8 of 'stripes' is older than installed")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"schema": 99}, "schema 99"),
        ({"runtime_min": "99.0"}, "needs vmamba-edge 99.0"),
        ({"isa": ("avx9000",)}, "lacks: avx9000"),
        ({"input_checks": ("smell",)}, "does not have: smell"),
    ],
)
def test_a_bundle_of_another_time_or_machine_is_exit_4(
    change: dict[str, object],
    cause: str,
    signed: Callable[[Callable[[Manifest], Manifest]], Path],
    edge: Command,
) -> None:
    path = signed(lambda manifest: replace(manifest, **change))  # type: ignore[arg-type]
    check_told(edge("verify", path), 4, cause)


@pytest.mark.parametrize("command", ["classify", "verify", "inspect", "evaluate", "compile"])
@pytest.mark.parametrize(("what", "cause"), [("absent.edge", "There is no file"), ("folder.edge", "is no file")])
def test_a_bundle_that_is_missing_or_a_folder_is_exit_3(
    command: str, what: str, cause: str, edge: Command, tmp_path: Path
) -> None:
    (tmp_path / "folder.edge").mkdir()
    rest = {"classify": (tmp_path,), "compile": ("-o", tmp_path / "out.edge")}.get(command, ())
    check_told(edge(command, tmp_path / what, *rest), 3, cause)


# --- tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("use", ["--data", "--calibration", "--gate-data"])
@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("image,label\na.png,femur\n", "file"),
        ("file,plane\na.png,femur\n", "label"),
        ("file,label\nabsent.png,femur\n", "absent.png"),
        ("file,label\n../../etc/passwd,femur\n", "passwd"),
        ("file,label\n", ""),
        ("", ""),
    ],
)
def test_a_label_table_that_cannot_be_used_is_exit_3(
    use: str, text: str, cause: str, stripes_made: Made, stripes_onnx: Path, edge: Command, tmp_path: Path
) -> None:
    table, output = tmp_path / "labels.csv", tmp_path / "x.edge"
    table.write_text(text)
    command = ("evaluate", stripes_made.bundle) if use == "--data" else ("compile", stripes_onnx, "-o", output)
    check_told(edge(*command, use, table, home=stripes_made.home), 3, cause)
    assert not output.exists()


def test_a_label_that_the_model_does_not_know_is_exit_3(stripes_made: Made, edge: Command, tmp_path: Path) -> None:
    Image.fromarray(striped(0, seed=1)).save(tmp_path / "a.png")
    Image.fromarray(striped(1, seed=1)).save(tmp_path / "b.png")
    rows = [{"file": "a.png", "label": PLANES[0]}, {"file": "b.png", "label": "elbow"}]
    table = labels_file(tmp_path / "labels.csv", rows)
    check_told(edge("evaluate", stripes_made.bundle, table, home=stripes_made.home), 3, "elbow")
    skipped = edge("evaluate", stripes_made.bundle, table, "--skip-unknown", "--json", home=stripes_made.home)
    assert skipped.code == 0, skipped.err
    assert "elbow" in skipped.out


# --- models ---------------------------------------------------------------------------------------------------------


def test_a_wrong_model_name_is_exit_2_with_the_nearest_names(edge: Command, tmp_path: Path) -> None:
    done = edge("compile", "edge_nn", "-o", tmp_path / "x.edge")
    check_told(done, 2, "No model is called 'edge_nn'")
    assert "edge_n," in done.err


def test_weights_with_nan_are_exit_3(edge: Command, tmp_path: Path) -> None:
    import torch
    from safetensors import safe_open
    from safetensors.torch import save_file

    from compile.source import WEIGHTS

    with safe_open(WEIGHTS / "edge_n.safetensors", framework="pt") as file:
        tensors, metadata = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["head.weight"][0, 0] = torch.nan
    save_file(tensors, tmp_path / "nan.safetensors", metadata)
    done = edge("compile", tmp_path / "nan.safetensors", "-o", tmp_path / "x.edge")
    check_told(done, 3, "head.weight")
    assert "NaN" in done.err
    assert not (tmp_path / "x.edge").exists()


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "onnx"])
def test_a_model_file_of_text_is_exit_3(suffix: str, edge: Command, tmp_path: Path) -> None:
    (tmp_path / f"x.{suffix}").write_text("no weights\n" * 30)
    check_told(edge("compile", tmp_path / f"x.{suffix}", "-o", tmp_path / "x.edge"), 3, f"x.{suffix}")
    assert not (tmp_path / "x.edge").exists()


# --- the machine ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [("--frobnicate",), ("compile", "edge_n", "-o", "x.edge", "--fast"), ("classify",)]
)
def test_an_unknown_option_or_a_missing_argument_is_exit_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    check_told(edge_process(tmp_path, *arguments), 2, "")
