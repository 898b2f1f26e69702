"""The set-up keeps its promises: exact versions, no address of any machine, and a sentence where it cannot go on.

A second installation would take minutes, so the script runs here against a Python that only notes what it is asked.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from tests import ROOT

# Stands for Python and for the one in .venv: it makes a .venv, notes what pip is asked for, and fails on request.
FAKE_PYTHON = """#!/usr/bin/env bash
case "$*" in
    --version) echo "Python 3.11.99" ;;
    *"%d.%d"*) echo "${FAKE_VERSION:-3.11}"; exit "${FAKE_TOO_OLD:-0}" ;;
    *ensurepip*) exit "${FAKE_NO_VENV:-0}" ;;
    "-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip"*)
        echo "$*" >>pip-calls
        echo "Installing collected packages: all of them"
        [ -z "${FAKE_HANG:-}" ] || exec sleep "$FAKE_HANG"
        [ -z "${FAKE_PIP:-}" ] || { echo "$FAKE_PIP"; exit 7; }
        ;;
    "-m playwright"*) echo "no browser to be had"; exit 1 ;;
    "-") exit 1 ;;
    app.py) echo "port $GRADIO_SERVER_PORT" ;;
esac
"""

SetUp = Callable[..., subprocess.CompletedProcess[str]]


LISTS = ("requirements.txt", "requirements-train.txt", "requirements-dev.txt")


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and line[0] not in "#-"]
    return dict(line.split("==") for line in lines)


def tracked_files() -> list[Path]:
    listing = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this folder is no git work tree, so nothing says which files belong to it")
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the set-up alone, in a folder with a space in its name, beside the fake Python."""
    folder = tmp_path / "the project"
    (folder / "scripts").mkdir(parents=True)
    for name in (*LISTS, "pyproject.toml", "scripts/setup.sh", "Makefile"):
        shutil.copy(ROOT / name, folder / name)
    fake = tmp_path / "fake-python"
    fake.write_text(FAKE_PYTHON)
    fake.chmod(0o755)
    return folder


@pytest.fixture
def set_up(copy: Path) -> SetUp:
    def run(purpose: str = "demo", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "scripts/setup.sh", purpose],
            cwd=copy,
            env=os.environ | {"PYTHON": str(copy.parent / "fake-python")} | environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )

    return run


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs make as if from a terminal, also where these tests themselves were started by make."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


def pip_calls(copy: Path) -> list[str]:
    calls = copy / "pip-calls"
    return calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize("name", LISTS)
def test_every_requirement_is_pinned_and_is_the_version_installed_here(name: str) -> None:
    for line in (ROOT / name).read_text().splitlines():
        assert line.startswith(("#", "-r ")) or re.fullmatch(r"[a-z][\w-]+==\d+(\.\d+)+", line), line
    # A CPU build of torch calls itself 2.13.0+cpu.
    assert {package: version(package).partition("+")[0] for package in pins(name)} == pins(name)


def test_versions_that_only_work_together() -> None:
    wanted = pins("requirements.txt")
    assert wanted["opencv-python"] == wanted["opencv-python-headless"]
    assert wanted["opencv-python"].startswith("4."), "facexlib was tried with OpenCV 4 alone"
    assert (wanted["torch"], wanted["torchvision"]) == ("2.13.0", "0.28.0")


def test_a_space_gets_the_libraries_that_opencv_loads() -> None:
    assert (ROOT / "packages.txt").read_text().split("\n") == ["libgl1", "libglib2.0-0", ""]


def test_no_package_index_and_no_path_of_one_machine() -> None:
    index = r"index-url|find-links|trusted-host|//[\w.-]*(?:pypi|pythonhosted|npmjs)|/whl/"
    machine = r"(?<![\w.~}$)/])/(?:work|root|home|opt|Users)/\w"
    forbidden = re.compile(f"{index}|{machine}".encode())
    hits = []
    for path in tracked_files():
        content = path.read_bytes()
        if path == Path(__file__).resolve() or b"\0" in content:
            continue
        hits += [f"{path.relative_to(ROOT)}: {hit.group().decode()}" for hit in forbidden.finditer(content)]
    assert hits == []


def test_make_help_names_every_target() -> None:
    helped = make(ROOT).stdout
    targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert targets is not None
    assert [line.split()[:2] for line in helped.splitlines()] == [["make", name] for name in targets[1].split()]


def test_ci_can_be_run() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "make test" in (ROOT / ".ci/run").read_text()


def test_first_run_installs_and_lays_the_headless_opencv_last(copy: Path, set_up: SetUp) -> None:
    ran = set_up()
    assert ran.returncode == 0, ran.stderr
    assert "about" in ran.stdout or "minutes" in ran.stdout, "it says how long it takes"
    everything, headless, editable = pip_calls(copy)
    assert everything.endswith("-r requirements.txt")
    headless_pin = pins("requirements.txt")["opencv-python-headless"]
    assert headless.endswith(f"--force-reinstall --no-deps opencv-python-headless=={headless_pin}")
    assert editable.endswith("--no-deps -e .")


@pytest.mark.medium
def test_second_run_does_nothing_until_a_requirement_changes(copy: Path, set_up: SetUp) -> None:
    set_up()
    before = pip_calls(copy)
    again = set_up()
    assert (again.returncode, again.stdout) == (0, "")
    assert pip_calls(copy) == before
    with (copy / "requirements.txt").open("a") as requirements:
        requirements.write("six==1.16.0\n")
    assert "Removing" not in set_up().stdout
    assert len(pip_calls(copy)) == 2 * len(before)


