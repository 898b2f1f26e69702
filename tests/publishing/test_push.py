"""Pushes with the real client to a server on loopback that speaks the Hub's protocol and may misbehave."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cyclegan_core import FaceTranslator, images
from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.translation import Translation, build_generator
from tests import ROOT
from tests.support.push_hub import Fault, PushHub, give_token, serving_pushes
from train.publishing import hub_calls, push

CARD_AND_SHEETS = {"README.md", "sheet.jpg", "photographs.jpg"}
FILES = {"config.json", "model.safetensors", *CARD_AND_SHEETS, "samples/1.jpg", "samples/2.jpg"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PushHub]:
    monkeypatch.setattr(hub_calls, "WAITS", (0.05, 0.05, 0.05))
    with serving_pushes(tmp_path / "cache", monkeypatch) as served:
        yield served


@pytest.fixture
def run(tiny_translation: Path, tmp_path: Path) -> Path:
    """The folder of a run with a translation and two sheets of snapshots."""
    folder = tmp_path / "run"
    shutil.copytree(tiny_translation, folder / "translation")
    for number in (8, 16):
        images.save(np.full((32, 64, 3), number, np.uint8), folder / f"samples_{number:08d}.png")
    images.save(np.full((8, 8, 3), 9, np.uint8), folder / "translation" / "photographs.jpg")
    (folder / "checkpoint.pt").write_bytes(b"not for others")
    return folder


def push_run(run: Path, repo: str = "alice/mine", **how: bool | str) -> str:
    return push.push(run / "translation", repo, run=run, **how)  # type: ignore[arg-type]


@pytest.mark.medium
def test_one_commit_holds_all_that_others_need_and_is_read_back(hub: PushHub, run: Path) -> None:
    url = push_run(run)
    assert hub.commits("alice/mine") == 1
    files = hub.files("alice/mine")
    assert set(files) == FILES | {".gitattributes"}
    assert files["model.safetensors"] == (run / "translation" / "model.safetensors").read_bytes()
    commit = url.rpartition("/")[2]
    assert url == f"{hub.address}/alice/mine/commit/{commit}"
    card = files["README.md"].decode()
    assert card.startswith("---\n")
    assert 'from_pretrained("alice/mine")' in card
    assert "(sheet.jpg)" in card

    read = Translation.from_pretrained("alice/mine", revision=commit)
    assert read.config == Translation.load(run / "translation").config
    assert read.card is not None
    assert read.card.read_text() == card
    translator = FaceTranslator.from_pretrained("alice/mine", revision="main")
    assert translator.config.name == "tiny"


@pytest.mark.medium
def test_a_second_push_of_the_same_makes_no_commit_and_one_of_more_training_does(hub: PushHub, run: Path) -> None:
    first = push_run(run)
    assert push_run(run) == first
    assert hub.commits("alice/mine") == 1
    images.save(np.full((32, 64, 3), 24, np.uint8), run / "samples_00000024.png")
    assert push_run(run) != first
    assert hub.commits("alice/mine") == 2
    assert len(hub.sent) == 1  # the weights were there
    assert "samples/3.jpg" in hub.files("alice/mine")


def test_a_card_by_a_person_stays(hub: PushHub, run: Path) -> None:
    words = "---\nlicense: mit\n---\n# Mine\n"
    (run / "translation" / "README.md").write_text(words)
    push_run(run)
    assert hub.files("alice/mine")["README.md"].decode() == words


def test_a_new_repository_is_private_where_that_is_asked(hub: PushHub, run: Path) -> None:
    push_run(run, private=True)
    assert hub.repositories["alice/mine"].private
    hub.make("alice/seen")
    with pytest.raises(CycleganError, match="everybody can see it: make it private"):
        push_run(run, "alice/seen", private=True)
    assert hub.commits("alice/seen") == 0


def test_a_branch_is_made_and_main_stays(hub: PushHub, run: Path) -> None:
    push_run(run, revision="v2")
    assert hub.commits("alice/mine") == 0
    assert hub.commits("alice/mine", "v2") == 1
    assert Translation.from_pretrained("alice/mine", revision="v2").config.name == "tiny"


def test_a_proposal_to_somebody_elses_repository_is_made_once(
    hub: PushHub, run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.make("alice/mine")
    give_token(monkeypatch, tmp_path, "guest")
    hub.faults = [Fault("POST .*/commit/", lost=True)]
    url = push_run(run, create_pr=True)
    assert url.endswith("/alice/mine/discussions/1")
    assert push_run(run, create_pr=True) == url
    proposed = hub.repositories["alice/mine"].proposals
    assert len(proposed) == 1
    assert set(proposed[0][1]) >= FILES
    assert hub.commits("alice/mine") == 0


@pytest.mark.medium
@pytest.mark.parametrize(
    "where",
    ["whoami", "repos/create", "validate-yaml", "preupload", "objects/batch", "PUT /blobs", "POST /verify", "/commit/"],
)
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "headers": {"Retry-After": "0"}}, {"lost": True}])
def test_what_goes_wrong_once_is_tried_again(hub: PushHub, run: Path, where: str, fault: dict) -> None:
    hub.faults = [Fault(where, **fault)]
    assert "/commit/" in push_run(run)
    assert hub.faults[0].times == 0
    assert hub.commits("alice/mine") == 1  # also where the first one's answer was lost


@pytest.mark.medium
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("PUT /blobs", 99, status=500), r"the Hub is in trouble \(status 500\)"),
        (Fault("/commit/", 99, status=429), "asks for a pause"),
        (Fault("preupload", 99, status=429, headers={"Retry-After": "3600"}), "asks to wait 3600 s"),
        (Fault("/commit/", 99, status=403), "the token may not write to alice/mine"),
        (Fault("/commit/", 99, status=413), "too large"),
        (Fault("whoami", 99, cut=True), "cannot be reached"),
        (Fault("validate-yaml", 99, status=400), "front matter of README.md"),
    ],
)
def test_what_stays_wrong_is_a_sentence_that_says_how_to_finish(
    hub: PushHub, run: Path, fault: Fault, says: str
) -> None:
    hub.faults = [fault]
    with pytest.raises(CycleganError, match=says) as caught:
        push_run(run)
    told = str(caught.value)
    assert told.endswith(f"finish later with: python train/run.py --push-only {run}")
    assert "http" not in told
    assert "writes" not in told  # the token
    assert "\n" not in told
    assert 99 - fault.times <= 4
    hub.faults = []
    assert "/commit/" in push.push_only(run)
    assert hub.commits("alice/mine") == 1


@pytest.mark.parametrize(
    ("token", "repo", "says"),
    [
        (None, "alice/mine", "no Hub token is found"),
        ("reads", "alice/mine", "can only read"),
        ("unknown", "alice/mine", "does not know the token"),
        ("guest", "alice/mine", "may not write to alice/mine"),
    ],
)
def test_a_token_that_will_not_do_is_a_sentence(
    hub: PushHub, run: Path, token: str | None, repo: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    give_token(monkeypatch, tmp_path, token)
    with pytest.raises(CycleganError, match=says):
        push_run(run, repo)
    assert not hub.repositories
    with pytest.raises(CycleganError, match=says if token != "guest" else "alice is another account"):
        push.check_access(repo)
    give_token(monkeypatch, tmp_path, "writes")
    assert "/commit/" in push.push_only(run)


def test_a_name_that_is_taken_by_something_else_is_refused(hub: PushHub, run: Path) -> None:
    hub.make("alice/words", config__json=b'{"model_type": "bert"}', weights__bin=b"x")
    with pytest.raises(CycleganError, match=r"the name alice/words is taken by .* \(config.json, weights.bin\)"):
        push_run(run, "alice/words")
    with pytest.raises(CycleganError, match="taken"):
        push.check_access("alice/words")
    assert hub.commits("alice/words") == 1


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"repo": "mine"}, "looks like user/name"),
        ({"revision": "0123456789abcdef0123456789abcdef01234567"}, "not a name for a branch"),
        ({"revision": "../x"}, "not a name for a branch"),
        ({"revision": "v2", "create_pr": True}, "a pull request goes to main"),
    ],
)
def test_a_request_that_makes_no_sense_asks_nobody(hub: PushHub, run: Path, how: dict, says: str) -> None:
    with pytest.raises(CycleganError, match=says):
        push_run(run, **how)
    assert not hub.asked


def test_asking_for_access_changes_nothing(hub: PushHub, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "alice will make it" in push.check_access("alice/mine")
    assert "alice will make it" in push.check_access("org/mine")
    assert not hub.repositories
    push_run(run)
    assert push.main([str(run / "translation"), "alice/mine", "--check"]) == 0
    assert "alice may write to it" in capsys.readouterr().out
    assert hub.commits("alice/mine") == 1


def test_the_command_line(hub: PushHub, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert push.main([str(run / "translation"), "alice/mine", "--revision", "v2"]) == 0
    assert capsys.readouterr().out.startswith(f"Pushed: {hub.address}/alice/mine/commit/")
    assert push.main([str(run), "alice/mine"]) == 1
    assert capsys.readouterr().err == "error: run holds no config.json: it is not a translation\n"


def test_a_run_that_remembers_no_push_says_so(run: Path) -> None:
    with pytest.raises(CycleganError, match="remembers no push"):
        push.push_only(run)
    push.remember(run, push.Request("alice/mine"))
    shutil.rmtree(run / "translation")
    with pytest.raises(CycleganError, match="has trained nothing yet"):
        push.push_only(run)
    (run / "push.json").write_text('{"repository": 1}')
    with pytest.raises(CycleganError, match="cannot be read"):
        push.push_only(run)


def test_a_run_that_was_killed_in_training_is_pushed_as_far_as_it_came(hub: PushHub, run: Path) -> None:
    push.remember(run, push.Request("alice/mine", private=True))
    best = Translation.load(run / "translation")
    best.config.training["pictures"] = 7
    best.save(run / "best")
    assert "/commit/" in push.push_only(run)
    assert hub.titles[0].startswith("tiny after 7 pictures")
    assert hub.repositories["alice/mine"].private
    assert json.loads((run / "push.json").read_text())["pushed"].startswith(hub.address)


@pytest.mark.medium
def test_a_slow_server_is_waited_for(hub: PushHub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_calls, "SILENCE", 0.5)
    _enlarge(run, 400_000)
    hub.faults = [Fault("PUT", pause=0.05)]  # longer than the limit of silence altogether
    began = time.monotonic()
    push_run(run)
    assert time.monotonic() - began > 1
    assert len(hub.sent) == 1


def test_a_server_that_falls_silent_is_given_up(hub: PushHub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_calls, "SILENCE", 0.2)
    monkeypatch.setattr(hub_calls, "WAITS", (0.05,))
    hub.faults = [Fault("repos/create", 99, pause=2)]
    with pytest.raises(CycleganError, match="cannot be reached or fell silent"):
        push_run(run)


def test_a_push_that_is_killed_half_way_is_finished_by_the_next(hub: PushHub, run: Path) -> None:
    _enlarge(run, 400_000)
    hub.faults = [Fault("PUT", pause=0.2)]
    code = "import sys; from pathlib import Path; from train.publishing.push import push; run = Path(sys.argv[1])\n"
    code += "push(run / 'translation', 'alice/mine', run=run)"
    environment = {**os.environ, "HF_ENDPOINT": hub.address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(run / "home")}
    environment["OMP_NUM_THREADS"] = "1"
    command = [sys.executable, "-c", code, str(run)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert hub.receiving.wait(60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert hub.commits("alice/mine") == 0
    assert not hub.sent
    assert "/commit/" in push.push_only(run)
    assert hub.commits("alice/mine") == 1
    assert Translation.from_pretrained("alice/mine").config.name == "tiny"


@pytest.mark.medium
def test_a_server_that_knows_less_than_the_hub_does(hub: PushHub, run: Path) -> None:
    """Ours may be asked for what only the real one has: who the token belongs to, what a repository holds."""
    hub.faults = [Fault("whoami", 99, status=404), Fault("GET /api/models/alice/mine$", 99, status=404)]
    assert "/commit/" in push_run(run)
    assert push_run(run, create_pr=True)
    assert hub.commits("alice/mine") == 1


def test_what_is_broken_is_not_pushed(hub: PushHub, run: Path) -> None:
    weights = run / "translation" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(CycleganError, match="damaged or cut off"):
        push_run(run)
    assert not hub.asked


def _enlarge(run: Path, least: int) -> None:
    """Makes the weights of a run large enough to be on their way for a while."""
    folder = run / "translation"
    translation = Translation.load(folder)
    translation.config.generator_arguments["channels"] = 40
    translation.generators = {d: build_generator(translation.config) for d in translation.generators}
    translation.save(folder)
    assert (folder / "model.safetensors").stat().st_size > least
