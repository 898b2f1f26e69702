"""images.load and images.save on good pictures: every format and colour mode, by the values of the pixels."""

import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, JpegImagePlugin

from cyclegan_core import images
from cyclegan_core.images import upright

pillow_heif.register_heif_opener()  # only to write HEIC below; load must not depend on it

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def photo(width: int = 64, height: int = 48) -> np.ndarray:
    """Smooth, and different in each corner."""
    y, x = np.mgrid[0:height, 0:width] / [[[height]], [[width]]]
    return np.stack([40 + 180 * x, 30 + 200 * y, 120 + 100 * x * y], -1).astype(np.uint8)


def filled(colour: tuple[int, ...]) -> np.ndarray:
    return np.full((32, 32, 3), colour)


def encode(picture: np.ndarray | Image.Image, form: str, **options: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def with_blue_page() -> dict[str, object]:
    return {"save_all": True, "append_images": [Image.new("RGB", (32, 32), BLUE)]}


def orientation(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()


def assert_near(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    assert actual.dtype == np.uint8
    assert actual.shape == expected.shape
    assert np.abs(actual.astype(int) - expected).max() <= tolerance


BEST_JPEG: dict[str, object] = {"quality": 100, "subsampling": 0}
FORMATS: dict[str, tuple[str, dict[str, object], int]] = {  # name: (Pillow's format, options, tolerance)
    "jpg": ("JPEG", BEST_JPEG, 4),
    "progressive.jpg": ("JPEG", {**BEST_JPEG, "progressive": True}, 4),
    "mpo": ("MPO", {**BEST_JPEG, **with_blue_page()}, 4),
    "png": ("PNG", {}, 0),
    "webp": ("WEBP", {"quality": 100}, 9),
    "lossless.webp": ("WEBP", {"lossless": True}, 0),
    "bmp": ("BMP", {}, 0),
    "tif": ("TIFF", {}, 0),
    "lzw.tif": ("TIFF", {"compression": "tiff_lzw"}, 0),
    "deflate.tif": ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
    "jpeg.tif": ("TIFF", {"compression": "jpeg", "quality": 100}, 9),
    "gif": ("GIF", {}, 12),
    "heic": ("HEIF", {"quality": 100, "chroma": 444}, 4),
    "jp2": ("JPEG2000", {"irreversible": False}, 0),
    "j2k": ("JPEG2000", {"irreversible": False, "no_jp2": True}, 0),
    "ppm": ("PPM", {}, 0),
    "avif": ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 4),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_from_bytes_and_from_a_path(name: str, tmp_path: Path) -> None:
    form, options, tolerance = FORMATS[name]
    path = tmp_path / f"picture.{name}"
    path.write_bytes(encode(photo(), form, **options))
    picture = images.load(path.read_bytes())
    assert_near(picture, photo(), tolerance)
    assert picture.flags.c_contiguous
    assert picture.flags.writeable
    assert path.suffix in images.SUFFIXES
    assert np.array_equal(images.load(path), picture)
    assert np.array_equal(images.load(str(path)), picture)


def test_heic_needs_no_registration() -> None:
    script = "import sys; from cyclegan_core import images; print(images.load(sys.stdin.buffer.read()).shape)"
    done = subprocess.run(
        [sys.executable, "-c", script], input=encode(photo(), "HEIF"), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "(48, 64, 3)"


@pytest.mark.parametrize("form", ["PNG", "TIFF", "big-endian TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(form: str) -> None:
    ramp = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    ramp[-1, -1] = 65535
    image = Image.frombytes("I;16B", (64, 64), ramp.astype(">u2").tobytes()) if "big" in form else Image.fromarray(ramp)
    picture = images.load(encode(image, form.split()[-1]))
    assert np.array_equal(picture, np.stack([np.rint(ramp / 65535 * 255)] * 3, -1))
    assert picture[-1, -1, 0] == 255


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_colour(suffix: str, channels: int) -> None:
    wide = np.zeros((32, 32, channels), np.uint16)  # BGR(A), as OpenCV has it
    wide[..., 2] = np.linspace(0, 65535, 32)
    wide[:, 16:, 3:] = 65535
    picture = images.load(cv2.imencode(suffix, wide)[1].tobytes())
    assert_near(picture[:, 16:], (wide[:, 16:, 2::-1] / 257), 1)
    if channels == 4:
        assert (picture[:, :16] == 255).all()


@pytest.mark.parametrize(
    ("values", "black", "white"),
    [
        (np.linspace(0, 1, 1024, dtype=np.float32), 0, 1),
        (np.linspace(0, 255, 1024, dtype=np.float32), 0, 255),
        (np.linspace(0, 60000, 1024, dtype=np.float32), 0, 65535),
        (np.linspace(-3, 5, 1024, dtype=np.float32), -3, 5),
        (np.linspace(-3e38, 3e38, 1024, dtype=np.float32), -3e38, 3e38),
        (np.full(1024, -7, np.float32), -7, -6),
        (np.linspace(0, 65535, 1024).astype(np.int32), 0, 65535),
        (np.linspace(-100, 2**31 - 1, 1024).astype(np.int32), -100, 2**31 - 1),
    ],
)
def test_float_and_32_bit_grey(values: np.ndarray, black: float, white: float) -> None:
    values = values.reshape(32, 32)
    expected = (values.astype(np.float64) - black) / (white - black) * 255
    assert_near(images.load(encode(values, "TIFF")), np.stack([expected] * 3, -1), 0.51)


def test_float_with_holes() -> None:
    values = np.linspace(0, 1, 1024, dtype=np.float32).reshape(32, 32)
    values[0, :3] = [np.nan, np.inf, -np.inf]
    picture = images.load(encode(values, "TIFF"))
    assert picture[0, :3, 0].tolist() == [0, 255, 0]
    assert picture[-1, -1, 0] == 255
    assert not images.load(encode(np.full((32, 32), np.nan, np.float32), "TIFF")).any()


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_alpha_is_laid_on_white(form: str, options: dict[str, object]) -> None:
    image = Image.new("RGBA", (32, 32), (*RED, 128))
    image.paste((*BLUE, 0), (16, 0, 32, 32))
    picture = images.load(encode(image, form, **options))
    assert picture[5, [5, 20]].tolist() == [[255, 127, 127], [255, 255, 255]]


def test_grey_alpha_is_laid_on_white() -> None:
    assert (images.load(encode(Image.new("LA", (32, 32), (0, 64)), "PNG")) == 191).all()


@pytest.mark.parametrize(
    ("form", "transparency", "shown"),
    [("PNG", b"\xff\0", WHITE), ("PNG", b"\xff\x80", (127, 127, 255)), ("GIF", 1, WHITE)],
)
def test_palette_with_transparency(form: str, transparency: object, shown: tuple[int, ...]) -> None:
    image = Image.new("P", (32, 32), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (16, 0, 32, 32))
    picture = images.load(encode(image, form, transparency=transparency))
    assert picture[5, [5, 20]].tolist() == [list(RED), list(shown)]


def test_transparent_colour_and_palette_with_alpha() -> None:
    flag = Image.new("RGB", (32, 32), RED)
    flag.paste(BLUE, (16, 0, 32, 32))
    picture = images.load(encode(flag, "PNG", transparency=BLUE))
    assert picture[5, [5, 20]].tolist() == [list(RED), list(WHITE)]
    picture = images.load(encode(flag.convert("RGBA").convert("PA"), "TIFF"))
    assert picture[5, [5, 20]].tolist() == [list(RED), list(BLUE)]


@pytest.mark.parametrize(
    ("mode", "form", "tolerance"),
    [
        *[("1", "PNG", 0), ("1", "TIFF", 0), ("L", "JPEG", 2), ("L", "BMP", 0), ("P", "BMP", 0), ("P", "TIFF", 0)],
        *[("RGBX", "TIFF", 0), ("CMYK", "TIFF", 1), ("CMYK", "JPEG", 4)],
    ],
)
def test_other_modes(mode: str, form: str, tolerance: int) -> None:
    image = Image.fromarray(photo()).convert(mode)
    assert_near(images.load(encode(image, form)), np.asarray(image.convert("RGB")), tolerance)


def test_cmyk_has_the_right_polarity() -> None:
    for form in ("JPEG", "TIFF"):
        cyan = encode(Image.new("CMYK", (32, 32), (255, 0, 0, 0)), form)
        assert_near(images.load(cyan), filled((0, 255, 255)), 3)


def test_ycbcr_and_lab() -> None:
    ycbcr = Image.fromarray(photo()).convert("YCbCr")
    assert_near(images.load(encode(ycbcr, "TIFF", compression="tiff_lzw")), photo(), 3)
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = images.load(encode(to_lab.apply(Image.fromarray(photo())), "TIFF"))
    assert_near(lab, photo(), 20)  # 8-bit Lab is coarse where red is dark
    assert np.abs(lab.astype(int) - photo()).mean() < 2


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
RED_IS_GREEN = SRGB.replace(b"rXYZ", b"????", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"????", b"gXYZ", 1)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_colour_profile_is_applied(form: str) -> None:
    red = encode(Image.new("RGB", (32, 32), RED), form, icc_profile=RED_IS_GREEN)
    assert_near(images.load(red), filled(GREEN), 12)


@pytest.mark.parametrize("profile", [SRGB, b"nonsense", SRGB[:200], SRGB[:128] + bytes(300)])
def test_profile_that_changes_nothing(profile: bytes) -> None:
    assert np.array_equal(images.load(encode(photo(), "PNG", icc_profile=profile)), photo())
    grey = Image.fromarray(photo()).convert("L")
    assert np.array_equal(images.load(encode(grey, "PNG", icc_profile=profile)), np.asarray(grey.convert("RGB")))


def test_profile_of_another_colour_space_is_ignored() -> None:
    magenta = encode(Image.new("CMYK", (32, 32), (0, 255, 0, 0)), "TIFF", icc_profile=RED_IS_GREEN)
    assert_near(images.load(magenta), filled((255, 0, 255)), 0)


TO_STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("name", ["jpg", "png", "lossless.webp", "tif", "lzw.tif", "heic", "avif"])
@pytest.mark.parametrize("value", range(1, 9))
def test_every_orientation_comes_upright(value: int, name: str) -> None:
    form, options, tolerance = FORMATS[name]
    stored = Image.fromarray(photo())
    if value in TO_STORED:
        stored = stored.transpose(TO_STORED[value])
    assert_near(images.load(encode(stored, form, exif=orientation(value), **options)), photo(), tolerance)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientation_that_does_not_exist_is_ignored(value: int) -> None:
    assert np.array_equal(images.load(encode(photo(), "PNG", exif=orientation(value))), photo())


@pytest.mark.parametrize("exif", [b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"junk" * 9, orientation(6)[6:20]])
@pytest.mark.parametrize("name", ["jpg", "png", "lossless.webp"])
@pytest.mark.filterwarnings("ignore")
def test_malformed_exif_is_ignored(name: str, exif: bytes) -> None:
    form, options, tolerance = FORMATS[name]
    assert_near(images.load(encode(photo(), form, exif=b"Exif\0\0" + exif, **options)), photo(), tolerance)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame(form: str) -> None:
    options = with_blue_page() | ({"lossless": True} if form == "WEBP" else {})
    assert (images.load(encode(Image.new("RGB", (32, 32), RED), form, **options)) == RED).all()


@pytest.mark.medium
def test_phone_photo_of_50_megapixels() -> None:
    data = encode(Image.new("RGB", (8160, 6144), (200, 100, 50)), "JPEG", exif=orientation(6))
    picture = images.load(data)
    assert picture.shape == (8160, 6144, 3)
    assert_near(picture[::255, ::192], filled((200, 100, 50)), 2)


def test_strips_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upright, "STRIP_PIXELS", 7 * 64)
    for form in ("PNG", "TIFF"):
        assert np.array_equal(images.load(encode(photo(), form)), photo())


def test_smallest_and_narrowest() -> None:
    assert images.load(encode(photo(16, 16), "PNG")).shape == (16, 16, 3)
    assert images.load(encode(photo(16, 30000), "PNG")).shape == (30000, 16, 3)


@pytest.mark.parametrize("suffix", sorted(images.SAVE_SUFFIXES | {".JPG", ".Png"}))
def test_saved_pictures_come_back(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(b"what was there")
    mirrored: np.ndarray = photo()[:, ::-1].view(type("Translated", (np.ndarray,), {}))
    images.save(mirrored, str(path))
    assert_near(images.load(path), mirrored, 10 if suffix.lower() in (".jpg", ".jpeg", ".webp") else 0)
    with Image.open(path) as image:
        assert "exif" not in image.info
        if isinstance(image, JpegImagePlugin.JpegImageFile):
            assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4
    assert os.listdir(tmp_path) == [path.name]


def test_quality_and_permissions_of_a_saved_file(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for quality in (20, 95):
        images.save(noise, tmp_path / f"{quality}.jpg", quality=quality)
    assert (tmp_path / "20.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size / 2
    (tmp_path / "ordinary").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("95.jpg", "ordinary")}
    assert len(modes) == 1


def test_a_tiff_for_large_files() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    coded = io.BytesIO()
    Image.fromarray(pixels).save(coded, "TIFF", big_tiff=True)
    assert (images.load(coded.getvalue()) == pixels).all()
