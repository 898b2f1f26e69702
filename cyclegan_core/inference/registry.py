"""What the page offers: embedded translations at once, those of the Hub when they have come and work."""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cyclegan_core.errors import CycleganError
from cyclegan_core.faces import detector_weights
from cyclegan_core.faces.detection import Detector, find_detector
from cyclegan_core.faces.embedded import EmbeddedDetector
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.retinaface import RetinaFaceDetector, read_published
from cyclegan_core.inference.studio import Studio
from cyclegan_core.inference.translator import FaceTranslator
from cyclegan_core.translations import catalog, hub, translation
from cyclegan_core.translations.catalog import Entry
from cyclegan_core.translations.config import TranslationConfig
from cyclegan_core.translations.translation import Translation

State = Literal["embedded", "pulling", "pulled", "kept", "missing"]
PATIENCE = 5.0  # seconds after which people are told that the Hub lets them wait
LONGEST_REASON = 300  # characters; a message may quote a config
EMBEDDED = "embedded"
PUBLISHED = "the published weights, which find more of them,"


@dataclass(frozen=True)
class Status:
    """Where one translation comes from and how it stands.

    labels: words for each of its directions. source: of what is at work, `embedded`, `folder NAME` or
    `org/name@abc1234`. revision: its whole commit, where it came from the Hub. state: `embedded` or `pulled` is at work
    as asked, `kept` is at work in place of what could not be had, `missing` is not offered; while `pulling`, what was
    at work stays so. sentence: for people, without path or address. config: None where nothing is at work.
    """

    entry: str
    title: str
    about: str
    labels: dict[str, str]
    source: str = EMBEDDED
    revision: str | None = None
    state: State = "missing"
    sentence: str = ""
    engine: str | None = None
    config: TranslationConfig | None = None
    card: Path | None = None


@dataclass(frozen=True)
class Source:
    """What an entry asks for. name: of an embedded translation, a folder, or a repository. problem: with the asking."""

    kind: Literal["embedded", "folder", "hub"]
    name: str
    revision: str | None = None
    problem: str = ""

    @classmethod
    def of(cls, entry: Entry) -> "Source":
        try:
            name, revision = catalog.source_of(entry)
        except CycleganError as error:
            return cls("embedded", entry.name, problem=str(error))
        overridden = name != entry.name
        if name in translation.embedded_names():
            return cls("embedded", name)
        if overridden and os.path.isdir(name):
            return cls("folder", name)
        if "/" in name:
            return cls("hub", name, revision)
        problem = f"{entry.variable} names what does not come with this program; correct or unset it"
        return cls("embedded", entry.name, problem=problem if overridden else "")

    def __str__(self) -> str:
        if self.kind == "hub":
            return f"{self.name}@{_short(self.revision or 'main')}"
        return f"folder {Path(self.name).name}" if self.kind == "folder" else EMBEDDED


