"""Temporary files: when they are deleted, and when not."""

import os
import time
from pathlib import Path

import gradio as gr
import pytest
from gradio.route_utils import delete_files_created_by_app

from demo.context import PageContext
from demo.server.files import Files
from demo.server.long_work import LongWork
from demo.tabs.gallery.tab import GalleryActions
from demo.tabs.video.tab import VideoActions


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "files")


def upload(files: Files, name: str) -> Path:
    path = files.new(name)
    path.write_bytes(b"x")
    return path


def test_old_files_and_folders_are_deleted(files: Files) -> None:
    photo, aborted = upload(files, "photo.jpg"), files.folder / "unfinished"
    aborted.write_bytes(b"x")
    files.sweep(60)
    assert photo.exists()
    for left in ([photo.parent], []):  # a folder is as old as its emptiness: something may be about to be written to it
        time.sleep(0.1)
        files.sweep(0.05)
        assert list(files.folder.iterdir()) == left


def test_protected_files_outlive_their_age_until_they_are_released(files: Files) -> None:
    work, waiting, other = LongWork(), upload(files, "waiting.mp4"), upload(files, "other.mp4")
    files.protect(work, [waiting])
    time.sleep(0.1)
    files.sweep(0.05)
    assert waiting.exists()
    assert not other.exists()
    files.release(work)
    time.sleep(0.1)
    files.sweep(0.05)
    assert not waiting.exists()


def test_files_of_a_visitor_who_left_are_no_longer_protected(files: Files) -> None:
    work, waiting = LongWork(), upload(files, "waiting.mp4")
    files.protect(work, [waiting])
    del work
    time.sleep(0.1)
    files.sweep(0.05)
    assert not waiting.exists()


@pytest.mark.medium
def test_gradios_own_clean_up_spares_protected_files(files: Files) -> None:
    with gr.Blocks() as page:
        pass
    work, waiting, other = LongWork(), upload(files, "waiting.mp4"), upload(files, "other.mp4")
    page.upload_file_set.update({str(waiting), str(other)})
    files.protect(work, [waiting])
    time.sleep(1.1)
    files.sweep(60)
    delete_files_created_by_app(page, 1)
    assert waiting.exists()
    assert not other.exists()


def test_uploads_of_the_third_visitor_in_the_queue_are_there_at_their_turn(files: Files) -> None:
    context = PageContext(None, files)
    video, photo = upload(files, "me.mp4"), upload(files, "me.jpg")
    waiting = [
        VideoActions(context).begin([video], None)[0],
        GalleryActions(context).begin([photo], ["gender:to_female"], None)[0],
    ]
    for _ in range(3):  # two others before them, and more
        time.sleep(0.1)
        files.sweep(0.05)
    assert video.exists()
    assert photo.exists()
    assert os.path.getctime(video) > time.time() - 60
    assert all(not work.running for work in waiting)
