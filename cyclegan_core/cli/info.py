"""What is at work here: versions, the face detector, and every translation with where it comes from."""

import platform
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from cyclegan_core.errors import CycleganError
from cyclegan_core.faces import detector_weights
from cyclegan_core.faces.detection import find_detector
from cyclegan_core.inference.engines import engine_name
from cyclegan_core.translations.catalog import Entry, entries
from cyclegan_core.translations.source import WEIGHTS_FILE, Source
from cyclegan_core.translations.translation import Translation

PACKAGES = ("torch", "torchvision", "openvino", "av", "opencv-python", "opencv-python-headless", "facexlib", "gradio")


def report() -> dict[str, Any]:
    """Plain data, ready for JSON. What is broken has its `problem` in words; nothing is raised, nothing fetched."""
    versions = {"python": platform.python_version()} | {package: _version(package) for package in PACKAGES}
    translations = [_describe(entry) for entry in entries()]
    return {"versions": versions, "detector": _describe_detector(), "translations": translations}


def problems(report: dict[str, Any]) -> list[str]:
    """What is broken, in words."""
    return [part["problem"] for part in (report["detector"], *report["translations"]) if part["problem"]]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _describe_detector() -> dict[str, Any]:
    try:
        detector = find_detector()
    except CycleganError as error:
        return {"name": None, "hint": None, "problem": str(error)}
    get = "python -m cyclegan_core.faces.detector_weights"
    hint = f"the published weights find more faces: get them by {get}, or name the file in {detector_weights.VARIABLE}"
    return {"name": detector.name, "hint": None if detector_weights.find() else hint, "problem": None}


def _describe(entry: Entry) -> dict[str, Any]:
    """What there is to say of a translation. One of the Hub is described from its local copy, where there is one."""
    about: dict[str, Any] = {"name": entry.name, "directions": list(entry.labels), "source": "embedded"}
    about |= {"engine": None, "weights_bytes": None, "training": {}, "hint": None, "problem": None}
    try:
        source = Source.of(entry)
    except CycleganError as error:
        return about | {"source": "none", "problem": str(error)}
    if source is None:
        hint = f"not offered: no weights come with this program, and {entry.variable} names none"
        return about | {"source": "none", "hint": hint}
    about["source"], folder = str(source), source.folder()
    if folder is None:
        return about
    try:
        config = Translation.load(folder).config
        about["directions"] = list(config.directions.values())
        about["training"], about["engine"] = config.training, engine_name(config.crop.size if config.crop else None)
        about["weights_bytes"] = (folder / WEIGHTS_FILE).stat().st_size
    except (CycleganError, OSError) as error:
        about["problem"] = str(error)
    return about


def lines(report: dict[str, Any]) -> Iterator[str]:
    """The report for people, line by line."""
    detector = report["detector"]
    rows = {**report["versions"], "detector": detector["name"] or "none"}
    yield from (f"{name:<24}{value or 'not installed'}" for name, value in rows.items())
    yield from (f"  {key}: {detector[key]}" for key in ("hint", "problem") if detector[key])
    for about in report["translations"]:
        yield f"translation {about['name']:<11} {', '.join(about['directions'])}"
        yield f"  source: {about['source']}" + (f", run by {about['engine']}" if about["engine"] else "")
        if about["hint"] or about["problem"]:
            yield from (f"  {key}: {about[key]}" for key in ("hint", "problem") if about[key])
            continue
        size = about["weights_bytes"]
        yield f"  weights: {f'{size / 1e6:.1f} MB' if size else 'fetched from the Hub at the first use'}"
        numbers = {unit: about["training"].get(unit) for unit in ("pictures", "minutes")}
        trained = [f"{number:,} {unit}" for unit, number in numbers.items() if isinstance(number, int | float)]
        yield f"  trained: {' in '.join(trained) or 'for how long is not recorded'}"