class TranslationRegistry:
    """What the page offers: a studio, and where its parts come from. Safe for many threads.

    entries: those of the catalog and the environment where it is None. seconds: after which a repository, or the
    detector's weights, are given up. patience: seconds after which a status says that the Hub lets people wait.
    """

    studio: Studio  # after `load`

    def __init__(
        self, entries: Sequence[Entry] | None = None, *, seconds: float = hub.SECONDS, patience: float = PATIENCE
    ) -> None:
        self._entries = {entry.name: entry for entry in (catalog.entries() if entries is None else entries)}
        self._sources = {name: Source.of(entry) for name, entry in self._entries.items()}
        self._statuses = {
            name: Status(name, entry.title, entry.about, entry.labels) for name, entry in self._entries.items()
        }
        self._seconds, self._patience = seconds, patience
        self._detector_sentence = ""
        self._waiting: tuple[str, float] | None = None  # the entry, and since when the Hub is waited for
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def load(self) -> None:
        """Puts what is on this machine into `studio`, within seconds; what the environment names is tried out.

        Raises CycleganError where nothing can be offered, not even after a `pull`.
        """
        detector = self._find_detector()
        translators = {name: made for name in self._entries if (made := self._load(name, detector))}
        if not translators and all(source.kind != "hub" for source in self._sources.values()):
            raise CycleganError(" ".join(["no translation can be offered.", *(s.sentence for s in self.statuses())]))
        self.studio = Studio(translators, detector)

    def pull(self) -> None:
        """Fetches in the background what is named on the Hub and not here yet, and the detector's weights."""
        named = [name for name, source in self._sources.items() if source.kind == "hub"]
        self._start([name for name in named if self._statuses[name].state != "pulled"])

    def reload(self) -> str:
        """As `pull`, with what is here already: a branch or a folder may have changed. Says in words what it does."""
        named = [name for name, source in self._sources.items() if source.kind != "embedded"]
        if not self._start(named):
            return "What was asked for before is still being fetched: wait until that is done."
        if not named:
            return "There is nothing to fetch again: all translations come with this program."
        return f"Fetched again, in the background: {', '.join(self._entries[name].title for name in named)}."

    def statuses(self) -> list[Status]:
        """How each translation stands at this moment, in the order of the entries."""
        with self._lock:
            statuses = dict(self._statuses)
            if self._waiting:
                name, since = self._waiting
                seconds = time.monotonic() - since
                if seconds >= self._patience:
                    words = f"Still waiting for the Hub, for {seconds:.0f} s now: {statuses[name].sentence}"
                    statuses[name] = replace(statuses[name], sentence=words)
            return list(statuses.values())

    def detector_status(self) -> str:
        """Which face detector is at work, and why, in one sentence."""
        with self._lock:
            return self._detector_sentence

    def wait(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds for what goes on in the background. True where all of it has ended."""
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _load(self, name: str, detector: Detector) -> FaceTranslator | None:
        """The best at hand for this entry: the folder it names, or embedded weights."""
        source = self._sources[name]
        problem = source.problem
        embedded = source.name if source.kind == "embedded" else name
        places = [Path(source.name)] if source.kind == "folder" else []
        places += [translation.EMBEDDED / embedded] if embedded in translation.embedded_names() else []
        translator = None
        for place in places:
            try:
                loaded = Translation.load(place)
                translator = _translator(loaded, detector)
            except Exception as error:
                problem = problem or _reason(error)
            else:
                self._describe(name, loaded, translator)
                break
        if problem:
            self._keep(name, problem)
        elif source.kind == "hub":
            self._set(name, sentence=self._until(name, "has yet to be fetched"))
        elif not translator:
            words = f"no weights come with this program, and {self._entries[name].variable} names none"
            self._set(name, sentence=f"Not offered: {words}.")
        return translator

    def _start(self, names: list[str]) -> bool:
        """Begins to fetch these, and the detector's weights where they are wanted. False where it is at it already."""
        with self._lock:
            if any(thread.is_alive() for thread in self._threads):
                return False
            # Beside one another: a Hub that hangs must not keep the detector away, nor the other way round.
            self._threads = [threading.Thread(target=self._pull_all, args=[names], daemon=True)] if names else []
            if isinstance(self.studio.detector, EmbeddedDetector) and not os.environ.get(detector_weights.VARIABLE):
                self._threads.append(threading.Thread(target=self._fetch_detector, daemon=True))
            for name in names:
                sentence = self._until(name, "is being fetched")
                self._statuses[name] = replace(self._statuses[name], state="pulling", sentence=sentence)
            for thread in self._threads:
                thread.start()
            return True

    def _pull_all(self, names: list[str]) -> None:
        for name in names:
            try:
                loaded = self._fetch(name)
                translator = _translator(loaded, self.studio.detector)
            except Exception as error:
                self._keep(name, _reason(error))
            else:
                self.studio.replace(name, translator)
                self._describe(name, loaded, translator)

    def _fetch(self, name: str) -> Translation:
        source = self._sources[name]
        if source.kind == "folder":
            return Translation.load(source.name)
        try:
            with self._lock:
                self._waiting = name, time.monotonic()
            return Translation.from_hub(source.name, source.revision, seconds=self._seconds)
        finally:
            with self._lock:
                self._waiting = None

    def _describe(self, name: str, loaded: Translation, translator: FaceTranslator) -> None:
        """The status of what has been put to work."""
        source, found = self._sources[name], loaded.snapshot
        embedded = _is_embedded(loaded)
        where = f"{source.name}@{_short(found.commit)}" if found else EMBEDDED if embedded else str(source)
        sentence = f"{_capital(_subject(where))} {'are' if embedded else 'is'} at work"
        if found:
            sentence = (
                f"{where}, fetched earlier, is at work: the Hub does not answer"
                if found.stale
                else f"{where} has been fetched and checked, and is at work"
            )
        self._set(
            name,
            source=where,
            revision=found.commit if found else None,
            state="embedded" if embedded else "pulled",
            labels=self._entries[name].labels_of(translator.directions),
            sentence=f"{sentence}.",
            engine=translator.engine_name,
            config=translator.config,
            card=loaded.card,
        )

    def _keep(self, name: str, problem: str) -> None:
        status = self._statuses[name]
        if status.config is None:
            self._set(name, state="missing", sentence=f"Not offered: {problem}.")
        else:
            stays = "stay" if status.source == EMBEDDED else "stays"
            sentence = f"{_capital(_subject(status.source))} {stays} at work: {problem}."
            self._set(name, state="kept", sentence=sentence)

    def _until(self, name: str, doing: str) -> str:
        status, source = self._statuses[name], self._sources[name]
        if status.config is None:
            return f"{source} {doing}; until then it is not offered."
        are = "are" if status.source == EMBEDDED else "is"
        return f"{source} {doing}; until then {_subject(status.source)} {are} at work."

    def _set(self, name: str, **changes: Any) -> None:
        with self._lock:
            self._statuses[name] = replace(self._statuses[name], **changes)

    def _find_detector(self) -> Detector:
        try:
            detector = find_detector()
            problem = f"{PUBLISHED} are not here" if isinstance(detector, EmbeddedDetector) else ""
        except Exception as error:
            detector, problem = EmbeddedDetector(), _reason(error)
        self._say_detector(detector, problem)
        return detector

    def _fetch_detector(self) -> None:
        self._say_detector(self.studio.detector, f"{PUBLISHED} are being fetched")
        try:
            weights = detector_weights.fetch(seconds=min(self._seconds, detector_weights.SECONDS))
            detector = RetinaFaceDetector(read_published(weights))
            detector.detect(np.zeros((64, 64, 3), np.uint8))
        except Exception as error:
            self._say_detector(self.studio.detector, _reason(error))
            return
        self.studio.replace_detector(detector)
        self._say_detector(detector, "")

    def _say_detector(self, detector: Detector, problem: str) -> None:
        with self._lock:
            self._detector_sentence = f"{detector.name} finds the faces{f': {problem}' if problem else ''}."


def _is_embedded(loaded: Translation) -> bool:
    return loaded.folder is not None and loaded.folder.parent == translation.EMBEDDED


def _translator(loaded: Translation, detector: Detector) -> FaceTranslator:
    """What comes from outside is tried out: a small picture goes both ways. Raises CycleganError."""
    translator = FaceTranslator(loaded, detector=detector)
    if not _is_embedded(loaded):
        _try_out(translator)
    return translator


def _try_out(translator: FaceTranslator) -> None:
    crop = translator.config.crop
    side = crop.size if crop else 64
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    landmarks = np.array(crop.template if crop else [(0.5, 0.5)] * 5, np.float32) * side
    face = Face((0.0, 0.0, float(side), float(side)), 1.0, landmarks)
    for direction in translator.directions:
        for item in translator.generate(picture, direction, [face]):
            if not np.isfinite(item.generated).all():
                raise CycleganError(f"{direction} gives numbers that are not finite")


def _reason(error: Exception) -> str:
    """In words without path or address: only those of this program are known to have none."""
    if not isinstance(error, CycleganError):
        return f"it does not run here ({type(error).__name__})"
    words = " ".join(str(error).split()).rstrip(".")
    return words if len(words) <= LONGEST_REASON else words[:LONGEST_REASON] + "…"


def _subject(source: str) -> str:
    return {EMBEDDED: "the embedded weights"}.get(source, f"the {source}" if source.startswith("folder ") else source)


def _capital(words: str) -> str:
    return "The" + words[3:] if words.startswith("the ") else words


def _short(revision: str) -> str:
    return revision[:7] if hub.COMMIT.fullmatch(revision) else revision
