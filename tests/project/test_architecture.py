"""What ARCHITECTURE.md says of the folders, of the direction of imports and of sizes."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

PARTS = ("app.py", "cyclegan_core", "demo", "examples", "train")
PLAN = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
CORE = "cyclegan_core"
LONGEST_CHAIN = 13  # files, the app's own among them: what holds today, and may only become less
BELOW: dict[str, int] = {  # the lines of the plan, from the lowest
    **dict.fromkeys(("errors", "atomic", "user_cache"), 0),
    **{"deadline": 1, "provenance": 1, "runtime": 1, "images": 2},
    **dict.fromkeys(("faces", "networks", "losses", "image_pool", "diff_augment"), 3),
    **{"translations": 4, "inference": 5, "video": 6, "benchmark": 7, "cli": 8},
}


def files(*endings: str) -> list[Path]:
    found = [path for part in PARTS for path in (ROOT / part, *(ROOT / part).rglob("*")) if path.is_file()]
    return [path for path in found if path.suffix in endings and "__pycache__" not in path.parts]


@cache
def imports() -> dict[str, set[str]]:
    """Modules of the project, and those that each imports, be it at its top or within a function.

    What is imported for types alone, under `TYPE_CHECKING`, is not carried out and does not count.
    """
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
               for path in files(".py")}  # fmt: skip
    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        named: set[str] = set()
        for node in carried_out(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                named |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{module}: a relative import"
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= {name if name in modules else str(node.module) for name in whole}
        graph[module] = {name for name in named if name in modules} - {module}
    return graph


def carried_out(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, without what stands under `if TYPE_CHECKING`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)):
            yield from carried_out(child)


def arrows() -> list[tuple[str, str]]:
    return [(module, imported) for module, others in imports().items() for imported in sorted(others)]


def test_the_plan_is_short_and_what_it_names_exists() -> None:
    assert len(PLAN.splitlines()) < 120
    named = [name for name in re.findall(r"`([\w./]+)`", PLAN) if "/" in name or name.endswith(".py")]
    assert len(named) > 25
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_folder_is_in_the_plan() -> None:
    tabs = ROOT / "demo" / "tabs"
    folders = {path.parent for path in files(".py") if path.parent != ROOT and path.parent.parent != tabs}
    assert {f"{folder.relative_to(ROOT)}/" for folder in folders} - set(re.findall(r"`([\w./]+)`", PLAN)) == set()


@pytest.mark.parametrize(
    ("part", "foreign"),
    [
        (CORE, {"app", "demo", "train", "examples"}),
        ("train", {"app", "demo", "examples"}),
        ("demo", {"app", "train", "examples"}),
        (f"{CORE}.networks", {f"{CORE}.{name}" for name in BELOW} - {f"{CORE}.networks", f"{CORE}.errors"}),
        (f"{CORE}.faces", {f"{CORE}.networks", f"{CORE}.translations", f"{CORE}.inference"}),
    ],
)
def test_no_import_of_what_it_must_not_know(part: str, foreign: set[str]) -> None:
    within = [(module, name) for module, name in arrows() if f"{module}.".startswith(f"{part}.")]
    assert within
    assert [(m, name) for m, name in within if any(f"{name}.".startswith(f"{other}.") for other in foreign)] == []


def test_the_library_imports_downwards_only() -> None:
    levels = [
        (module, name, BELOW.get(module.split(".")[1], 99), BELOW[name.split(".")[1]])
        for module, name in arrows()
        if module.startswith(f"{CORE}.") and name.startswith(f"{CORE}.")
    ]
    assert len(levels) > 40
    sideways = [module.split(".")[1] == name.split(".")[1] for module, name, _, _ in levels]
    upwards = [at[:2] for at, beside in zip(levels, sideways, strict=True) if at[2] <= at[3] and not beside]
    assert upwards == []


def test_no_circle_and_no_long_chain_of_imports() -> None:
    chains: dict[str, list[str]] = {}
    for module in TopologicalSorter(imports()).static_order():  # it raises where imports go in a circle
        chains[module] = [module, *max((chains[name] for name in imports()[module]), key=len, default=[])]
    longest = max(chains.values(), key=len)
    assert len(longest) <= LONGEST_CHAIN, " → ".join(longest)


def test_no_file_is_long() -> None:
    paths = (*files(".py", ".js", ".css"), *(ROOT / "tests").rglob("*.py"))
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {name: length for name, length in lengths.items() if length > 350} == {}


def test_no_folder_is_crowded() -> None:
    crowds = Counter(path.parent.relative_to(ROOT) for path in files(".py", ".js", ".css", ".html"))
    assert {str(folder): count for folder, count in crowds.items() if count > 12 and folder.parts} == {}
