"""Pushes a translation to the Hugging Face Hub in one commit: weights, config, model card, sheet and samples.

    python -m train.publishing.push runs/gender/translation user/name [--private] [--revision BRANCH] [--create-pr]
    python -m train.publishing.push runs/gender/translation user/name --check       (asks whether it could)

A run does it by itself with `train/run.py ... --push-to-hub user/name`. What a push that was cut off has already
uploaded is not sent again, and nothing of it is seen by anybody before the commit: do it again, by the same command
or by `train/run.py --push-only RUN`.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from cyclegan_core import images
from cyclegan_core.atomic import atomically
from cyclegan_core.errors import CycleganError
from cyclegan_core.translations.source import CARD_FILE, CONFIG_FILE, WEIGHTS_FILE
from cyclegan_core.translations.translation import Translation
from train.command_line import command
from train.publishing.card import METRICS_FILE, PHOTOGRAPHS_FILE, PLOT_FILE, SHEET_FILE, ensure_card, find_metrics
from train.publishing.hub_calls import NO_TOKEN, bounded, patiently
from train.training.run_folder import best_or_last

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, HfApi

REQUEST_FILE = "push.json"  # in the folder of a run: where it is to be pushed to
SAMPLES = 4  # snapshot sheets that go along, from the first to the last
BRANCH = re.compile(r"(?!.*(\.\.|//|@\{))[A-Za-z0-9][\w./-]{0,99}(?<![./])")
COMMIT = re.compile(r"[0-9a-f]{40}")
# What a person may have made on the Hub's own page before the first push: a push may lie down beside it.
HARMLESS = frozenset({".gitattributes", ".gitignore", "LICENSE", "LICENSE.txt", CARD_FILE})


@dataclass(frozen=True)
class Request:
    """Where to push. revision: a branch, which is made where it is not there; `main` where it is None.

    create_pr: propose the commit as a pull request.
    """

    repo: str
    private: bool = False
    revision: str | None = None
    create_pr: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repo, re.ASCII):
            raise CycleganError(f"{self.repo!r} is not a name of a Hub repository: it looks like user/name")
        if self.revision and (COMMIT.fullmatch(self.revision) or not BRANCH.fullmatch(self.revision)):
            raise CycleganError(f"{self.revision!r} is not a name for a branch to push to, such as v2")
        if self.create_pr and self.revision not in (None, "main"):
            raise CycleganError("a pull request goes to main: leave out --revision or --create-pr")


def push(
    folder: Path,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    run: Path | None = None,
) -> str:
    """Pushes the translation in `folder` to `repo_id` in one commit and returns the address of the commit or proposal.

    A missing repository is made. A model card is written where `folder` has none by a person. run: the folder of the
    run; its samples and metrics go along, and it remembers the push, so that `push_only` can finish it. Unchanged
    files are not sent, so that pushing again is harmless. Raises CycleganError in one sentence that ends with how to
    finish later; what was trained stays where it is.
    """
    request = Request(repo_id, private, revision, create_pr)
    if run:
        remember(run, request)
    later = f"finish later with: python train/run.py --push-only {run}" if run else "push it again later"
    translation = Translation.load(folder)  # what cannot be read is not pushed
    ensure_card(folder, run=run, repo=repo_id)
    operations = _operations(folder, run)
    title = _title(translation, operations)
    with bounded():
        url = patiently(lambda: _push_once(request, _operations(folder, run), title), repo_id, later)
    if run:
        remember(run, request, url)
    return url


def push_only(run: Path) -> str:
    """Finishes the push that `run` remembers, with the best that the run has trained so far; see `push`."""
    try:
        said = json.loads((run / REQUEST_FILE).read_text(encoding="utf-8"))
        known = {k: v for k, v in said.items() if k in Request.__dataclass_fields__}
        request = Request(**known)
    except FileNotFoundError as error:
        raise CycleganError(
            f"{run} remembers no push: name the repository once with --push-to-hub user/name"
        ) from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CycleganError(
            f"{run / REQUEST_FILE} cannot be read: delete it and name the repository with --push-to-hub user/name"
        ) from error
    folder = best_or_last(run)
    if not folder.is_dir():
        raise CycleganError(f"{run} has trained nothing yet that could be pushed: let it come to its first snapshot")
    return push(
        folder,
        request.repo,
        private=request.private,
        revision=request.revision,
        create_pr=request.create_pr,
        run=run,
    )


def remember(run: Path, request: Request, url: str | None = None) -> None:
    """Writes down in the folder of a run where it is to be pushed to; call it when the run starts.

    url: of the finished push.
    """
    try:
        run.mkdir(parents=True, exist_ok=True)
        with atomically(run / REQUEST_FILE) as partial:
            partial.write_text(json.dumps({**asdict(request), "pushed": url}, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CycleganError(f"{run / REQUEST_FILE} cannot be written ({error.strerror}); free some space") from error


def check_access(repo_id: str, *, private: bool = False, create_pr: bool = False) -> str:
    """Asks the Hub, which changes nothing, whether `repo_id` could be pushed to, and returns the answer in words.

    Raises CycleganError where it could not.
    """
    request = Request(repo_id, private, None, create_pr)
    with bounded():
        return patiently(lambda: _check_once(request), repo_id, "nothing was changed")


def _check_once(request: Request) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    account = _account(api)
    who = account.get("name") or "the owner of the token"
    if not _exists(api, request):
        namespace = request.repo.partition("/")[0]
        owned = {account.get("name"), *(org.get("name") for org in account.get("orgs") or [])}
        if account.get("name") and namespace.lower() not in {str(name).lower() for name in owned}:
            raise CycleganError(
                f"{request.repo} is not on the Hub and {who} cannot make it: {namespace} is another account; "
                f"push to {who}/{request.repo.partition('/')[2]}"
            )
        return f"{request.repo} is not on the Hub yet; {who} will make it"
    if not request.create_pr:
        _ask_write_access(api, request.repo)
    return f"{request.repo} is on the Hub; {who} may {'propose a change' if request.create_pr else 'write to it'}"


def _ask_write_access(api: "HfApi", repo: str) -> None:
    """Raises what the Hub answers where the token may not write; older clients and other servers cannot be asked."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        api.auth_check(repo, write=True)
    except TypeError:
        return
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise


