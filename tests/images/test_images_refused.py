"""What images.load and images.save refuse: always a PictureError, one sentence, no folder of the server in it."""

import errno
import os
import random
import resource
import struct
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.errors import PictureError
from cyclegan_core.images import limits, reading
from tests.support.pictures import SAMPLES, encode, refusal


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_png(width: int, height: int, depth: int, rows: bytes, extra: bytes = b"") -> bytes:
    """A PNG by hand: each of the `rows` begins with its filter byte; `extra` are whole chunks."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(rows, 9)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + extra + pixels


def write_refusal(path: Path, picture: np.ndarray | None = None) -> str:
    with pytest.raises(PictureError) as caught:
        images.save(np.zeros((64, 64, 3), np.uint8) if picture is None else picture, path)
    sentence = str(caught.value)
    assert sentence.startswith(f"{path.name} cannot be written: ")
    assert str(path.parent) not in sentence
    return sentence


# Limits


def test_169_megapixels_in_20_kb_are_refused_from_the_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(grey_png(13000, 13000, 1, bytes(1626) * 13000))
    assert path.stat().st_size < 25_000
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    sentence = refusal(path)
    assert time.perf_counter() - started < 0.5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB
    assert sentence.startswith("bomb.png has 13000 x 13000 pixels (169 megapixels)")


@pytest.mark.parametrize("side", [10_001, 40_000, 2**31 - 1])
def test_too_many_pixels(side: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Pillow's own, lower limit has no say
        assert f"{side} x {side} pixels" in refusal(grey_png(side, side, 8, b""))


def test_too_many_pixels_in_a_frame() -> None:
    data = SAMPLES["gif"].replace(
        struct.pack("<B4H", 0x2C, 0, 0, 64, 64), struct.pack("<B4H", 0x2C, 0, 0, 65535, 65535)
    )
    assert "more than the 100 megapixels" in refusal(data)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (15, 200), (200, 15)])
def test_too_small(width: int, height: int) -> None:
    assert f"only {width} x {height} pixels" in refusal(encode("PNG", width, height))


def test_too_large_a_file(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with open(path, "wb") as file:
        file.truncate(images.MAX_FILE_BYTES + 1)
    assert refusal(path).startswith("large.jpg is larger than 64 MiB")
    assert "larger than 64 MiB" in refusal(bytes(images.MAX_FILE_BYTES + 1))


def test_tiff_of_too_many_strips() -> None:
    tags = [(256, 64), (257, 64), (258, 8), (262, 1)]
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags] + [
        struct.pack("<HHII", 273, 4, 10**6, 80)
    ]
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4 * 10**6)
    assert "1000000 pieces" in refusal(data)


def test_file_that_keeps_the_decoder_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_SECONDS", 0.2)
    comment = b"!\xfe\xff" + b"c" * 255 + b"\0"  # Pillow's time grows with the square of their number
    started = time.perf_counter()
    assert "takes too long" in refusal(b"GIF89a" + struct.pack("<HHBBB", 64, 64, 0, 0, 0) + comment * 60_000)
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(("kind", "head"), [(b"zTXt", b"k\0\0"), (b"iTXt", b"k\0\x01\0\0\0"), (b"iCCP", b"k\0\0")])
def test_what_lies_beside_a_png_is_no_reason_to_refuse_it(kind: bytes, head: bytes) -> None:
    bomb = png_chunk(kind, head + zlib.compress(bytes(5_000_000), 9))
    assert images.load(grey_png(32, 32, 8, bytes(33) * 32, bomb)).max() == 0


def test_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> np.ndarray:
        raise MemoryError

    monkeypatch.setattr(reading, "_converted", full)
    assert "more memory" in refusal(SAMPLES["png"])


# Files that are no pictures


@pytest.mark.parametrize(
    "head",
    ["<svg xmlns='x'>", "<?xml version='1.0'?>\n<!-- made -->\n<svg>", "\ufeff \n<SVG>", "<!DOCTYPE svg PUBLIC><svg>"],
)
def test_svg_is_told_apart(head: str) -> None:
    assert "SVG" in refusal(head.encode() + b"<circle></svg>")


@pytest.mark.parametrize(
    "data",
    [
        *[b"hello", b"\0" * 5000, b"%!PS-Adobe-3.0 EPSF-3.0\n", b"RIFF\x24\0\0\0WAVEfmt ", b"icns" + bytes(60)],
    ],
)
def test_not_a_picture(data: bytes) -> None:
    assert "not a picture in a known format" in refusal(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><html>", "is a web page: save the picture itself."),
        (b"\xef\xbb\xbf\n<!doctype html>", "is a web page: save the picture itself."),
        (b"%PDF-1.7\n", "is a PDF: export"),
        (b"8BPS\0\1" + bytes(60), "is a Photoshop file: export"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(99), "is a video"),
        (b"\x1a\x45\xdf\xa3" + bytes(99), "is a video"),
        (b"PK\x03\x04" + bytes(60), "is a ZIP: unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"\0\x05\x16\x07" + bytes(60), "no ._ before it."),
    ],
)
def test_what_is_sent_by_mistake_is_named(data: bytes, words: str) -> None:
    assert words in refusal(data)


def test_places_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(SAMPLES["png"])
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "empty.jpg").startswith("empty.jpg is empty")
    assert refusal(b"").startswith("The picture is empty")
    assert refusal(tmp_path / "absent.jpg").startswith("absent.jpg cannot be read: there is no such file")
    assert "no such folder" in refusal(tmp_path / "file" / "x.jpg")
    assert refusal(tmp_path).startswith(f"{tmp_path.name} is a folder")
    assert "is a folder" in refusal("/")
    assert "not a file" in refusal(tmp_path / "pipe.jpg")
    assert "not a file name" in refusal(f"{tmp_path}/nul\0.jpg")
    assert "cannot be read" in refusal("x" * 300)
    assert refusal(tmp_path / "two\nlines\x1b[31m\udcff.jpg").startswith("two?lines?[31m?.jpg cannot be read")


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Permissions do not bind root, so for a moment be nobody."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_permissions(tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(SAMPLES["png"])
    path.chmod(0)
    tmp_path.chmod(0o555)
    try:
        with ordinary_user():
            assert refusal(path).startswith("secret.png cannot be read: the permissions do not allow it")
            assert "the permissions do not allow it" in write_refusal(tmp_path / "new.png")
    finally:
        tmp_path.chmod(0o755)


# Damage


def test_a_tiff_whose_directory_ends_within_an_entry() -> None:
    """SubIFDs, then the head of NewSubfileType without its value: what tells a raw file is not all there."""
    entries = struct.pack("<HHII", 330, 4, 1, 0) + struct.pack("<HHI", 254, 4, 1)
    assert "damaged or cut short" in refusal(b"II*\0" + struct.pack("<IH", 8, 2) + entries)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.filterwarnings("ignore")
def test_mutated_files_never_surprise(name: str) -> None:
    """Bytes changed, taken out and put in: a picture or a PictureError, never another exception."""
    chance = random.Random(name)
    loaded, refused = 0, 0
    for _ in range(60):
        data = bytearray(SAMPLES[name])
        for _ in range(chance.choice((1, 1, 2, 8))):
            at = chance.randrange(min(len(data), chance.choice((64, 512, 10**6))))
            data[at : at + chance.choice((0, 1, 1, 1, 4))] = chance.randbytes(chance.choice((0, 1, 1, 1, 4)))
        try:
            picture = images.load(bytes(data))
        except PictureError:
            refused += 1
        else:
            loaded += 1
            assert picture.dtype == np.uint8
            assert picture.shape[2:] == (3,)
    assert loaded + refused == 60
    assert refused > 0, "the mutations are too weak to show anything"


# Writing


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 2), np.uint8),
        np.zeros((20, 20, 3)),
        np.zeros((0, 5, 3), np.uint8),
    ],
    ids=["grey", "two channels", "float", "empty"],
)
def test_wrong_arrays_are_a_mistake_of_the_caller(picture: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="RGB uint8"):
        images.save(picture, tmp_path / "x.png")
    with pytest.raises(ValueError, match="quality"):
        images.save(np.zeros((20, 20, 3), np.uint8), tmp_path / "x.png", quality=0)


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    assert ".jpeg, .jpg, .png" in write_refusal(tmp_path / "x.txt")
    assert "end its name in" in write_refusal(tmp_path / "nosuffix")
    assert "no such file or folder" in write_refusal(tmp_path / "absent" / "x.png")
    assert "no such folder" in write_refusal(tmp_path / "file" / "x.png")
    assert "that is a folder" in write_refusal(tmp_path / "folder.png")
    assert "too many pixels" in write_refusal(tmp_path / "long.jpg", np.zeros((1, 65536, 3), np.uint8))
    assert "too many pixels" in write_refusal(tmp_path / "long.webp", np.zeros((1, 20000, 3), np.uint8))
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        *[(errno.ENOSPC, "the disk is full"), (errno.EROFS, "the disk is read-only")],
        *[(errno.EACCES, "the permissions do not allow it"), (errno.EIO, "the system says 'Input/output error'")],
    ],
)
def test_nothing_is_lost_when_writing_fails(
    number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(b"what was there")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "replace", fail)
    assert words in write_refusal(path)
    assert path.read_bytes() == b"what was there"
    assert os.listdir(tmp_path) == ["x.png"]


def test_disk_that_takes_no_more(tmp_path: Path) -> None:
    """A real failure in the middle of writing: the kernel stops the file at 1,000 bytes."""
    path = tmp_path / "x.bmp"
    path.write_bytes(b"what was there")
    script = (
        "import sys, resource, signal, numpy; from cyclegan_core import images, errors\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: images.save(numpy.zeros((64, 64, 3), 'uint8'), sys.argv[1])\n"
        "except errors.PictureError as error: sys.exit(str(error))\n"
    )
    done = subprocess.run([sys.executable, "-B", "-c", script, path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("x.bmp cannot be written: the system says 'File too large'")
    assert path.read_bytes() == b"what was there"
    assert os.listdir(tmp_path) == ["x.bmp"]
