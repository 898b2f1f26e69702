"""What the names of UTKFace files say of the people in them: age, sex and ancestry, as its makers labelled them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

NAMED = re.compile(r"(\d{1,3})_([01])_([0-4])_\d")  # [age]_[gender]_[race]_[date and time]
SEXES = ("male", "female")
ANCESTRIES = ("White", "Black", "Asian", "Indian", "other")  # its words; the nearest it has to a skin tone
BANDS = ((0, 17), (18, 29), (30, 44), (45, 59), (60, 116))


@dataclass(frozen=True)
class Person:
    age: int
    sex: str
    ancestry: str

    @property
    def band(self) -> str:
        low, high = next(band for band in BANDS if band[0] <= self.age <= band[1])
        return f"{low} to {high} years"


def person(name: str) -> Person | None:
    """Who is in the file of that name; None where it does not tell."""
    found = NAMED.match(name)
    if not found or int(found[1]) > BANDS[-1][1]:
        return None
    return Person(int(found[1]), SEXES[int(found[2])], ANCESTRIES[int(found[3])])


def groups(names: Sequence[str]) -> dict[str, list[int]]:
    """Rows of the names by sex, age band and ancestry, in this order; empty where not every name tells."""
    people = [person(name) for name in names]
    known = [p for p in people if p]
    if len(known) < len(people):
        return {}
    found: dict[str, list[int]] = {}
    for kind in ("sex", "band", "ancestry"):
        labels = [getattr(p, kind) for p in known]
        for label in sorted(set(labels)):
            found[label] = [row for row, other in enumerate(labels) if other == label]
    return found
