"""Pictures as people have them: colour told in every way, transparency, bitmaps, greys of many bits, animations."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cyclegan_core import images
from cyclegan_core.errors import PictureError
from tests import ROOT

CASES = ROOT.parent / "shared" / "cases"
REFERENCE = "comfy_ztxt.png"  # the portrait itself, in sRGB
TEST_COLOURS = np.array([[230, 150, 120], [40, 90, 200], [128, 128, 128], [250, 250, 250]], np.uint8)


def picture() -> Image.Image:
    return Image.fromarray(np.repeat(np.repeat(TEST_COLOURS.reshape(2, 2, 3), 16, 0), 16, 1))


def png(*chunks: tuple[bytes, bytes], of: Image.Image | None = None) -> bytes:
    """A PNG with chunks put behind its header."""
    coded = io.BytesIO()
    (of or picture()).save(coded, "PNG")
    data = coded.getvalue()
    more = b"".join(struct.pack(">I", len(b)) + k + b + struct.pack(">I", zlib.crc32(k + b)) for k, b in chunks)
    return data[:33] + more + data[33:]


@pytest.mark.parametrize(
    "name",
    [
        *("DSC_adobe_exif_only.JPG", "p3_cicp.png", "p3_nclx.heic", "linear_gama1.png", "icc_1.3MB.png"),
        *("photoshop_itxt.png", "screenshot_alpha0.bmp", "no_eoi.jpg", "lost_20.jpg"),
    ],
)
def test_the_same_portrait_comes_out_of_every_file(name: str) -> None:
    if not (CASES / name).is_file():
        pytest.skip(f"needs ../shared/cases/{name}, which is not on this machine")
    read, reference = images.load(CASES / name).astype(int), images.load(CASES / REFERENCE)
    assert np.abs(read - reference).mean() < 4
    assert np.abs(read.mean(axis=(0, 1)) - reference.mean(axis=(0, 1))).max() < 1


def test_code_points_rank_above_everything_and_srgb_is_left_as_it_is() -> None:
    plain = images.load(png())
    assert (images.load(png((b"cICP", bytes([1, 13, 0, 1])))) == plain).all()
    display_p3 = images.load(png((b"cICP", bytes([12, 13, 0, 1])), (b"gAMA", struct.pack(">I", 100_000))))
    assert display_p3[0, 0, 0] > plain[0, 0, 0]  # P3's red reaches further than sRGB's
    assert (display_p3[20, 4] == 128).all()  # grey is grey in both


@pytest.mark.parametrize(("gamma", "expected"), [(100_000, 188), (45_455, 128), (55_556, 147)])
def test_gamma_of_a_png(gamma: int, expected: int) -> None:
    """Half of the light is 188 in sRGB; a gamma of 1/2.2 is sRGB; 1/1.8, an old Macintosh's, is brighter here."""
    read = images.load(png((b"gAMA", struct.pack(">I", gamma))))
    assert abs(int(read[20, 4, 0]) - expected) <= 6
    assert (read[20, 4] == read[20, 4, 0]).all()


def test_gamma_counts_for_nothing_where_a_png_says_that_it_is_srgb() -> None:
    read = images.load(png((b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))))
    assert (read == images.load(png())).all()


def test_hdr_is_rolled_off_and_not_clipped() -> None:
    values = np.linspace(0, 255, 256).astype(np.uint8).reshape(16, 16).repeat(2, 0).repeat(2, 1)
    ramp = Image.fromarray(np.dstack([values] * 3))
    for transfer, white in ((16, 148), (18, 191)):  # 58 % of PQ and 75 % of HLG are diffuse white
        read = images.load(png((b"cICP", bytes([9, transfer, 0, 1])), of=ramp))[::2, ::2, 0].ravel().astype(int)
        assert (np.diff(read) >= 0).all()
        assert read[0] == 0
        assert read[-1] == 255
        assert 170 < read[white] < 220


