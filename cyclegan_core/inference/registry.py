"""What the page offers: embedded translations at once, those of the Hub when they have come and work."""

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cyclegan_core.errors import CycleganError
from cyclegan_core.faces import detector_weights
from cyclegan_core.faces.detection import Detector, find_detector
from cyclegan_core.faces.detector_weights import read_published
from cyclegan_core.faces.embedded_detector import EmbeddedDetector
from cyclegan_core.faces.face import Face
from cyclegan_core.faces.retinaface import RetinaFaceDetector
from cyclegan_core.inference import status
from cyclegan_core.inference.status import Status
from cyclegan_core.inference.studio import Studio
from cyclegan_core.inference.translator import FaceTranslator
from cyclegan_core.translations import catalog, hub
from cyclegan_core.translations.catalog import Entry
from cyclegan_core.translations.source import Source, embedded_names
from cyclegan_core.translations.translation import Translation

PATIENCE = 5.0  # seconds after which people are told that the Hub lets them wait
PUBLISHED = "the published weights, which find more of them,"


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
        self._sources: dict[str, Source | None] = {}
        self._problems: dict[str, str] = {}  # with what an entry asks for
        for name, entry in self._entries.items():
            try:
                self._sources[name] = Source.of(entry)
            except CycleganError as error:
                self._sources[name], self._problems[name] = None, str(error)
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
        if not translators and not self._of_kind("hub"):
            raise CycleganError(" ".join(["no translation can be offered.", *(s.sentence for s in self.statuses())]))
        self.studio = Studio(translators, detector)

    def pull(self) -> None:
        """Fetches in the background what is named on the Hub and not here yet, and the detector's weights."""
        self._start([name for name in self._of_kind("hub") if self._statuses[name].state != "pulled"])

    def reload(self) -> str:
        """As `pull`, with what is here already: a branch or a folder may have changed. Says in words what it does."""
        named = self._of_kind("hub", "folder")
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

    def _of_kind(self, *kinds: str) -> list[str]:
        """Names of the entries that ask for a source of these kinds."""
        return [name for name, source in self._sources.items() if source and source.kind in kinds]

    def _load(self, name: str, detector: Detector) -> FaceTranslator | None:
        """The best at hand for this entry: the folder or the embedded weights that it names, or those of its name."""
        wanted, own = self._sources[name], Source("embedded", name)
        local = [wanted] if wanted and wanted.kind != "hub" else []
        local += [own] if name in embedded_names() and own not in local else []
        problem = self._problems.get(name, "")
        translator = None
        for source in local:
            try:
                loaded = Translation.read(source)
                translator = _translator(source, loaded, detector)
            except Exception as error:
                problem = problem or status.reason(error)
            else:
                self._describe(name, source, loaded, translator)
                break
        if problem:
            self._keep(name, problem)
        elif wanted and wanted.kind == "hub":
            self._set(name, sentence=status.until(self._statuses[name], str(wanted), "has yet to be fetched"))
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
                before = self._statuses[name]
                sentence = status.until(before, str(self._sources[name]), "is being fetched")
                self._statuses[name] = replace(before, state="pulling", sentence=sentence)
            for thread in self._threads:
                thread.start()
            return True

    def _pull_all(self, names: list[str]) -> None:
        for name in names:
            source = self._sources[name]
            assert source is not None, f"{name} asks for nothing that could be fetched"
            try:
                loaded = self._read(name, source)
                translator = _translator(source, loaded, self.studio.detector)
            except Exception as error:
                self._keep(name, status.reason(error))
            else:
                self.studio.replace(name, translator)
                self._describe(name, source, loaded, translator)

    def _read(self, name: str, source: Source) -> Translation:
        try:
            if source.kind == "hub":
                with self._lock:
                    self._waiting = name, time.monotonic()
            return Translation.read(source, seconds=self._seconds)
        finally:
            with self._lock:
                self._waiting = None

    def _describe(self, name: str, source: Source, loaded: Translation, translator: FaceTranslator) -> None:
        """The status of what has been put to work."""
        found = loaded.snapshot
        where = f"{source.name}@{hub.short(found.commit)}" if found else str(source)
        self._set(
            name,
            source=where,
            revision=found.commit if found else None,
            state="embedded" if source.kind == "embedded" else "pulled",
            labels=self._entries[name].labels_of(translator.directions),
            sentence=status.at_work(where, fetched=found is not None, stale=found is not None and found.stale),
            engine=translator.engine_name,
            config=translator.config,
            card=loaded.card,
        )

    def _keep(self, name: str, problem: str) -> None:
        before = self._statuses[name]
        state: status.State = "missing" if before.config is None else "kept"
        self._set(name, state=state, sentence=status.kept(before, problem))

    def _set(self, name: str, **changes: Any) -> None:
        with self._lock:
            self._statuses[name] = replace(self._statuses[name], **changes)

    def _find_detector(self) -> Detector:
        try:
            detector = find_detector()
            problem = f"{PUBLISHED} are not here" if isinstance(detector, EmbeddedDetector) else ""
        except Exception as error:
            detector, problem = EmbeddedDetector(), status.reason(error)
        self._say_detector(detector, problem)
        return detector

    def _fetch_detector(self) -> None:
        self._say_detector(self.studio.detector, f"{PUBLISHED} are being fetched")
        try:
            weights = detector_weights.fetch(seconds=min(self._seconds, detector_weights.SECONDS))
            detector = RetinaFaceDetector(read_published(weights))
            detector.detect(np.zeros((64, 64, 3), np.uint8))
        except Exception as error:
            self._say_detector(self.studio.detector, status.reason(error))
            return
        self.studio.replace_detector(detector)
        self._say_detector(detector, "")

    def _say_detector(self, detector: Detector, problem: str) -> None:
        with self._lock:
            self._detector_sentence = f"{detector.name} finds the faces{f': {problem}' if problem else ''}."


def _translator(source: Source, loaded: Translation, detector: Detector) -> FaceTranslator:
    """What comes from outside is tried out: a small picture goes both ways. Raises CycleganError."""
    translator = FaceTranslator(loaded, detector=detector)
    if source.kind != "embedded":
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
