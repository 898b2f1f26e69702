"""Files of a repository on the Hugging Face Hub: in one version, within limits of size and time, and undamaged.

It adds to the Hub's client what a page that must not hang needs. The client waits up to six minutes for a server that
accepts and is silent, knows no limit of size, and keeps what was damaged on its way.
"""

import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cyclegan_core.deadline import within
from cyclegan_core.errors import TranslationError

LARGEST_FILE = 512 * 2**20  # bytes; a generator of the paper has 46 MB
SECONDS = 900.0  # for all files of a repository
SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Snapshot:
    """The files of one commit, in the Hub client's cache. stale: the Hub was silent, so a newer one may be there."""

    folder: Path
    commit: str
    stale: bool = False


class _NoAnswerError(TranslationError):
    """The Hub gave no answer; what was fetched earlier may do."""


def fetch(
    repo: str,
    files: Sequence[str],
    optional: Sequence[str] = (),
    *,
    revision: str | None = None,
    seconds: float = SECONDS,
    largest: int = LARGEST_FILE,
) -> Snapshot:
    """Brings files of the repository `org/name` into the cache, all of one commit.

    revision: branch, tag or commit; the branch `main` where it is None. A full commit that is in the cache needs no
    network; of a branch the Hub is asked first, and what is in the cache is taken where it does not answer.
    largest: bytes of a file. Raises TranslationError in a sentence without address, path or token.
    """
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # its warnings hold signed addresses
    deadline = time.monotonic() + seconds
    try:
        return within(seconds, lambda: _fetch(repo, revision, files, optional, largest, deadline))
    except TimeoutError as error:
        where = _where(repo, revision)
        raise TranslationError(f"{where} did not come within {seconds:.0f} s; try again later") from error


def short(revision: str) -> str:
    """A revision for people: a branch or tag in full, a commit by its first characters."""
    return revision[:7] if COMMIT.fullmatch(revision) else revision


def _fetch(
    repo: str, revision: str | None, files: Sequence[str], optional: Sequence[str], largest: int, deadline: float
) -> Snapshot:
    from huggingface_hub.errors import RemoteEntryNotFoundError

    pinned = revision is not None and COMMIT.fullmatch(revision) is not None
    with _in_sentences(repo, revision, files):
        folder = cached(repo, files, revision) if pinned else None
        if folder:
            return Snapshot(folder, folder.name)
        try:
            # The first file decides which commit the others are taken from, should the branch move meanwhile.
            folder = _download(repo, files[0], revision, largest, deadline).parent
            for file in files[1:]:
                _download(repo, file, folder.name, largest, deadline)
            for file in optional:
                with suppress(RemoteEntryNotFoundError):
                    _download(repo, file, folder.name, largest, deadline)
        except _NoAnswerError:
            folder = cached(repo, files, revision)
            if not folder:
                raise
            return Snapshot(folder, folder.name, stale=True)
        return Snapshot(folder, folder.name)


def cached(repo: str, files: Sequence[str], revision: str | None = None) -> Path | None:
    """The folder, named by its commit, that earlier calls have filled; None where a file is missing or damaged.

    Asks the Hub for nothing. Deletes a damaged file.
    """
    from huggingface_hub import try_to_load_from_cache

    paths = [try_to_load_from_cache(repo, file, revision=revision) for file in files]
    found = [Path(path) for path in paths if isinstance(path, str)]
    with suppress(TranslationError):
        for path in found:
            _check(path)
        return found[0].parent if len(found) == len(files) else None
    return None


def _download(repo: str, file: str, revision: str | None, largest: int, deadline: float) -> Path:
    """Where the file lies in the cache; fetched unless it lies there already."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    where = _where(repo, revision)
    try:
        # One question without a second try: `hf_hub_download` repeats it with ever longer waits.
        about = get_hf_file_metadata(hf_hub_url(repo, file, revision=revision), timeout=constants.HF_HUB_ETAG_TIMEOUT)
    except HFValidationError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status < 500 and status != 429:
            raise
        raise _NoAnswerError(f"the Hub answered with status {status} for {where}; try again later") from error
    except Exception as error:  # one of the HTTP library's: no connection, no answer, nonsense
        raise _NoAnswerError(
            f"{where} is not in the local cache and the Hub cannot be reached; connect or use an embedded one"
        ) from error
    if about.commit_hash is None:
        raise _NoAnswerError(f"what answers for {where} is not the Hub; look at the connection")
    too_large = f"{file} of {where} is over {largest / 2**20:,.0f} MB: it is not fetched"
    if about.size is not None and about.size > largest:
        raise TranslationError(too_large)
    bar = _watching(largest, deadline, too_large)
    path = Path(hf_hub_download(repo, file, revision=revision, tqdm_class=bar))
    _check(path)
    return path


def _watching(largest: int, deadline: float, too_large: str) -> Any:
    """A progress bar that ends a download which goes beyond the size that was announced, or beyond the time."""
    from huggingface_hub.utils import tqdm

    class Watching(tqdm):
        received = 0.0

        def update(self, n: float | None = 1) -> bool | None:
            self.received += n or 0
            if self.received > largest:
                raise TranslationError(too_large)
            if time.monotonic() > deadline:
                raise TimeoutError
            return super().update(n)

    return Watching


def _check(path: Path) -> None:
    """Deletes what is damaged. Large files lie in the cache under their SHA-256, which the client does not check."""
    content = path.parent / os.readlink(path) if path.is_symlink() else path
    if not SHA256.fullmatch(content.name):
        return
    with content.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != content.name:
        content.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        raise TranslationError(f"{path.name} was damaged on its way from the Hub; try again")


def _where(repo: str, revision: str | None) -> str:
    return f"{repo} at revision {revision}" if revision else repo


@contextmanager
def _in_sentences(repo: str, revision: str | None, files: Sequence[str]) -> Iterator[None]:
    """The errors of the Hub's client as TranslationError. Their own texts hold addresses, and one even the token."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    where = _where(repo, revision)
    try:
        yield
    except (TranslationError, TimeoutError):
        raise
    except HFValidationError as error:
        raise TranslationError(f"{repo!r} is not a name of a Hub repository; it looks like org/name") from error
    except RevisionNotFoundError as error:
        raise TranslationError(f"the Hub repository {repo} has no revision {revision!r}") from error
    except GatedRepoError as error:
        raise TranslationError(
            f"the Hub repository {repo} is gated: accept its terms there and give HF_TOKEN of that account"
        ) from error
    except RepositoryNotFoundError as error:
        raise TranslationError(
            f"there is no repository {repo} on the Hub, or it is private and HF_TOKEN gives no access to it"
        ) from error
    except LocalEntryNotFoundError as error:
        raise TranslationError(f"the Hub stopped answering while {where} was fetched; try again later") from error
    except EntryNotFoundError as error:
        raise TranslationError(f"{where} is not a translation: it lacks {' or '.join(files)}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            said = f"the Hub gives no access to {repo}: set HF_TOKEN of an account that has it, or renew it"
        else:
            said = f"the Hub answered with status {status} for {where}; look at its name"
        raise TranslationError(said) from error
    except OSError as error:
        reason = f" ({error.strerror})" if error.strerror else ""
        raise TranslationError(f"{where} could not be downloaded whole{reason}; try again later") from error
    except Exception as error:
        kind = type(error).__name__
        raise TranslationError(f"{where} could not be downloaded ({kind}); look at the connection") from error
