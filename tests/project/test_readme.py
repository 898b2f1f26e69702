"""The README: its front matter is what a Space takes, its links lead somewhere, its figures are those of the cards."""

import json
import re

import pytest
from huggingface_hub import SpaceCard

from cyclegan_core.translations.catalog import CATALOG
from tests import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
LINK = re.compile(r"\]\(([^)#\s]+)\)")


def test_the_front_matter_is_what_a_space_takes() -> None:
    data = SpaceCard.load(ROOT / "README.md").data
    assert data.sdk == "gradio"
    pinned = re.search(r"^gradio==(.+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert data.sdk_version == pinned[1], "the Space would install another gradio"
    assert (ROOT / str(data.app_file)).is_file()
    assert {data.colorFrom, data.colorTo} <= COLOURS
    assert 0 < len(str(data.short_description)) <= 60
    assert data.title
    assert data.license


CARDS = [f"cyclegan_core/weights/{entry.name}/README.md" for entry in CATALOG]


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "examples/README.md", *CARDS])
def test_links_lead_somewhere(name: str) -> None:
    path = ROOT / name
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_every_translation_is_embedded_with_card_and_sheet() -> None:
    for entry in CATALOG:
        folder = ROOT / "cyclegan_core" / "weights" / entry.name
        needed = {"config.json", "model.safetensors", "README.md", "sheet.jpg"}
        assert needed <= {path.name for path in folder.iterdir()}
        assert (folder / "model.safetensors").stat().st_size <= 9.5e6
        config = json.loads((folder / "config.json").read_text())
        assert set(config["directions"].values()) == set(entry.labels)
        assert config["training"]["quality"]


@pytest.mark.parametrize("name", [entry.name for entry in CATALOG])
def test_the_figures_of_the_readme_are_those_of_the_card(name: str) -> None:
    card = (ROOT / "cyclegan_core" / "weights" / name / "README.md").read_text(encoding="utf-8")
    measured = set(re.findall(r"(?<![\d.])\d+\.\d(?!\d)", card.partition("## How it was made")[0]))
    (row,) = re.findall(rf"^\| {name} \|.*$", README, re.MULTILINE)
    stated = re.findall(r"(?<![\d.])\d+\.\d(?!\d)", row)
    assert len(stated) >= 4
    assert set(stated) <= measured
