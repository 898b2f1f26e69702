"""The Video tab without a browser: limits, progress, cancelling, and what is said."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import gradio as gr
import pytest

from cyclegan_core import images
from cyclegan_core.errors import VideoError
from cyclegan_core.video.translate import VideoReport
from demo.context import PageContext
from demo.languages.phrases import say
from demo.server.files import Files
from demo.server.long_work import LongWork
from demo.tabs.video import limits, tab
from demo.tabs.video.limits import check
from demo.tabs.video.preview import FirstFrame, VideoPreview
from demo.tabs.video.tab import VideoActions, add_video, sentences
from tests.support.registries import offering_gender
from tests.video.test_translate_video import Still, make_video

FEMALE, MALE = "gender:to_female", "gender:to_male"


@pytest.fixture(scope="module")
def context(tiny_translation: Path, tmp_path_factory: pytest.TempPathFactory) -> PageContext:
    return PageContext(offering_gender(tiny_translation, Still()), Files(tmp_path_factory.mktemp("files")))


@pytest.fixture
def actions(context: PageContext, monkeypatch: pytest.MonkeyPatch) -> VideoActions:
    monkeypatch.setattr(tab, "EVERY", 0.01)
    return VideoActions(context)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_video(tmp_path / "me.mp4")


def run(actions: VideoActions, source: Path, work: LongWork | None = None, **others: Any) -> Iterator[tuple[str, Any]]:
    given: dict[str, Any] = {"step": FEMALE, "then": "", "strength": 1.0, "largest_only": False} | others
    return actions.translate([source], work=work or LongWork(), **given)


def path_of(video: Any) -> Path:
    return Path(video.value["path"] if isinstance(video.value, dict) else video.value)


def test_video_comes_out_with_its_sound_and_says_how_far_it_is(actions: VideoActions, clip: Path) -> None:
    steps = list(run(actions, clip, then=MALE))
    assert "<progress" in steps[0][0]
    shares = [int(found[1]) for said, _ in steps if (found := re.search(r">(\d+)%", said))]
    assert shares == sorted(shares)
    said, video = steps[-1]
    assert "Done: 0 s of video, with a face in all frames." in said
    assert video.visible
    assert path_of(video).name == "me-to-female-to-male.mp4"
    with av.open(str(path_of(video))) as made:
        assert made.streams.audio
        assert made.streams.video[0].codec_context.name == "h264"


def test_what_is_missing_is_asked_for(actions: VideoActions, clip: Path) -> None:
    with pytest.raises(gr.Error) as refused:
        actions.begin([], None)
    assert refused.value.message == say("video.first")
    assert isinstance(actions.begin([clip], None)[0], LongWork)
    *_, (said, _) = run(actions, clip, step=None)
    assert "Choose a translation first." in said


def test_one_video_at_a_time(actions: VideoActions, clip: Path) -> None:
    work = LongWork()
    first = iter(run(actions, clip, work))
    next(first)
    with pytest.raises(gr.Error) as refused:
        actions.begin([clip], work)
    assert refused.value.message == say("video.busy")
    ((said, _),) = run(actions, clip, work)
    assert say("video.busy") in said
    assert work.running


@pytest.mark.medium
def test_cancelling_ends_it_and_leaves_nothing(actions: VideoActions, context: PageContext, tmp_path: Path) -> None:
    work = LongWork()
    steps = iter(run(actions, make_video(tmp_path / "cancelled.mp4", 400), work))
    next(steps), next(steps)
    actions.cancel(work)
    *_, (said, video) = steps
    assert "Cancelled. Nothing was kept." in said
    assert getattr(video, "value", None) is None
    assert not [path for path in context.files.folder.rglob("*") if path.is_file() and "me-" not in path.name]


@pytest.mark.medium
def test_leaving_ends_the_work(actions: VideoActions, context: PageContext, tmp_path: Path) -> None:
    steps = iter(run(actions, make_video(tmp_path / "left.mp4", 400)))
    while not list(context.files.folder.rglob("*.part")):
        next(steps)
    del steps
    for _ in range(200):
        if not list(context.files.folder.rglob("*.part")):
            return
        time.sleep(0.05)
    pytest.fail("the translation goes on for nobody")


def test_damaged_file_is_refused_in_a_sentence(actions: VideoActions, tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("no video")
    *_, (said, _) = run(actions, tmp_path / "words.mp4")
    assert "words.mp4 is damaged or cut short, or no video" in said
    assert str(tmp_path) not in said


def test_limits_of_the_page(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(clip)
    with pytest.raises(VideoError, match="deleted here in the meantime"):
        check(tmp_path / "gone.mp4")
    long = make_video(tmp_path / "long.mp4", 2, times=[0, 62_500])
    with pytest.raises(VideoError, match=r"^long.mp4 is 6\d s long, and 60 s is the most here"):
        check(long)
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 1000)
    with pytest.raises(VideoError, match="larger than"):
        check(clip)


def test_video_that_is_longer_than_it_says_is_ended(
    actions: VideoActions, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tab, "MOST_FRAMES", 5)
    *_, (said, _) = run(actions, clip)
    assert "more than 5 frames" in said


def test_video_that_would_take_too_long_is_given_up(
    actions: VideoActions, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tab, "MOST_SECONDS_OF_WORK", 0.0)
    *_, (said, _) = run(actions, clip)
    assert "would take longer than" in said


def test_error_of_the_translation_is_told_without_a_place(
    actions: VideoActions, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("/secret/place")

    monkeypatch.setattr("cyclegan_core.video.translate.translate_video", fail)
    *_, (said, _) = run(actions, clip)
    assert "Something went wrong on this server" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (VideoReport(100, 0, 0, 4.0, True), "No face was found"),
        (VideoReport(100, 40, 0, 4.0, True), "a face in 40% of the frames."),
        (VideoReport(1000, 1, 0, 40.0, True), "a face in a few frames."),
        (VideoReport(100, 100, 1, 4.0, False), "The video has no sound. 1 damaged frame was left out."),
    ],
)
def test_report_in_words(report: VideoReport, words: str) -> None:
    assert words in " ".join(sentences(report))


def test_no_event_is_part_of_the_api(context: PageContext) -> None:
    with gr.Blocks() as page:
        add_video(context)
    assert page.fns
    assert {fn.api_visibility for fn in page.fns.values()} == {"private"}


@pytest.fixture
def preview(context: PageContext) -> VideoPreview:
    return VideoPreview(context, "#steps")


def preview_of(
    preview: VideoPreview, source: Path, known: FirstFrame | None = None, **others: Any
) -> tuple[str, str, FirstFrame]:
    given: dict[str, Any] = {"step": FEMALE, "then": "", "strength": 1.0, "largest_only": False} | others
    shown, cards, frame = preview.show([source], known=known, **given)
    assert frame
    return shown, cards, frame


def sheet_of(shown: str) -> Any:
    found = re.search(r'src="gradio_api/file=([^"]+)"', shown)
    assert found
    assert b"AI-altered (gender" in Path(found[1]).read_bytes()
    return images.load(found[1])


def test_first_frame_is_shown_in_every_direction_before_the_work(
    preview: VideoPreview, context: PageContext, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, cards, frame = preview_of(preview, clip)
    assert say("video.preview") in shown
    assert len(re.findall(r"data:image/jpeg", cards)) == 2
    female = sheet_of(shown)

    def find_again(picture: Any) -> Any:
        raise AssertionError("the video is read once")

    monkeypatch.setattr(context.studio(), "find_faces", find_again)
    other, _, same = preview_of(preview, clip, frame, step=MALE, largest_only=True)
    assert same is frame
    male = sheet_of(other)
    assert male.shape == female.shape
    assert abs(male.astype(int) - female).max() > 20
    assert preview.show([], FEMALE, "", 1.0, False, frame) == ("", "", None), "the video was removed"


def test_preview_says_where_no_face_is_found(
    preview: VideoPreview, context: PageContext, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context.studio(), "find_faces", lambda picture: [])
    shown, cards, _ = preview_of(preview, clip)
    assert say("video.no_face_yet") in shown
    assert cards == ""


def test_preview_refuses_what_the_work_would_refuse(preview: VideoPreview, tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("no video")
    with pytest.raises(gr.Error, match=r"words\.mp4 is damaged or cut short, or no video"):
        preview_of(preview, tmp_path / "words.mp4")