def test_transparency_is_kept_and_what_nobody_sees_is_white(tmp_path: object) -> None:
    pixels = np.dstack([np.asarray(picture()), np.full((32, 32), 255, np.uint8)])
    pixels[:16, :16, 3], pixels[16:, :16, 3] = 0, 128
    coded = io.BytesIO()
    Image.fromarray(pixels).save(coded, "PNG")
    read = images.load_picture(coded.getvalue())
    assert read.alpha is not None
    assert (read.alpha == pixels[..., 3]).all()
    assert (read.pixels[:16, :16] == 255).all()
    assert (read.pixels[16:, :16] == 128).all()  # the colour itself, not laid on white
    assert (images.load(coded.getvalue())[16:, :16] == 191).all()
    opaque = images.load_picture(png())
    assert opaque.alpha is None


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_transparency_is_written_where_the_format_has_it(suffix: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("alpha") / f"cut{suffix}"
    pixels, alpha = np.full((32, 32, 3), 90, np.uint8), np.zeros((32, 32), np.uint8)
    alpha[8:24, 8:24] = 255
    images.save(pixels, path, alpha=alpha)
    read = images.load_picture(path)
    if suffix == ".jpg":
        assert read.alpha is None
        assert read.pixels[0, 0].min() > 245
    else:
        assert read.alpha is not None
        assert (read.alpha == alpha).all()
    with pytest.raises(ValueError, match="alpha is uint8"):
        images.save(pixels, path, alpha=alpha[:4])


def bitmap(opacity: int) -> bytes:
    """A 32-bit BMP with masks for all four bytes (BITMAPV4HEADER), as screenshots have them."""
    rows = np.dstack([np.asarray(picture())[::-1, :, ::-1], np.full((32, 32), opacity, np.uint8)])
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 32, 32, 1, 32, 3, rows.size, 2835, 2835, 0, 0) + masks
    header = header.ljust(108, b"\0")
    return b"BM" + struct.pack("<IHHI", 122 + rows.size, 0, 0, 122) + header + rows.tobytes()


def test_the_fourth_byte_of_a_bitmap_counts_only_where_it_is_used() -> None:
    for opacity in (0, 200):
        read = images.load_picture(bitmap(opacity))
        assert (read.alpha is None) == (opacity == 0)
        assert (read.pixels == np.asarray(picture())).all()


@pytest.mark.parametrize(("bits", "high"), [(10, 1023), (12, 4095), (16, 65535)])
def test_grey_is_scaled_by_its_own_range(bits: int, high: int) -> None:
    values = np.linspace(0, high, 32 * 32).astype(np.uint16).reshape(32, 32)
    coded = io.BytesIO()
    Image.fromarray(values).save(coded, "TIFF")
    read = images.load(coded.getvalue())
    assert (read[0, 0] == 0).all()
    assert (read[-1, -1] == 255).all()
    assert abs(int(read[16, 0, 0]) - 128) <= 1


def test_an_animation_gives_the_frame_that_is_wanted_and_says_which() -> None:
    frames = [Image.new("RGB", (32, 32), (shade,) * 3) for shade in (0, 60, 200)]
    for form in ("GIF", "WEBP"):
        coded = io.BytesIO()
        frames[0].save(
            coded, form, save_all=True, append_images=frames[1:], **({"lossless": True} if form == "WEBP" else {})
        )
        bright = images.load_picture(coded.getvalue(), wanted=lambda pixels: bool(pixels.mean() > 100))
        assert abs(int(bright.pixels[0, 0, 0]) - 200) < 4
        assert bright.notes == ("The picture is an animation of 3 frames: frame 3 is used.",)
        none = images.load_picture(coded.getvalue(), wanted=lambda pixels: False)
        assert none.pixels.max() < 4
        assert none.notes == ("The picture is an animation of 3 frames: frame 1 is used.",)


def test_a_raw_file_gives_its_largest_preview_or_says_that_there_is_none() -> None:
    thumbnail, preview = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (160, 120), "red").save(thumbnail, "JPEG")
    Image.new("RGB", (800, 600), "blue").save(preview, "JPEG")
    directory = struct.pack("<H", 1) + struct.pack("<HHI4s", 50706, 1, 4, b"\1\4\0\0") + bytes(4)
    header = b"II*\0" + struct.pack("<I", 8) + directory
    read = images.load_picture(header + thumbnail.getvalue() + preview.getvalue() + b"sensor")
    assert read.pixels.shape == (600, 800, 3)
    assert read.pixels[0, 0, 2] > 240
    assert read.notes == ("The picture is a camera's raw file: its largest preview is shown.",)
    with pytest.raises(PictureError, match="only a small preview in it: export it as JPEG"):
        images.load(header + thumbnail.getvalue() + b"sensor")


@pytest.mark.parametrize("head", [b"\xff\x0a\xfa\x7f", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_jpeg_xl_is_named(head: bytes) -> None:
    with pytest.raises(PictureError, match="is a JPEG XL, which is not read here: export it as JPEG"):
        images.load(head + bytes(100))
