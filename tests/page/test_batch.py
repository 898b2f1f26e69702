"""Many photos at once: each in every translation, and one bad file does not stop the rest."""

import csv
import io
import threading
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from cyclegan_core import images
from cyclegan_core.errors import TranslationError
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.faces.face import Face
from cyclegan_core.inference.studio import Studio
from cyclegan_core.inference.translator import FaceTranslator
from cyclegan_core.translations.translation import Translation
from demo.languages.phrases import say
from demo.server.files import Files
from demo.tabs.gallery import batch as batch_module
from demo.tabs.gallery.batch import MOST_PHOTOS, TABLE_NAME, Batch, Request, Result
from tests import ROOT

EXAMPLES = ROOT / "examples"
FEMALE, MALE = Request("To female", "tiny:to_female"), Request("To male", "tiny:to_male")
BOX = (30.0, 20.0, 130.0, 120.0)


class FaceInBright:
    """Finds one face, always at the same place, but in dark pictures."""

    name = "a test's detector"

    def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
        landmarks = (np.array(TIGHT_TEMPLATE) * 100 + BOX[:2]).astype(np.float32)
        return [Face(BOX, 0.99876, landmarks)] if picture.mean() > 60 else []


@pytest.fixture(scope="module")
def translator(tiny_translation: Path) -> FaceTranslator:
    return FaceTranslator(Translation.load(tiny_translation), detector=FaceInBright())


@pytest.fixture(scope="module")
def studio(translator: FaceTranslator) -> Studio:
    return Studio({"tiny": translator}, FaceInBright())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "files")


def picture_bytes(form: str = "jpeg", *, low: int = 90, size: tuple[int, int] = (160, 140)) -> bytes:
    pixels = np.random.default_rng(low).integers(low, low + 40, (size[1], size[0], 3), np.uint8)
    packed = io.BytesIO()
    Image.fromarray(pixels).save(packed, form)
    return packed.getvalue()


def photo(folder: Path, name: str, content: bytes | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(picture_bytes() if content is None else content)
    return folder / name


def zipped(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def work(
    uploads: Sequence[Path],
    studio: Studio,
    files: Files,
    asked: Sequence[Request] = (FEMALE,),
    strength: float = 1.0,
) -> tuple[list[Result], zipfile.ZipFile | None, list[str]]:
    with Batch(uploads, asked, strength, studio, files) as batch:
        results = list(batch.run(lambda: False))
        assert batch.done == batch.total
        path = batch.finish()
    return results, zipfile.ZipFile(path) if path else None, batch.notes


def rows(archive: zipfile.ZipFile) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(archive.read(TABLE_NAME).decode("utf-8-sig"))))


def test_every_photo_in_every_translation_in_its_own_size_and_form(
    tmp_path: Path, studio: Studio, files: Files
) -> None:
    uploads = [photo(tmp_path, "a.jpg"), photo(tmp_path, "b.png", picture_bytes("png", low=120, size=(200, 150)))]
    results, archive, notes = work(uploads, studio, files, (FEMALE, MALE))
    assert [(r.photo, r.words) for r in results] == [
        ("a.jpg", "To female"),
        ("a.jpg", "To male"),
        ("b.png", "To female"),
        ("b.png", "To male"),
    ]
    assert not any(r.problem for r in results)
    assert notes == []
    assert archive is not None
    names = ["a-to-female.jpg", "a-to-male.jpg", "b-to-female.png", "b-to-male.png"]
    assert archive.namelist() == [*names, TABLE_NAME]
    assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    for name, upload in zip(names, [uploads[0]] * 2 + [uploads[1]] * 2, strict=True):
        before, after = images.load(upload), images.load(archive.read(name))
        assert before.shape == after.shape
        assert np.abs(before.astype(int) - after).mean() > 1
    for result in results:
        assert result.before
        assert result.after
        assert images.load(Path(result.before)).shape == images.load(Path(result.after)).shape


def test_results_say_that_they_are_altered(tmp_path: Path, studio: Studio, files: Files) -> None:
    upload = photo(tmp_path, "a.jpg")
    _, archive, _ = work([upload], studio, files)
    assert archive is not None
    with Image.open(archive.open("a-to-female.jpg")) as made:
        assert made.getexif()[0x010E] == "AI-altered (tiny: to female)"
    _, archive, _ = work([upload], studio, files, strength=0.0)
    assert archive is not None
    with Image.open(archive.open("a-to-female.jpg")) as same:
        assert not same.getexif()


