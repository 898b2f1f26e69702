"""A server on loopback that speaks as much of the Hub's protocol as a push and a download need, and may misbehave.

It keeps repositories with branches, commits and large files in memory, as strictly as the Hub: a commit that names a
large file which was not uploaded, or a README without valid front matter, is refused.
"""

import base64
import hashlib
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.hub_server import point_client
from tests.support.loopback_server import LoopbackServer

TOKENS = {"writes": "write", "reads": "read", "guest": "write"}
OWNERS = {"writes": "alice", "reads": "alice", "guest": "bob"}
LARGE = (".safetensors",)


@dataclass
class Fault:
    """What happens to the next `times` requests of which `METHOD /path` matches `where`.

    status: the answer in place of the true one. cut: the connection ends without an answer. lost: it is done, but the
    answer does not arrive. pause: seconds between pieces of 16 KB of the body that is read.
    """

    where: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    lost: bool = False
    pause: float = 0.0


@dataclass
class Repository:
    private: bool
    branches: dict[str, list[dict[str, bytes]]]  # of each the files of each commit, the first one without any of ours
    proposals: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)  # title and files


class PushHub:
    """State of the server. asked: `METHOD /path` of every request. stored: large files, by their SHA-256."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.stored: dict[str, bytes] = {}
        self.sent: list[str] = []  # large files that arrived whole
        self.asked: list[str] = []
        self.titles: list[str] = []
        self.faults: list[Fault] = []
        self.receiving = threading.Event()  # a large file has begun to arrive
        self.lock = threading.Lock()
        self.address = ""

    def make(self, repo: str, *, private: bool = False, **files: bytes) -> Repository:
        first = {".gitattributes": b"*.safetensors filter=lfs"}
        named = {name.replace("__", "."): content for name, content in files.items()}
        self.repositories[repo] = Repository(private, {"main": [first, {**first, **named}] if named else [first]})
        return self.repositories[repo]

    def fault(self, asked: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times and re.search(fault.where, asked):
                    fault.times -= 1
                    return fault
        return None

    def files(self, repo: str, branch: str = "main") -> dict[str, bytes]:
        return self.repositories[repo].branches[branch][-1]

    def commits(self, repo: str, branch: str = "main") -> int:
        """How many there are after the one that every repository starts with."""
        return len(self.repositories[repo].branches[branch]) - 1


def commit_id(repo: str, branch: str, number: int) -> str:
    return hashlib.sha1(f"{repo} {branch} {number}".encode()).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    hub: PushHub
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        self.route = unquote(urlsplit(self.path).path)
        asked = f"{self.command} {self.path}"
        self.hub.asked.append(asked)
        self.dropped = False
        fault = self.hub.fault(asked)
        body = self._body(fault.pause if fault else 0.0)
        if body is None or (fault and fault.cut):
            self.close_connection = True
            return
        if fault and fault.status:
            return self._send(fault.status, {"error": "as the test wants it"}, fault.headers)
        self.dropped = bool(fault and fault.lost)
        with self.hub.lock:
            self._answer(body)
        return None

    do_GET = do_HEAD = do_POST = do_PUT = _serve  # noqa: N815

    def _body(self, pause: float) -> bytes | None:
        """The body, or None where the client went away."""
        left, pieces = int(self.headers.get("Content-Length") or 0), []
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
        while left:
            piece = self.rfile.read(min(left, 16_384))
            if not piece:
                return None
            if self.command == "PUT":
                self.hub.receiving.set()
            time.sleep(pause)
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _answer(self, body: bytes) -> None:
        hub, route = self.hub, self.route
        if found := re.fullmatch(r"/blobs/(\w+)", route):
            return self._blob(found[1], body)
        owner = self._owner()
        if route == "/api/whoami-v2":
            role = TOKENS[self._token()] if owner else ""
            about: dict[str, Any] = {"name": owner, "orgs": [{"name": "org"}]}
            about["auth"] = {"accessToken": {"role": role}}
            return self._send(200, about) if owner else self._send(401)
        if route == "/api/validate-yaml":
            good = json.loads(body)["content"].startswith("---\n")
            errors = [] if good else [{"message": "no front matter"}]
            return self._send(200 if good else 400, {"errors": errors})
        if route == "/verify":
            return self._send(200 if json.loads(body)["oid"] in hub.stored else 404)
        if route == "/api/repos/create":
            return self._create(owner, json.loads(body))
        if found := re.fullmatch(r"/(?:api/models/)?([\w-]+/[\w.-]+?)(?:\.git)?(?:/(.*))?", route):
            return self._repository(found[1], found[2] or "", owner, body)
        return self._send(404)

    def _create(self, owner: str | None, asked: dict[str, Any]) -> None:
        repo = f"{asked['organization'] or owner}/{asked['name']}"
        if not self._may_write(owner, repo):
            return self._send(403, code="Forbidden")
        address = {"url": f"{self.hub.address}/{repo}"}
        if repo in self.hub.repositories:
            return self._send(409, address)
        self.hub.make(repo, private=asked.get("visibility") == "private")
        return self._send(200, address)

    def _repository(self, repo: str, rest: str, owner: str | None, body: bytes) -> None:
        known = self.hub.repositories.get(repo)
        if known is None or (known.private and not self._may_write(owner, repo)):
            return self._send(404, code="RepoNotFound")
        action, _, argument = rest.partition("/")
        if action == "resolve":
            return self._resolve(repo, known, *argument.split("/", 1))
        if action == "discussions":
            return self._send(200, self._discussions(repo, known))
        if action in ("", "revision"):
            return self._info(repo, known, argument or "main")
        proposes = "create_pr=1" in self.path
        # Whoever has an account may upload files for a proposal; that they may not commit is found out at the commit.
        if not self._may_write(owner, repo) and not (owner and (proposes or action == "info")):
            return self._send(403, code="Forbidden")
        if action == "auth-check":
            return self._send(200, {})
        if action == "branch":
            status = 409 if argument in known.branches else 200
            known.branches.setdefault(argument, list(known.branches["main"]))
            return self._send(status, {})
        if action == "info":
            return self._batch(json.loads(body))
        if argument not in known.branches:
            return self._send(404, code="RevisionNotFound")
        if action == "preupload":
            return self._preupload(known.branches[argument][-1], json.loads(body))
        if action == "commit":
            return self._commit(repo, known, argument, [json.loads(line) for line in body.splitlines()], proposes)
        return self._send(404)

    def _preupload(self, present: dict[str, bytes], asked: dict[str, Any]) -> None:
        files = []
        for file in asked["files"]:
            name = file["path"]
            mode = "lfs" if name.endswith(LARGE) else "regular"
            files.append({"path": name, "uploadMode": mode, "shouldIgnore": False, "oid": _oid(name, present)})
        self._send(200, {"files": files})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = []
        for item in asked["objects"]:
            upload = {"href": f"{self.hub.address}/blobs/{item['oid']}"}
            actions = {"upload": upload, "verify": {"href": f"{self.hub.address}/verify"}}
            objects.append(item if item["oid"] in self.hub.stored else {**item, "actions": actions})
        self._send(200, {"transfer": "basic", "objects": objects})

    def _blob(self, oid: str, body: bytes) -> None:
        if self.command != "PUT":
            return self._send(200, self.hub.stored[oid])
        if hashlib.sha256(body).hexdigest() != oid:
            return self._send(400)
        self.hub.stored[oid] = body
        self.hub.sent.append(oid)
        return self._send(200)

    def _commit(self, repo: str, known: Repository, branch: str, lines: list[dict[str, Any]], proposes: bool) -> None:
        files = dict(known.branches[branch][-1])
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                title = value["summary"]
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.stored:
                    return self._send(400, {"error": "a large file is missing"})
                files[value["path"]] = self.hub.stored[value["oid"]]
            else:
                files[value["path"]] = base64.b64decode(value["content"])
        self.hub.titles.append(title)
        if proposes:
            known.proposals.append((title, files))
            number = len(known.proposals)
            return self._committed(repo, f"refs/pr/{number}", 1, f"{self.hub.address}/{repo}/discussions/{number}")
        known.branches[branch].append(files)
        return self._committed(repo, branch, len(known.branches[branch]) - 1, None)

    def _committed(self, repo: str, branch: str, number: int, proposal: str | None) -> None:
        oid = commit_id(repo, branch, number)
        url = f"{self.hub.address}/{repo}/commit/{oid}"
        self._send(200, {"commitUrl": url, "commitOid": oid, "pullRequestUrl": proposal})

    def _discussions(self, repo: str, known: Repository) -> dict[str, Any]:
        common: dict[str, Any] = {"author": {"name": "alice"}, "createdAt": "2026-01-01T00:00:00.000Z"}
        common |= {"status": "open", "isPullRequest": True, "repo": {"name": repo, "type": "model"}}
        found = [{**common, "title": title, "num": i} for i, (title, _) in enumerate(known.proposals, 1)]
        return {"count": len(found), "start": 0, "discussions": found}

    def _info(self, repo: str, known: Repository, branch: str) -> None:
        if branch not in known.branches:
            return self._send(404, code="RevisionNotFound")
        commits = known.branches[branch]
        info = {"id": repo, "private": known.private, "sha": commit_id(repo, branch, len(commits) - 1)}
        return self._send(200, {**info, "siblings": [{"rfilename": name} for name in commits[-1]]})

    def _resolve(self, repo: str, known: Repository, revision: str, name: str) -> None:
        branch, number = next(
            (
                (branch, number)
                for branch, commits in known.branches.items()
                for number in range(len(commits))
                if revision == commit_id(repo, branch, number) or (revision == branch and number == len(commits) - 1)
            ),
            ("", 0),
        )
        if not branch:
            return self._send(404, code="RevisionNotFound")
        files = known.branches[branch][number]
        if name not in files:
            return self._send(404, code="EntryNotFound")
        headers = {"X-Repo-Commit": commit_id(repo, branch, number), "ETag": f'"{_oid(name, files)}"'}
        if not name.endswith(LARGE):
            return self._send(200, files[name], headers)
        # Another origin, as on the Hub: a redirect within one would be followed when the headers are asked for.
        elsewhere = self.hub.address.replace("127.0.0.1", "localhost")
        headers |= {"Location": f"{elsewhere}/blobs/{_oid(name, files)}", "X-Linked-Size": str(len(files[name]))}
        return self._send(302, b"", {**headers, "X-Linked-ETag": headers["ETag"]})

    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _owner(self) -> str | None:
        return OWNERS.get(self._token())

    def _may_write(self, owner: str | None, repo: str) -> bool:
        return owner is not None and TOKENS[self._token()] == "write" and repo.split("/")[0] in (owner, "org")

    def _send(self, status: int, content: Any = b"", headers: dict[str, str] | None = None, *, code: str = "") -> None:
        if self.dropped:
            self.close_connection = True
            return
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), **({"X-Error-Code": code} if code else {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _oid(name: str, files: dict[str, bytes]) -> str | None:
    """What the Hub knows a file by: the SHA-256 of a large one, git's hash of another."""
    if name not in files:
        return None
    content = files[name]
    if name.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@contextmanager
def serving_pushes(cache: Path, monkeypatch: pytest.MonkeyPatch, *, token: str | None = "writes") -> Iterator[PushHub]:
    """A server to which the real client has been pointed, with a token and a cache of its own."""
    hub = PushHub()
    server = LoopbackServer(("127.0.0.1", 0), type("Served", (Handler,), {"hub": hub}))
    threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    point_client(hub.address, cache, monkeypatch)
    give_token(monkeypatch, cache, token)
    yield hub
    server.shutdown()
    server.server_close()


def give_token(monkeypatch: pytest.MonkeyPatch, cache: Path, token: str | None) -> None:
    """Sets the token by the environment, or takes away all."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "no-token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
