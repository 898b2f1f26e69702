"""The log of a run: nothing of it is told twice, and a log that cannot be written does not end the run."""

import errno
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cyclegan_core import images
from tests import ROOT
from train.monitoring.logs import LOG_FILE, TENSORBOARD_FOLDER, RunLog

COUNTS = {"minutes": 1.0, "rate": 2.0, "left": 3.0}


def test_what_a_killed_run_did_after_its_checkpoint_is_not_told_twice(tmp_path: Path) -> None:
    log = RunLog(tmp_path, is_main_process=True, pictures=0)
    for pictures in (10, 20, 30):
        log.report({**COUNTS, "pictures": pictures}, {"cycle": 1 / pictures})
    log.close()
    with (tmp_path / LOG_FILE).open("a") as file:
        file.write('{"pictures": 3')  # killed while writing
    RunLog(tmp_path, is_main_process=True, pictures=20).close()
    lines = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert [line["pictures"] for line in lines] == [10, 20]


def test_a_log_of_another_process_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / LOG_FILE).write_text('{"pictures": 30}\n')
    RunLog(tmp_path, is_main_process=False, pictures=20).close()
    assert (tmp_path / LOG_FILE).read_text() == '{"pictures": 30}\n'


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    images.save(np.full((8, 16, 3), 90, np.uint8), tmp_path / "sheet.png")
    return tmp_path / "sheet.png"


def test_tensorboard_shows_the_sheet_as_it_is_in_its_file(tmp_path: Path, sheet: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    log = RunLog(tmp_path, is_main_process=True, pictures=0)
    log.show("samples", sheet, 7)
    log.close()
    (shown,) = reader.EventAccumulator(str(tmp_path / TENSORBOARD_FOLDER)).Reload().Images("samples")
    assert (shown.step, shown.width, shown.height) == (7, 16, 8)
    assert shown.encoded_image_string == sheet.read_bytes()


@pytest.mark.parametrize(
    "call", ["SummaryWriter.add_scalar", "SummaryWriter.flush", "FileWriter.add_summary", "SummaryWriter.close"]
)
def test_a_full_disk_ends_tensorboard_and_not_the_run(
    call: str, sheet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(f"torch.utils.tensorboard.writer.{call}", full)
    log = RunLog(tmp_path, is_main_process=True, pictures=0)
    for pictures in (1, 2):
        log.report({**COUNTS, "pictures": pictures}, {"cycle": 1.0})
        log.show("samples", sheet, pictures)
    log.close()
    said = capsys.readouterr().out
    assert said.count("note: tensorboard cannot be written (No space left on device); the run goes on without it") == 1
    assert len((tmp_path / LOG_FILE).read_text().splitlines()) == 2


def test_the_bar_counts_what_earlier_sessions_did_as_theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """tqdm guesses the time left from what was added since it began."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    log = RunLog(tmp_path, is_main_process=True, pictures=90, progress=0.9)
    assert log._bar is not None
    assert (log._bar.initial, log._bar.n) == (0.9, 0.9)
    log.close()


def test_the_thread_of_tensorboard_shows_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record_writer = pytest.importorskip("tensorboard.summary.writer.record_writer")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    shown: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    log = RunLog(tmp_path, is_main_process=True, pictures=0)
    monkeypatch.setattr(record_writer.RecordWriter, "write", full)
    for pictures in (1, 2):
        log.report({**COUNTS, "pictures": pictures}, {"cycle": 1.0})
    assert shown == []

    def fault() -> None:
        raise OSError("of another thread")

    other = threading.Thread(target=fault)
    other.start()
    other.join()
    log.close()
    assert [str(one.exc_value) for one in shown] == ["of another thread"]


def test_a_reader_that_has_ended_is_no_fault(tmp_path: Path) -> None:
    """Such as `| head`; what waits in the buffer is no fault at the end of the program either."""
    code = "from train.monitoring.logs import say\nfor _ in range(3): say('x' * 100_000)\nsay('here', to_stderr=True)"
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == "here\n"
    assert process.wait(timeout=60) == 0