def test_table_says_what_was_found(tmp_path: Path, studio: Studio, files: Files) -> None:
    dark = picture_bytes(low=5)
    _, archive, _ = work([photo(tmp_path, "a.jpg"), photo(tmp_path, "dark.jpg", dark)], studio, files)
    assert archive is not None
    found, missing = rows(archive)
    assert found["file"] == "a.jpg"
    assert [found[key] for key in ("face", "left", "top", "right", "bottom", "score")] == [
        "1",
        "30.0",
        "20.0",
        "130.0",
        "120.0",
        "0.999",
    ]
    assert float(found["left_eye_x"]) == pytest.approx(30 + 100 * TIGHT_TEMPLATE[0][0], abs=0.06)
    assert float(found["mouth_right_y"]) == pytest.approx(20 + 100 * TIGHT_TEMPLATE[4][1], abs=0.06)
    assert (found["direction"], found["result"], found["problem"]) == ("To female", "a-to-female.jpg", "")
    assert (missing["file"], missing["face"], missing["result"], missing["problem"]) == (
        "dark.jpg",
        "",
        "",
        say("no_face"),
    )


def test_real_photograph_with_two_faces(translator: FaceTranslator, files: Files) -> None:
    results, archive, _ = work([EXAMPLES / "two_people.jpg"], Studio({"tiny": translator}), files)
    assert archive is not None
    assert [row["face"] for row in rows(archive)] == ["1", "2"]
    assert results[0].problem is None


def test_bad_files_do_not_stop_the_rest(tmp_path: Path, studio: Studio, files: Files) -> None:
    uploads = [
        photo(tmp_path, "cut.jpg", picture_bytes()[:300]),
        photo(tmp_path, "words.txt", b"hello"),
        photo(tmp_path, "broken.zip", b"PK\3\4 and no more"),
        tmp_path / "gone.jpg",
        photo(tmp_path, "good.jpg"),
    ]
    results, archive, _ = work(uploads, studio, files, (FEMALE, MALE))
    problems = {r.photo: r.problem for r in results}
    assert problems["good.jpg"] is None
    assert "damaged or cut short" in str(problems["cut.jpg"])
    assert "not a picture" in str(problems["words.txt"])
    assert "damaged, or no ZIP" in str(problems["broken.zip"])
    assert "deleted here in the meantime" in str(problems["gone.jpg"])
    assert not any(str(tmp_path) in str(problem) for problem in problems.values())
    assert archive is not None
    assert {row["file"]: row["problem"] for row in rows(archive)} == {n: p or "" for n, p in problems.items()}