@pytest.mark.medium
def test_tools_for_the_tests_come_on_top(copy: Path, set_up: SetUp) -> None:
    set_up("demo")
    assert set_up("lint").returncode == 0
    assert pip_calls(copy)[3].endswith("-r requirements-dev.txt")
    assert set_up("training").returncode == 0
    assert pip_calls(copy)[6].endswith("-r requirements-train.txt")
    assert set_up("demo").stdout == ""


def test_interrupted_installation_is_made_anew(copy: Path, set_up: SetUp) -> None:
    def interrupted() -> subprocess.Popen[str]:
        environment = os.environ | {"PYTHON": str(copy.parent / "fake-python"), "FAKE_HANG": "30"}
        command = ["bash", "scripts/setup.sh", "demo"]
        return subprocess.Popen(command, cwd=copy, env=environment, stdout=subprocess.PIPE, text=True)

    with interrupted() as process:
        assert process.stdout is not None
        assert any("Installing" in line for line in process.stdout)
        (copy / ".venv/half-written").touch()
        process.terminate()
        assert process.wait(timeout=10) != 0
    repaired = set_up()
    assert repaired.returncode == 0, repaired.stderr
    assert "Removing .venv: the last installation was interrupted." in repaired.stdout
    assert not (copy / ".venv/half-written").exists()
    assert set_up().stdout == ""


@pytest.mark.medium
def test_failed_installation_shows_why_and_is_not_taken_for_done(copy: Path, set_up: SetUp) -> None:
    failed = set_up(FAKE_PIP="ERROR: No space left on device")
    assert failed.returncode != 0
    assert "ERROR: No space left on device" in failed.stderr
    assert "requirements.txt could not be installed" in failed.stderr
    assert len(failed.stderr.splitlines()) < 20
    assert set_up().returncode == 0


@pytest.mark.medium
def test_moved_folder_and_vanished_python_are_made_anew(copy: Path, set_up: SetUp) -> None:
    set_up()
    (copy / ".venv/bin/python").unlink()
    assert "Removing .venv: its Python is gone or older than 3.11." in set_up().stdout
    (copy / ".venv/made-in").write_text("/somewhere/else\n")
    assert "Removing .venv: this folder was moved." in set_up().stdout
    assert set_up().stdout == ""


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"FAKE_VERSION": "3.10", "FAKE_TOO_OLD": "1"}, "sudo apt-get install python3.11-venv"),
        ({"FAKE_VERSION": "3.12", "FAKE_NO_VENV": "1"}, "sudo apt-get install python3.12-venv"),
        ({"PYTHON": "no-such-python"}, "No Python 3.11 or newer was found as 'no-such-python'"),
    ],
)
def test_unfit_python_gets_a_sentence(copy: Path, set_up: SetUp, environment: dict[str, str], sentence: str) -> None:
    ran = set_up(**environment)
    assert ran.returncode != 0
    assert sentence in ran.stderr
    assert len(ran.stderr.split("\n")) == 3, "one sentence, no traceback"
    assert not (copy / ".venv").exists()


def test_failure_of_the_set_up_stops_make(copy: Path) -> None:
    ran = make(copy, "demo", "PYTHON=no-such-python")
    assert ran.returncode != 0
    assert "No Python 3.11 or newer" in ran.stderr
    assert "Starting" not in ran.stdout


def test_demo_starts_the_page_at_the_port_asked_for(copy: Path) -> None:
    ran = make(copy, "demo", "PORT=7861", f"PYTHON={copy.parent / 'fake-python'}")
    assert ran.returncode == 0, ran.stderr
    starting, port = ran.stdout.splitlines()[-2:]
    assert "http://127.0.0.1:7861" in starting
    assert port == "port 7861"


@pytest.mark.medium
@pytest.mark.parametrize("apt_brings_it", [True, False])
def test_chromium_is_installed_or_asked_for(copy: Path, set_up: SetUp, tmp_path: Path, apt_brings_it: bool) -> None:
    bin_folder = tmp_path / "bin"  # the only programs on PATH, so that a browser of this machine is not found
    bin_folder.mkdir()
    needed = "bash cat cp cut dirname env flock grep ln mkdir mktemp rm sed sleep tail touch true"
    for program in filter(None, map(shutil.which, needed.split(" "))):
        (bin_folder / Path(program).name).symlink_to(program)
    apt = f"cd '{tmp_path}'; echo \"$*\" >>apt-calls"
    if apt_brings_it:
        apt += "; [ $1 = update ] || ln -s true bin/chromium"
    for name, script in {"id": "echo 0", "apt-get": apt}.items():
        (bin_folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_folder / name).chmod(0o755)
    ran = set_up("test", PATH=str(bin_folder))
    asked = (tmp_path / "apt-calls").read_text().splitlines()
    assert asked[0] == "update"
    assert re.search("^install -y .*chromium", asked[1])
    if apt_brings_it:
        assert ran.returncode == 0, ran.stderr
    else:
        assert ran.returncode != 0
        assert "no browser to be had" in ran.stderr
        assert "sudo apt-get install chromium" in ran.stderr


def test_a_port_that_is_no_number_is_a_sentence() -> None:
    settings = {**os.environ, "GRADIO_SERVER_PORT": "abc"}
    run = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=settings, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "GRADIO_SERVER_PORT must be the number of a port, such as 7860.\n"
