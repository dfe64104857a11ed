"""Image files of every form that reaches a cart, good and bad."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.errors import ImageError
from edge.sources.frame import MIN_SIDE_PX, bytes_from_deep
from edge.sources.images import files_from_path, frames_from_path, kind_from_bytes, load_image

GRAY = np.arange(48 * 64, dtype=np.uint32).reshape(48, 64) % 251
GRAY8 = GRAY.astype(np.uint8)
RGB8 = np.stack([GRAY8, GRAY8 // 2, 255 - GRAY8], axis=-1)


def saved(path: Path, pixels: np.ndarray | Image.Image, **options: object) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


def test_gray_png_keeps_its_bytes(tmp_path: Path) -> None:
    assert np.array_equal(load_image(saved(tmp_path / "a.png", GRAY8)), GRAY8)


def test_rgb_png_keeps_its_bytes(tmp_path: Path) -> None:
    assert np.array_equal(load_image(saved(tmp_path / "a.png", RGB8)), RGB8)


def test_palette_becomes_rgb(tmp_path: Path) -> None:
    palette = Image.fromarray(GRAY8).convert("P")
    assert np.array_equal(load_image(saved(tmp_path / "a.png", palette)), np.asarray(palette.convert("RGB")))


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    pixels = load_image(saved(tmp_path / "a.png", Image.fromarray(GRAY8 > 100)))
    assert np.array_equal(pixels, np.where(GRAY8 > 100, 255, 0))


def test_transparent_pixels_lie_over_black(tmp_path: Path) -> None:
    rgba = np.dstack([RGB8, np.where(GRAY8 > 100, 255, 0).astype(np.uint8)])
    assert np.array_equal(load_image(saved(tmp_path / "a.png", rgba)), np.where(rgba[..., 3:] > 0, RGB8, 0))


def test_gray_with_alpha_stays_gray(tmp_path: Path) -> None:
    image = Image.merge("LA", [Image.fromarray(GRAY8), Image.new("L", (64, 48), 255)])
    assert np.array_equal(load_image(saved(tmp_path / "a.png", image)), GRAY8)


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    image = Image.new("CMYK", (64, 48), (0, 255, 255, 0))
    red = load_image(saved(tmp_path / "a.jpg", image))[20, 20]
    assert red[0] > 200 and red[1] < 60 and red[2] < 60


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_twelve_bits_in_a_sixteen_bit_file_are_not_black(tmp_path: Path, suffix: str) -> None:
    deep = (GRAY * 16).astype(np.uint16)
    pixels = load_image(saved(tmp_path / f"a.{suffix}", deep))
    assert np.abs(pixels.astype(int) - np.round(deep.astype(float) * 255 / 4095)).max() <= 1


def test_full_sixteen_bits_are_scaled_by_65535(tmp_path: Path) -> None:
    deep = (GRAY * 257).astype(np.uint16)
    assert np.array_equal(load_image(saved(tmp_path / "a.png", deep)), GRAY8)


@pytest.mark.parametrize(("largest", "depth"), [(255, 8), (256, 10), (1023, 10), (1024, 12), (4096, 14), (16384, 16)])
def test_depth_is_the_smallest_that_holds_the_largest_pixel(largest: int, depth: int) -> None:
    assert bytes_from_deep(np.array([[largest]], np.uint16))[0, 0] == round(largest * 255 / (2**depth - 1))


def test_floating_point_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="floating-point"):
        load_image(saved(tmp_path / "a.tif", GRAY.astype(np.float32)))


def test_exif_orientation_turns_the_image_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to show
    assert np.array_equal(load_image(saved(tmp_path / "a.png", GRAY8, exif=exif)), np.rot90(GRAY8, -1))


def test_decompression_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (10000, 10000)))
    with pytest.raises(ImageError, match="100 megapixels; at most 36"):
        load_image(path)


def test_bomb_beyond_pillows_own_limit_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", Image.new("1", (20000, 20000)))
    with pytest.raises(ImageError, match="too large"):
        load_image(path)


@pytest.mark.parametrize("size", [(1, 1), (MIN_SIDE_PX - 1, 400)])
def test_too_small_image_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="at least 32"):
        load_image(saved(tmp_path / "a.png", Image.new("L", size)))


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp", "gif", "webp"])
def test_truncated_image_is_refused(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    whole = saved(tmp_path / f"whole.{suffix}", noise).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError):
        load_image(path)


@pytest.mark.parametrize("start", [0, 20, 60, 200])
def test_every_damaged_byte_gives_pixels_or_an_image_error(tmp_path: Path, start: int) -> None:
    whole = saved(tmp_path / "whole.png", RGB8).read_bytes()
    for position in range(start, start + 20):
        path = tmp_path / "bad.png"
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            assert load_image(path).dtype == np.uint8
        except ImageError as error:
            assert error.cure


def test_text_renamed_to_jpg_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_text("hello, this is a note\n" * 20)
    with pytest.raises(ImageError, match="no image, whatever its name says"):
        load_image(path)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(ImageError, match="is empty"):
        load_image(tmp_path / "a.png")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not there"):
        load_image(tmp_path / "a.png")


def test_folder_is_read_sorted_and_deep_without_hidden_files_and_notes(tmp_path: Path) -> None:
    for name in ("b.png", "a/z.png", ".hidden.png", ".git/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        saved(tmp_path / name, GRAY8)
    (tmp_path / "labels.csv").write_text("file,label\n")
    names = [Path(frame.input).relative_to(tmp_path).as_posix() for frame in frames_from_path(tmp_path)]
    assert names == ["a/z.png", "b.png"]


def test_folder_without_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="holds no image"):
        files_from_path(tmp_path)


def test_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is not there"):
        next(frames_from_path(tmp_path / "nowhere"))


def test_content_counts_not_the_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", GRAY8).rename(tmp_path / "a.dcm")
    assert np.array_equal(next(frames_from_path(path)).pixels, GRAY8)


def test_animation_gives_every_frame_with_its_time(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((48, 64), value, np.uint8)) for value in (10, 90, 170)]
    path = saved(tmp_path / "a.gif", pages[0], save_all=True, append_images=pages[1:], duration=40)
    frames = list(frames_from_path(path))
    assert [(frame.index, frame.time_ms, int(frame.pixels.max())) for frame in frames] == [
        (0, 0.0, 10),
        (1, 40.0, 90),
        (2, 80.0, 170),
    ]


def test_still_has_no_time(tmp_path: Path) -> None:
    assert next(frames_from_path(saved(tmp_path / "a.png", GRAY8))).time_ms is None


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0" * 128 + b"DICM", "dicom"),
        (b"II*\0" + b"\0" * 124 + b"DICM", "dicom"),
        (b"\x08\0\x05\0CS\x0a\0ISO_IR", "dicom"),
        (b"\0\0\0\x18ftypmp42", "video"),
        (b"\0\0\0\x18ftypheic", "image"),
        (b"RIFF\0\0\0\0AVI ", "video"),
        (b"RIFF\0\0\0\0WEBP", "image"),
        (b"\x1a\x45\xdf\xa3", "video"),
        (b"II*\0", "image"),
        (b"file,label\n", ""),
        (b"", ""),
    ],
)
def test_kind_is_read_from_the_first_bytes(head: bytes, kind: str) -> None:
    assert kind_from_bytes(head) == kind