def _push_once(request: Request, operations: "list[CommitOperationAdd]", title: str) -> str:
    from huggingface_hub import HfApi

    api = HfApi()
    _account(api)
    if not _exists(api, request):
        api.create_repo(request.repo, private=request.private or None, exist_ok=True)
    if request.revision not in (None, "main"):
        api.create_branch(request.repo, branch=str(request.revision), exist_ok=True)
    if request.create_pr and (proposed := _proposed(api, request.repo, title)):
        return proposed
    done = api.create_commit(
        request.repo,
        operations,
        commit_message=title,
        revision=None if request.create_pr else request.revision,
        create_pr=request.create_pr,
    )
    return done.pr_url or done.commit_url


def _account(api: "HfApi") -> dict[str, Any]:
    """What the Hub knows of the owner of the token; empty where a server cannot tell. Raises where it may not write."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import HfHubHTTPError

    if not get_token():
        raise CycleganError(NO_TOKEN)
    try:
        account = api.whoami()
    except HfHubHTTPError as error:
        if error.response.status_code == 401:
            raise
        return {}
    if not isinstance(account, dict):
        return {}
    access = (account.get("auth") or {}).get("accessToken") or {}
    if access.get("role") == "read":
        raise CycleganError(
            "the Hub token can only read: make one with write access in the settings of your account and set HF_TOKEN"
        )
    return account


def _exists(api: "HfApi", request: Request) -> bool:
    """Whether the repository is there. Raises where pushing would harm: something else's name, or not private."""
    from huggingface_hub.errors import HfHubHTTPError

    repo = request.repo
    try:
        info = api.model_info(repo)
    except HfHubHTTPError as error:
        if error.response.status_code == 404:
            return False
        raise
    except (KeyError, TypeError, ValueError):  # a server that tells less; making it finds out whether it is there
        return False
    if request.private and info.private is False:
        raise CycleganError(
            f"{repo} is on the Hub already and everybody can see it: make it private in its settings there, or leave "
            "out --private"
        )
    files = {file.rfilename for file in info.siblings or []} - HARMLESS
    if files and not request.create_pr and not _is_translation(api, repo, files):
        raise CycleganError(
            f"the name {repo} is taken by something that is no translation ({', '.join(sorted(files)[:3])}): choose "
            "another one"
        )
    return True


