"""Which pictures of CelebA and UTKFace belong to which domain, and the splits of the embedded weights."""

from pathlib import Path

import pytest

from cyclegan_core.errors import CycleganError
from tests import ROOT
from train import prepare
from train.preparation.datasets import celeba_by_attribute, in_test_split, utkface_by_age


def test_combinations_of_celeba(tmp_path: Path) -> None:
    names = ["Male", "Eyeglasses", "Young"]
    rows = [(m, g, y) for m in "01" for g in "01" for y in "01"]
    lines = [f"{i:06d}.jpg " + " ".join("1" if v == "1" else "-1" for v in row) for i, row in enumerate(rows)]
    (tmp_path / "list_attr_celeba.txt").write_text("\n".join(["8", " ".join(names), *lines, ""]))

    def labels(attribute: str, against: str | None = None) -> str:
        items = celeba_by_attribute(tmp_path, attribute=attribute, against=against)
        return "".join(item.domain or "." for item in items)

    assert labels("Male") == "BBBBAAAA"
    assert labels("Male,-Eyeglasses") == "BB..AA.."
    assert labels("-Male, Young") == ".A.A.B.B"
    assert labels("Male,Young", "-Male,-Young") == "B.B..A.A"
    assert labels("Young", "Male,-Young") == ".A.ABABA"
    for attribute, against, words in (
        ("Male,Hat", None, "CelebA has no attribute 'Hat'"),
        ("Male,-Male", None, "Male is named twice in Male,-Male; name it once"),
        ("Male", "Young", "a picture can be both Male and Young; name an attribute that tells them apart"),
        ("", None, "CelebA has no attribute ''"),
    ):
        with pytest.raises(CycleganError, match=words):
            labels(attribute, against)


def test_one_sex_of_utkface_by_age(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("20_0_0", "21_1_0", "60_0_0", "61_1_0", "40_1_0"):
        (tmp_path / f"{name}_20170101.jpg").write_bytes(b"")
    items = {i.path.name[:4]: i for i in utkface_by_age(tmp_path, young=(18, 32), old=(55, 80), sex="female")}
    assert {name: item.domain for name, item in items.items() if item.domain} == {"21_1": "A", "61_1": "B"}
    assert items["20_0"].reason == "another sex"
    output = ["--output", str(tmp_path / "out")]
    assert prepare.main(["utkface", str(tmp_path), "--by", "sex", "--sex", "male", *output]) == 1
    assert "--sex goes with --by age" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "counts"), [("gender", (306, 276)), ("age", (116, 101)), ("anime", (437, 100))])
def test_the_splits_of_the_embedded_weights_are_those_that_are_made(name: str, counts: tuple[int, int]) -> None:
    listed = (ROOT / "train" / "splits" / f"{name}.txt").read_text().split()
    assert tuple(sum(line.startswith(folder) for line in listed) for folder in ("testA/", "testB/")) == counts
    if name != "anime":  # its drawings and selfies are split as published
        assert all(in_test_split(f"{Path(line).stem}.jpg", 0.1, 0) for line in listed)