def test_error_that_nobody_foresaw_stops_one_photo_alone(
    tmp_path: Path, studio: Studio, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(FaceInBright):
        def detect(self, picture: NDArray[np.uint8]) -> list[Face]:
            if picture.shape[1] == 200:
                raise RuntimeError(uploads[0].name)
            return super().detect(picture)

    uploads = [photo(tmp_path, "secret.jpg", picture_bytes(size=(200, 140))), photo(tmp_path, "good.jpg")]
    results, _, _ = work(uploads, Studio(studio.translators, Failing()), files)
    assert results[0].problem == "Something went wrong with this photo. Try it again, or try another one."
    assert results[1].problem is None
    logged = capsys.readouterr().err
    assert "RuntimeError" in logged
    assert "secret" not in logged


def test_nothing_made_leaves_no_zip(tmp_path: Path, studio: Studio, files: Files) -> None:
    results, archive, _ = work([photo(tmp_path, "dark.jpg", picture_bytes(low=5))], studio, files)
    assert archive is None
    assert results[0].before
    assert not list(files.folder.rglob("*.zip"))


def test_only_what_is_shown_and_the_zip_stay_behind(tmp_path: Path, studio: Studio, files: Files) -> None:
    packed = zipped(tmp_path / "p.zip", {"a.jpg": picture_bytes(), "b.jpg": picture_bytes(low=100)})
    work([packed], studio, files)
    left = sorted(path.name for path in files.folder.rglob("*") if path.is_file())
    assert left == ["after.jpg", "after.jpg", "before.jpg", "before.jpg", "face-translation.zip"]


def test_stopping_keeps_what_is_made(tmp_path: Path, studio: Studio, files: Files) -> None:
    uploads = [photo(tmp_path, f"{i}.jpg") for i in range(5)]
    stop = threading.Event()
    with Batch(uploads, [FEMALE], 1.0, studio, files) as batch:
        for _ in batch.run(stop.is_set):
            if batch.done == 2:
                stop.set()
        path = batch.finish()
    assert path is not None
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["0-to-female.jpg", "1-to-female.jpg", TABLE_NAME]
    assert batch.notes == ["Stopped. 3 photos were not translated."]


def test_time_for_one_go_ends(tmp_path: Path, studio: Studio, files: Files) -> None:
    with Batch([photo(tmp_path, "a.jpg")], [FEMALE], 1.0, studio, files, seconds=-1) as batch:
        assert list(batch.run(lambda: False)) == []
        assert batch.finish() is None
    assert batch.notes == ["The time for one go is up. 1 photo was not translated."]


def test_unknown_translation_is_refused_at_once(tmp_path: Path, studio: Studio, files: Files) -> None:
    with pytest.raises(TranslationError, match="no direction"):
        Batch([photo(tmp_path, "a.jpg")], [Request("?", "to_cat")], 1.0, studio, files)


def test_no_more_than_fifty(tmp_path: Path, studio: Studio, files: Files) -> None:
    content = picture_bytes()
    packed = zipped(tmp_path / "p.zip", {f"{i}.jpg": content for i in range(MOST_PHOTOS)})
    with Batch([photo(tmp_path, "a.jpg"), packed], [FEMALE, MALE], 1.0, studio, files) as batch:
        assert (batch.photos, batch.total) == (MOST_PHOTOS, 2 * MOST_PHOTOS)
    assert batch.notes == ["The first 50 photos are taken; 1 more is left out: send the rest afterwards."]


def test_names_are_kept_apart_and_harmless(tmp_path: Path, studio: Studio, files: Files) -> None:
    content = picture_bytes()
    names = ["one/a.jpg", "two/a.jpg", "A.JPG", "../../../up.jpg", "/srv/abs.jpg", "c:\\win\\x.jpg", "Zoë?.jpg"]
    packed = zipped(tmp_path / "p.zip", dict.fromkeys(names, content))
    before = {path for path in tmp_path.rglob("*") if files.folder not in path.parents}
    results, archive, _ = work([packed], studio, files)
    assert archive is not None
    assert [r.problem for r in results] == [None] * len(names)
    assert archive.namelist()[:-1] == [
        "a-to-female.jpg",
        "a-to-female-2.jpg",
        "A-to-female-3.jpg",
        "up-to-female.jpg",
        "abs-to-female.jpg",
        "x-to-female.jpg",
        "Zoë_-to-female.jpg",
    ]
    assert {path for path in tmp_path.rglob("*") if files.folder not in path.parents} - {files.folder} == before


def test_what_is_no_picture_is_skipped_and_counted(tmp_path: Path, studio: Studio, files: Files) -> None:
    content = picture_bytes()
    packed = zipped(
        tmp_path / "p.zip",
        {
            "trip/": b"",
            "trip/a.jpg": content,
            "__MACOSX/trip/._a.jpg": b"x",
            ".hidden/b.jpg": content,
            ".c.jpg": content,
            "notes.txt": b"x",
            "inner.zip": zipped(tmp_path / "q.zip", {"d.jpg": content}).read_bytes(),
        },
    )
    results, _, notes = work([packed], studio, files)
    assert [r.photo for r in results] == ["a.jpg"]
    assert notes == ["5 files in the ZIP were skipped: hidden, or no picture."]


def test_damaged_picture_in_a_zip_does_not_stop_the_rest(tmp_path: Path, studio: Studio, files: Files) -> None:
    content = picture_bytes("png")
    packed = zipped(tmp_path / "p.zip", {"a.png": content, "b.png": content}, zipfile.ZIP_STORED)
    data = bytearray(packed.read_bytes())
    data[data.index(content) + 500] ^= 0xFF
    packed.write_bytes(bytes(data))
    results, _, _ = work([packed], studio, files)
    assert results[0].problem == "a.png is damaged within p.zip: make the ZIP anew."
    assert results[1].problem is None


def test_zip_that_grows_too_large_ends_the_work(
    tmp_path: Path, studio: Studio, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_module, "MAX_RESULT_BYTES", 1000)
    with Batch([photo(tmp_path, f"{i}.jpg") for i in range(3)], [FEMALE], 1.0, studio, files) as batch:
        results = list(batch.run(lambda: False))
        path = batch.finish()
    assert len(results) == 1
    assert batch.notes == ["The ZIP has reached 0 GB. 2 photos were not translated."]
    with zipfile.ZipFile(str(path)) as archive:
        assert archive.namelist() == ["0-to-female.jpg", TABLE_NAME]


def test_an_animation_is_translated_whole(studio: Studio, files: Files, tmp_path: Path) -> None:
    frames = [Image.open(io.BytesIO(picture_bytes("png", low=low))) for low in (10, 90, 110)]
    frames[0].save(tmp_path / "wave.gif", save_all=True, append_images=frames[1:], duration=90, loop=0)
    results, archive, notes = work([tmp_path / "wave.gif"], studio, files)
    assert [result.problem for result in results] == [None]
    assert notes == [], "no frame is left out"
    assert archive is not None
    assert sorted(archive.namelist()) == [TABLE_NAME, "wave-to-female.webp"]
    animation = images.load_animation(archive.read("wave-to-female.webp"))
    assert animation is not None
    assert [frame.milliseconds for frame in animation.read()] == [90, 90, 90]
    assert results[0].after is not None
    assert images.load_animation(Path(results[0].after)) is not None, "the card moves as well"

    dark = [Image.new("RGB", (90, 90), colour) for colour in ("black", "navy")]
    dark[0].save(tmp_path / "dark.gif", save_all=True, append_images=dark[1:])
    results, archive, _ = work([tmp_path / "dark.gif"], studio, files)
    assert [result.problem for result in results] == [say("no_face")]
    assert archive is None