def _is_translation(api: "HfApi", repo: str, files: set[str]) -> bool:
    if CONFIG_FILE not in files:
        return False
    try:
        config = json.loads(Path(api.hf_hub_download(repo, CONFIG_FILE)).read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(config, dict) and {"format_version", "directions", "generator"} <= config.keys()


def _proposed(api: "HfApi", repo: str, title: str) -> str | None:
    """The address of an open proposal of the same content: one whose answer was lost must not be made twice."""
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = api.get_repo_discussions(repo, discussion_type="pull_request", discussion_status="open")
        return next((d.url for d in found if d.title == title), None)
    except (HfHubHTTPError, ValueError, KeyError):  # a server that knows no discussions
        return None


def _operations(folder: Path, run: Path | None) -> "list[CommitOperationAdd]":
    """The files of the commit. Nothing else that lies in the folder is sent."""
    from huggingface_hub import CommitOperationAdd

    metrics = find_metrics(folder, run)
    files: dict[str, Path | bytes] = {
        name: folder / name
        for name in (CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, SHEET_FILE, PHOTOGRAPHS_FILE)
        if name in (CONFIG_FILE, WEIGHTS_FILE) or (folder / name).is_file()
    }
    if metrics:
        files[METRICS_FILE] = metrics
    if run and (run / PLOT_FILE).is_file():
        files[PLOT_FILE] = run / PLOT_FILE
    for number, sheet in enumerate(_samples(run), 1):
        files[f"samples/{number}.jpg"] = _jpeg(sheet)
    return [
        CommitOperationAdd(name, source if isinstance(source, bytes) else str(source)) for name, source in files.items()
    ]


def _samples(run: Path | None) -> list[Path]:
    """At most SAMPLES of the sheets that the run wrote at its snapshots, evenly spread, the last one always."""
    sheets = sorted(run.glob("samples_*.png")) if run else []
    if len(sheets) <= SAMPLES:
        return sheets
    return [sheets[round(i * (len(sheets) - 1) / (SAMPLES - 1))] for i in range(SAMPLES)]


def _jpeg(path: Path) -> bytes:
    picture = cv2.cvtColor(images.load(path), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def _title(translation: Translation, operations: "list[CommitOperationAdd]") -> str:
    """Tells people what the commit is, and a second push whether it has been made."""
    digest = hashlib.sha256()
    for operation in operations:
        digest.update(operation.path_in_repo.encode() + operation.upload_info.sha256)
    seen = translation.config.training.get("pictures")
    after = f" after {seen:,} pictures" if isinstance(seen, int) else ""
    return f"{translation.config.name}{after} ({digest.hexdigest()[:8]})"


@command()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the translation: config.json and model.safetensors")
    parser.add_argument("repo", help="user/name; made where it is not there")
    parser.add_argument("--private", action="store_true", help="a new repository is seen by its owner only")
    parser.add_argument("--revision", help="branch to push to; made where it is not there")
    parser.add_argument("--create-pr", action="store_true", help="propose it as a pull request")
    parser.add_argument("--check", action="store_true", help="ask whether it could be pushed; writes nothing")
    options = parser.parse_args(arguments)
    where = {"private": options.private, "create_pr": options.create_pr}
    if options.check:
        print(check_access(options.repo, **where))
    else:
        print(f"Pushed: {push(options.folder, options.repo, **where, revision=options.revision)}")


if __name__ == "__main__":
    sys.exit(main())
