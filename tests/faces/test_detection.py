"""Finding faces in photographs: upright, turned, cut, small and many, with both detectors."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from cyclegan_core import images
from cyclegan_core.errors import CycleganError
from cyclegan_core.faces import detector_weights
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE, fit_similarity
from cyclegan_core.faces.detection import Detector, find_detector, find_faces
from cyclegan_core.faces.detector_weights import read_published
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.faces.retinaface import RetinaFaceDetector
from tests import ROOT
from tests.support.loopback_server import LoopbackServer

SHARED_WEIGHTS = ROOT.parent / "shared" / "weights" / "detection_mobilenet0.25_Final.pth"


EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module", params=["published", "embedded"])
def detector(request: pytest.FixtureRequest) -> Detector:
    return EmbeddedDetector() if request.param == "embedded" else _published()


def _published() -> Detector:
    if not SHARED_WEIGHTS.is_file():
        pytest.skip("needs facexlib's detector weights, which are not on this machine")
    return RetinaFaceDetector(read_published(SHARED_WEIGHTS))


def test_one_face_with_its_eyes(detector: Detector, face_picture: Path) -> None:
    faces = find_faces(detector, images.load(face_picture))
    assert len(faces) == 1
    assert np.abs(faces[0].landmarks[:2] - [(440, 213), (546, 210)]).max() < 16


def test_two_faces_from_left_to_right(detector: Detector, two_faces_picture: Path) -> None:
    faces = find_faces(detector, images.load(two_faces_picture))
    lefts = [face.box[0] for face in faces if face.width > 120 and face.box[1] < 700]
    assert len(lefts) == 2
    assert lefts == sorted(lefts)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_photograph(detector: Detector, face_picture: Path, quarters: int) -> None:
    picture = images.load(face_picture)
    upright = find_faces(detector, picture)[0].landmarks
    turned = find_faces(detector, np.ascontiguousarray(np.rot90(picture, quarters)))
    assert len(turned) == 1
    matrix, error = fit_similarity(turned[0].landmarks, upright)
    angle = np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0]))
    assert error < 12
    assert np.cos(np.radians(angle - 90 * quarters)) > 0.99


@pytest.mark.parametrize("width", [30, 60])
def test_a_small_face(detector: Detector, face_picture: Path, width: int) -> None:
    picture = images.load(face_picture)
    small = cv2.resize(picture, None, fx=width / 232, fy=width / 232, interpolation=cv2.INTER_AREA)
    canvas = np.full((720, 1280, 3), 128, np.uint8)
    canvas[200 : 200 + small.shape[0], 600 : 600 + small.shape[1]] = small
    faces = find_faces(detector, canvas)
    assert len(faces) == 1
    assert faces[0].width == pytest.approx(width, rel=0.25)


def test_a_cut_face(detector: Detector, face_picture: Path) -> None:
    picture = images.load(face_picture)[:, 430:]
    assert len(find_faces(detector, picture)) == 1


@pytest.mark.medium
@pytest.mark.parametrize("picture", [np.zeros((16, 16, 3), np.uint8), np.full((40, 3000, 3), 200, np.uint8)])
def test_pictures_without_a_face(detector: Detector, picture: np.ndarray) -> None:
    assert find_faces(detector, picture) == []


def test_noise_is_no_face(detector: Detector) -> None:
    assert find_faces(detector, np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)) == []


def test_landmarks_of_faces_fit_the_template(detector: Detector, face_picture: Path) -> None:
    face = find_faces(detector, images.load(face_picture))[0]
    assert fit_similarity(face.landmarks, np.array(TIGHT_TEMPLATE))[1] < 0.05


def test_weights_of_another_origin_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"not the weights")
    with pytest.raises(CycleganError, match="damaged or not facexlib's file"):
        read_published(tmp_path / "w.pth")


def test_a_variable_that_names_no_file_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(detector_weights.VARIABLE, "/nosuch.pth")
    with pytest.raises(CycleganError, match="names a file that is not there"):
        find_detector()


@pytest.mark.medium
def test_without_published_weights_the_embedded_ones_are_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(detector_weights.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(detector_weights, "facexlib_path", list)
    assert detector_weights.find() is None
    assert find_detector().name == EmbeddedDetector.name


@pytest.mark.parametrize("twice", [False, True])
def test_torchvision_can_be_imported_beside_any_torch(twice: bool) -> None:
    code = "from cyclegan_core.runtime.torchvision_nms import import_torchvision as go\n" + "go()\n" * (1 + twice)
    code += "import torchvision.models._utils\nimport facexlib.detection.retinaface\nprint(torchvision.__version__)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("0.28.0")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """Address of a server for the files of a folder, and that folder; the cache is another, empty one."""
    folder = tmp_path / "served"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = LoopbackServer(("127.0.0.1", 0), functools.partial(quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/w.pth", folder
    server.shutdown()
    server.server_close()


def test_weights_are_fetched_once_and_found_then(served: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    if not SHARED_WEIGHTS.is_file():
        pytest.skip("needs facexlib's detector weights, which are not on this machine")
    monkeypatch.delenv(detector_weights.VARIABLE, raising=False)
    address, folder = served
    shutil.copy(SHARED_WEIGHTS, folder / "w.pth")
    assert SHARED_WEIGHTS.stat().st_size == detector_weights.SIZE
    fetched = detector_weights.fetch(address)
    assert detector_weights.find() == fetched == detector_weights.cache_path()
    (folder / "w.pth").unlink()
    assert detector_weights.fetch(address) == fetched


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"<html>", "not facexlib's file"), (b"x" * 3_000_000, "not facexlib's file"), (None, "could not be downloaded")],
)
def test_what_is_not_the_weights_is_not_kept(served: tuple[str, Path], content: bytes | None, says: str) -> None:
    address, folder = served
    if content is not None:
        (folder / "w.pth").write_bytes(content)
    with pytest.raises(CycleganError, match=says):
        detector_weights.fetch(address)
    assert list(detector_weights.cache_path().parent.iterdir()) == []


@pytest.mark.parametrize("roll", [-40, -20, 20, 40])
def test_a_tilted_head(detector: Detector, roll: int) -> None:
    picture = images.load(EXAMPLES / "astronaut.jpg")
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 3), roll, 1.0)
    tilted = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    (upright,), (found,) = find_faces(detector, picture), find_faces(detector, np.asarray(tilted, np.uint8))
    expected = upright.landmarks @ turn[:, :2].T + turn[:, 2]
    assert np.abs(found.landmarks - expected).max() < 0.15 * upright.width


def test_a_face_that_the_edge_cuts(detector: Detector) -> None:
    picture = images.load(EXAMPLES / "astronaut.jpg")
    (whole,) = find_faces(detector, picture)
    middle = round(float(whole.landmarks[:, 0].mean())) - round(0.15 * whole.width)
    (cut,) = find_faces(detector, np.ascontiguousarray(picture[:, middle:]))
    assert np.abs(cut.landmarks + np.array([middle, 0]) - whole.landmarks).max() < 0.2 * whole.width
