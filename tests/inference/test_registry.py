"""What the page offers: embedded weights at once, those of the Hub when they have come, whatever the Hub does."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cyclegan_core.errors import CycleganError
from cyclegan_core.faces.alignment import TIGHT_TEMPLATE
from cyclegan_core.faces.face import Face
from cyclegan_core.inference.registry import Status, TranslationRegistry
from cyclegan_core.translations.catalog import CATALOG, Entry
from cyclegan_core.translations.config import Direction
from cyclegan_core.translations.translation import Translation
from tests.support.hub_server import COMMIT, NEXT_COMMIT, Hub, point_client, serving
from tests.support.registries import loaded, pulled

pytestmark = pytest.mark.usefixtures("bare_machine")

GENDER = CATALOG[0]
PICTURE = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
FACE = Face((0.0, 0.0, 64.0, 64.0), 1.0, np.array(TIGHT_TEMPLATE, np.float32) * 64)


@pytest.fixture
def hub(tiny_translation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    """Serves a `gender` in other colours, with directions of other names and a card."""
    folder = tmp_path / "repository"
    write_other(tiny_translation, folder)
    with serving(folder, tmp_path / "hub", monkeypatch) as served:
        yield served


def write_other(tiny_translation: Path, folder: Path, *, whole: bool = False, scale: float = -1.0) -> None:
    loaded = Translation.load(tiny_translation)
    names = {Direction.A_TO_B: "to_zebra", Direction.B_TO_A: "to_horse"}
    loaded.config = replace(loaded.config, directions=names, crop=None if whole else loaded.config.crop)
    with torch.no_grad():
        for generator in loaded.generators.values():
            for parameter in list(generator.parameters())[-2:]:
                parameter.mul_(scale)
    loaded.save(folder)
    (folder / "README.md").write_text("# A card")


def status(registry: TranslationRegistry, name: str = "gender") -> Status:
    return next(status for status in registry.statuses() if status.entry == name)


def output(registry: TranslationRegistry, direction: str) -> np.ndarray:
    """What the studio makes of a picture, by a chain of one step."""
    studio = registry.studio
    return studio.blend(PICTURE, studio.generate(PICTURE, [FACE], [studio.chain(direction)])).picture


def on_hub(revision: str | None = None) -> Entry:
    return replace(GENDER, repository="org/mine", revision=revision)


@pytest.mark.medium
def test_embedded_weights_are_at_work_and_the_rest_is_not_offered() -> None:
    registry = loaded()
    assert [(s.entry, s.state) for s in registry.statuses()] == [
        ("gender", "embedded"),
        ("age", "missing"),
        ("anime", "missing"),
    ]
    assert list(registry.studio.translators) == ["gender"]
    gender, age, _ = registry.statuses()
    assert (gender.source, gender.revision, gender.labels) == ("embedded", None, GENDER.labels)
    assert gender.engine
    assert gender.config is not None
    assert gender.sentence == "The embedded weights are at work."
    assert age.sentence == "Not offered: no weights come with this program, and CYCLEGAN_AGE_REPO names none."
    assert age.config is None


def test_nothing_at_all_is_an_error() -> None:
    with pytest.raises(CycleganError, match="no translation can be offered"):
        TranslationRegistry(CATALOG[1:]).load()


@pytest.mark.medium
@pytest.mark.parametrize("revision", [None, "main", COMMIT])
def test_weights_of_the_hub_take_over(hub: type[Hub], revision: str | None) -> None:
    before = output(loaded(), "to_female")
    registry = loaded(on_hub(revision))
    assert status(registry).state == "embedded"
    assert "has yet to be fetched; until then the embedded weights are at work" in status(registry).sentence
    assert np.array_equal(output(registry, "to_female"), before)

    registry.pull()
    assert registry.wait(60)

    now = status(registry)
    assert (now.state, now.source, now.revision) == ("pulled", "org/mine@0123456", COMMIT)
    assert now.labels == {"to_zebra": "To zebra", "to_horse": "To horse"}
    assert now.sentence == "org/mine@0123456 has been fetched and checked, and is at work."
    assert now.card is not None
    assert now.card.read_text() == "# A card"
    after = output(registry, "to_zebra")
    assert not np.array_equal(after, before)
    assert not np.array_equal(after, PICTURE)


def test_a_setting_of_the_space_names_the_repository(hub: type[Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLEGAN_AGE_REPO", f"org/mine@{COMMIT}")
    registry = pulled()
    assert [(s.entry, s.state) for s in registry.statuses()][:2] == [("gender", "embedded"), ("age", "pulled")]
    assert "to_zebra" in [step.direction for step in registry.studio.steps()]


def test_a_pinned_revision_that_is_cached_needs_no_hub(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled(on_hub(COMMIT))
    point_client("http://127.0.0.1:9", tmp_path / "hub", monkeypatch)
    now = status(pulled(on_hub(COMMIT)))
    assert (now.state, now.sentence) == ("pulled", "org/mine@0123456 has been fetched and checked, and is at work.")


def test_a_branch_that_was_fetched_earlier_is_at_work_without_a_hub(
    hub: type[Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled(on_hub())
    point_client("http://127.0.0.1:9", tmp_path / "hub", monkeypatch)
    now = status(pulled(on_hub()))
    assert (now.state, now.revision) == ("pulled", COMMIT)
    assert now.sentence == "org/mine@0123456, fetched earlier, is at work: the Hub does not answer."


def spoil_format(folder: Path) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | {"format_version": 99}))


def spoil_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])


def only_pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def overflow(folder: Path) -> None:
    """Weights that are finite, and make what is not."""
    broken = Translation.load(folder)
    for generator in broken.generators.values():
        with torch.no_grad():
            for parameter in generator.parameters():
                parameter.fill_(3e38)
    broken.save(folder)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (spoil_format, "format_version is 99"),
        (spoil_weights, "damaged or cut off"),
        (only_pickled, "lacks config.json or model.safetensors"),
        (overflow, "numbers that are not finite"),
    ],
)
def test_what_is_not_a_working_translation_does_not_take_over(hub: type[Hub], spoil: object, says: str) -> None:
    assert callable(spoil)
    spoil(hub.folder)
    check_kept(pulled(on_hub()), says)


@pytest.mark.parametrize(
    ("misbehaviour", "says"),
    [
        ({"refusal": (404, "RepoNotFound")}, "no repository org/mine on the Hub"),
        ({"refusal": (404, "RevisionNotFound")}, "has no revision"),
        ({"refusal": (401, "GatedRepo")}, "is gated"),
        ({"refusal": (401, "")}, "no access to org/mine"),
        ({"refusal": (503, "")}, "status 503"),
        ({"announced": 10**12}, "is over 512 MB"),
        ({"announced": 7}, "could not be downloaded whole"),
        ({"damaged": True}, "damaged on its way"),
        ({"nameless": True}, "is not the Hub"),
    ],
)
def test_whatever_the_hub_does_the_studio_goes_on(hub: type[Hub], misbehaviour: dict[str, object], says: str) -> None:
    for name, value in misbehaviour.items():
        setattr(hub, name, value)
    check_kept(pulled(on_hub()), says)


def test_without_a_network_the_studio_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point_client("http://127.0.0.1:9", tmp_path / "hub", monkeypatch)
    check_kept(pulled(on_hub()), "the Hub cannot be reached")


def check_kept(registry: TranslationRegistry, says: str) -> None:
    now = status(registry)
    assert (now.state, now.source, now.labels) == ("kept", "embedded", GENDER.labels)
    assert now.sentence.startswith("The embedded weights stay at work: ")
    assert now.sentence.endswith(".")
    assert says in now.sentence
    assert not [word for word in ("http", "127.0.0.1", "/tmp", "cache/") if word in now.sentence]
    assert not np.array_equal(output(registry, "to_female"), PICTURE)


@pytest.mark.medium
def test_people_are_told_that_the_hub_lets_them_wait(hub: type[Hub]) -> None:
    hub.hangs = threading.Event()
    registry = loaded(on_hub(), seconds=60, patience=0.2)
    registry.pull()
    assert not registry.wait(0.5)
    now = status(registry)
    assert now.state == "pulling"
    assert now.sentence.startswith("Still waiting for the Hub, for ")
    assert "until then the embedded weights are at work." in now.sentence
    assert not np.array_equal(output(registry, "to_female"), PICTURE)
    assert "still being fetched" in registry.reload()
    hub.hangs.set()
    assert registry.wait(60)
    assert status(registry).state == "kept"


@pytest.mark.medium
def test_a_hub_that_hangs_on_is_given_up(hub: type[Hub]) -> None:
    hub.hangs = threading.Event()
    registry = pulled(on_hub(), seconds=0.5)
    check_kept(registry, "did not come within")


def test_reload_fetches_what_a_branch_has_become(hub: type[Hub], tiny_translation: Path) -> None:
    registry = pulled(on_hub())
    before = output(registry, "to_zebra")
    registry.pull()
    assert registry.wait(60)
    assert np.array_equal(output(registry, "to_zebra"), before)

    write_other(tiny_translation, hub.folder, scale=-2.0)
    hub.commit = NEXT_COMMIT
    assert "Gender" in registry.reload()
    assert registry.wait(60)

    assert status(registry).revision == NEXT_COMMIT
    assert not np.array_equal(output(registry, "to_zebra"), before)
    hub.refusal = 404, "RepoNotFound"
    registry.reload()
    assert registry.wait(60)
    assert (status(registry).state, status(registry).revision) == ("kept", NEXT_COMMIT)
    assert status(registry).sentence.startswith("org/mine@89abcde stays at work: there is no repository")


def test_reload_of_embedded_weights_has_nothing_to_do() -> None:
    assert "nothing to fetch" in loaded(GENDER).reload()


def test_what_only_the_hub_has_is_offered_when_it_has_come(hub: type[Hub]) -> None:
    registry = loaded(Entry("far", "Far", {}, "org/mine"))
    assert status(registry, "far").state == "missing"
    assert registry.studio.steps() == ()
    registry.pull()
    assert registry.wait(60)
    assert status(registry, "far").state == "pulled"
    assert [step.direction for step in registry.studio.steps()] == ["to_zebra", "to_horse"]


@pytest.mark.medium
def test_a_translation_of_whole_pictures_comes_from_the_hub(
    hub: type[Hub], tiny_translation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_other(tiny_translation, hub.folder, whole=True)
    monkeypatch.setenv("CYCLEGAN_HORSE2ZEBRA_REPO", "org/mine")
    registry = pulled()
    now = status(registry, "horse2zebra")
    assert (now.state, now.title) == ("pulled", "Horse2zebra")
    assert now.config is not None
    assert now.config.crop is None
    studio = registry.studio
    chain = studio.chain("horse2zebra:to_zebra")
    assert studio.needs_no_face(chain)
    made = studio.translate(PICTURE, chain).picture
    assert made.shape == PICTURE.shape
    assert not np.array_equal(made, PICTURE)


def test_a_setting_may_name_a_folder(tiny_translation: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_other(tiny_translation, tmp_path / "of my own")
    monkeypatch.setenv("CYCLEGAN_GENDER_REPO", str(tmp_path / "of my own"))
    registry = loaded()
    assert (status(registry).state, status(registry).source) == ("pulled", "folder of my own")
    assert status(registry).sentence == "The folder of my own is at work."
    assert registry.studio.chain("to_zebra")

    before = output(registry, "to_zebra")
    write_other(tiny_translation, tmp_path / "of my own", scale=-2.0)
    registry.reload()
    assert registry.wait(60)
    assert not np.array_equal(output(registry, "to_zebra"), before)


def test_a_setting_may_name_another_embedded_translation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLEGAN_AGE_REPO", "gender")
    registry = loaded()
    assert (status(registry, "age").state, status(registry, "age").source) == ("embedded", "embedded")
    with pytest.raises(CycleganError, match="ambiguous"):
        registry.studio.chain("to_female")
    assert registry.studio.chain("age:to_female") != registry.studio.chain("gender:to_female")


@pytest.mark.parametrize("setting", ["two words", "secret/b/c", "org/mine@", "/secret/folder", "secret"])
def test_a_malformed_setting_is_a_sentence(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GENDER", "AGE", "MORE"):
        monkeypatch.setenv(f"CYCLEGAN_{name}_REPO", setting)
    registry = pulled()
    assert [(s.entry, s.state) for s in registry.statuses()] == [
        ("gender", "kept"),
        ("age", "missing"),
        ("anime", "missing"),
        ("more", "missing"),
    ]
    gender, age, *_ = (s.sentence for s in registry.statuses())
    assert gender.startswith("The embedded weights stay at work: CYCLEGAN_GENDER_REPO ")
    assert age.startswith("Not offered: CYCLEGAN_AGE_REPO ")
    assert "secret" not in gender + age


def test_a_folder_that_holds_no_translation_leaves_the_embedded_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("CYCLEGAN_GENDER_REPO", str(tmp_path / "empty"))
    registry = loaded()
    assert status(registry).state == "kept"
    assert "holds no config.json" in status(registry).sentence
    assert str(tmp_path) not in status(registry).sentence
