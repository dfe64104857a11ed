"""What is no standard plane: the shipped bundle accepts none of it.

Chosen by hand, never shown in training: every frame must end as `not_standard` or `not_covered`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from calibration.samples_set import SAMPLES, gate_dataset
from edge.keyring import Keyring
from edge.session import Session, open_session
from edge.sources.images import load_image
from tests.conftest import Made

Pixels = NDArray[np.uint8]
SIZE = (480, 640)  # rows and columns of a scanner's video output
MENU = (
    "Patient 0042",
    "Exam   20/40 weeks",
    "Setup",
    "Presets >",
    "Gain  52 %",
    "Depth 14.2 cm",
    "Print   Store   End",
)


@pytest.fixture(scope="module")
def session(shipped: Made) -> Iterator[Session]:
    with open_session(shipped.bundle, threads=1, keyring=Keyring(shipped.home)) as opened:
        yield opened


def check_refused(session: Session, frame: Pixels) -> None:
    answer = session.classify(frame)
    assert not answer.accepted, f"accepted as {answer.plane}, probability {answer.probability:.2f}"
    assert answer.answer in ("not_standard", "not_covered")


def grays(rng: np.random.Generator, spread: float) -> Pixels:
    return np.clip(rng.normal(128, spread, SIZE), 0, 255).astype(np.uint8)


def blurred(frame: Pixels, radius_px: float) -> Pixels:
    soft = np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius_px)), np.float32)
    return np.asarray(np.clip((soft - soft.mean()) * (45 / soft.std()) + 110, 0, 255), np.uint8)


@pytest.mark.parametrize("level", [0, 20, 128, 255])
def test_an_even_frame_is_refused(level: int, session: Session) -> None:
    check_refused(session, np.full(SIZE, level, np.uint8))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["uniform", "gaussian", "faint", "salt and pepper"])
def test_noise_is_refused(kind: str, seed: int, session: Session) -> None:
    rng = np.random.default_rng(seed)
    frames: dict[str, Callable[[], Pixels]] = {
        "uniform": lambda: rng.integers(0, 256, SIZE, dtype=np.uint8),
        "gaussian": lambda: grays(rng, 40),
        "faint": lambda: grays(rng, 8),
        "salt and pepper": lambda: (255 * rng.integers(0, 2, SIZE)).astype(np.uint8),
    }
    check_refused(session, frames[kind]())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("radius_px", [2, 5, 12, 30])
def test_blurred_noise_is_refused(radius_px: float, seed: int, session: Session) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, SIZE, dtype=np.uint8)
    check_refused(session, blurred(noise, radius_px))


@pytest.mark.parametrize("side_px", [8, 32, 80])
def test_a_checkerboard_is_refused(side_px: int, session: Session) -> None:
    rows, columns = np.indices(SIZE) // side_px
    check_refused(session, (((rows + columns) % 2) * 200 + 20).astype(np.uint8))


@pytest.mark.parametrize("axis", [0, 1])
def test_a_ramp_is_refused(axis: int, session: Session) -> None:
    check_refused(session, (np.indices(SIZE)[axis] * (255 / SIZE[axis])).astype(np.uint8))


@pytest.mark.parametrize(("background", "ink"), [(0, 230), (40, 200), (225, 10)])
def test_a_menu_screen_is_refused(background: int, ink: int, session: Session) -> None:
    screen = Image.new("L", (SIZE[1], SIZE[0]), background)
    drawing, font = ImageDraw.Draw(screen), ImageFont.load_default(22)
    for row, text in enumerate(MENU):
        top = 30 + 60 * row
        drawing.rectangle((40, top, 360, top + 44), outline=ink)
        drawing.text((56, top + 10), text, fill=ink, font=font)
        drawing.text((420, top + 10), f"F{row + 1}", fill=ink, font=font)
    check_refused(session, np.asarray(screen))


def shipped_images() -> list[Path]:
    """One shipped image of every label."""
    first = {sample.label: SAMPLES.parent / sample.file for sample in reversed(gate_dataset(None).samples)}
    return list(first.values())


@pytest.mark.parametrize("file", shipped_images(), ids=lambda file: str(file.stem))
def test_colour_doppler_is_refused(file: Path, session: Session) -> None:
    """A real image with a colour box: flow towards the probe in red, away from it in blue, tissue between."""
    gray = np.asarray(Image.fromarray(load_image(file)).convert("L"))
    rows, columns = gray.shape
    frame = np.stack([gray] * 3, axis=-1)
    y, x = np.mgrid[: rows // 3, : columns // 3]
    flow = np.sin(x / 9) * np.cos(y / 7)
    box = frame[rows // 3 : rows // 3 + rows // 3, columns // 3 : columns // 3 + columns // 3]
    box[flow > 0.3] = (220, 60, 20)
    box[flow < -0.3] = (20, 60, 220)
    check_refused(session, frame)


def photographs() -> dict[str, Pixels]:
    """Photographs that come with the tools' packages."""
    import matplotlib.cbook
    from sklearn.datasets import load_sample_images

    named = dict(zip(("temple", "flower"), load_sample_images().images, strict=True))
    named["portrait"] = load_image(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))
    return named


@pytest.mark.parametrize("form", ["colour", "gray", "dark", "upside down", "middle"])
@pytest.mark.parametrize("name", ["temple", "flower", "portrait"])
def test_a_photograph_is_refused(name: str, form: str, session: Session) -> None:
    photograph = photographs()[name]
    gray = np.asarray(Image.fromarray(photograph).convert("L"))
    rows, columns = gray.shape
    forms: dict[str, Pixels] = {
        "colour": photograph,
        "gray": gray,
        "dark": (gray * 0.4).astype(np.uint8),
        "upside down": np.ascontiguousarray(gray[::-1]),
        "middle": np.ascontiguousarray(gray[rows // 4 : -rows // 4, columns // 4 : -columns // 4]),
    }
    check_refused(session, forms[form])
