"""What the figures of train/evaluate.py are called and mean, as tables for model cards."""

from collections.abc import Mapping
from typing import Any

# Of each figure: its name in metrics.json, what people read, how it is printed, and what it says.
FIGURES = (
    ("pictures", "test pictures", "{:,}", ""),
    ("judged_other_before", "judged the other domain, before", "{:.1%}", "mistakes of the judge"),
    ("judged_other_after", "judged the other domain, after", "**{:.1%}**", "higher is better"),
    ("kid_share", "KID, as a share of the untouched pictures'", "**{:.2f}**", "0: as real ones; 1: nothing was done"),
    ("kid", "KID to real pictures of the other domain", "{:.4f}", "lower is better"),
    ("kid_untouched", "KID of the untouched pictures", "{:.4f}", ""),
    ("fid", "FID to real pictures of the other domain", "{:.1f}", "lower is better; of few pictures it is too high"),
    ("fid_untouched", "FID of the untouched pictures", "{:.1f}", ""),
    ("years", "years that the age judge sees added", "**{:+.1f}**", ""),
    ("kept", "judged as before in what must stay", "{:.1%}", "see above for the judge of it"),
    ("rank_1", "nearest of 100 to its own source", "{:.1%}", "is it still the same one"),
    ("likeness_own", "likeness to its own source", "{:.2f}", "cosine of features"),
    ("likeness_others", "likeness to other sources", "{:.2f}", ""),
    ("cycle", "error after there and back", "{:.1f}", "mean absolute, in 1/255"),
    ("feature_variety", "variety by features", "{:.2f}", "1: as before; near 0: all look the same"),
    ("variety", "variety by pixels", "{:.2f}", "the same"),
    ("skin_shift", "moved colour of the face", "{:.1f}", "in 1/255"),
    ("border_shift", "moved colour around the face", "{:.1f}", "in 1/255"),
    ("change", "mean change of a pixel", "{:.1f}", "in 1/255"),
)
GROUPED = ("pictures", "judged_other_after", "years", "rank_1", "skin_shift")


def table_of_figures(metrics: Mapping[str, Any]) -> str:
    """A Markdown table with a row for each figure that was measured and a column for each direction."""
    directions = metrics["translation"]
    rows = [f"| figure | {' | '.join(directions)} | |", f"| --- |{' --- |' * (len(directions) + 1)}"]
    for key, words, shape, means in FIGURES:
        values = [figures.get(key) for figures in directions.values()]
        if any(value is not None for value in values):
            cells = ["–" if value is None else shape.format(value) for value in values]
            rows.append(f"| {words} | {' | '.join(cells)} | {means} |")
    return "\n".join(rows)


def table_of_groups(metrics: Mapping[str, Any]) -> str:
    """The figures by groups of people, as the names of the files tell them; empty where they tell none."""
    groups = metrics.get("groups") or {}
    shown = [(key, words, shape) for key, words, shape, _ in FIGURES if key in GROUPED]
    measured = [f for by_group in groups.values() for f in by_group.values()]
    shown = [item for item in shown if any(f.get(item[0]) is not None for f in measured)]
    if not measured:
        return ""
    rows = [
        "By groups, as the labels of the data have them; figures of few pictures are by chance:",
        "",
        f"| direction | group | {' | '.join(words for _, words, _ in shown)} |",
        f"| --- | --- |{' --- |' * len(shown)}",
    ]
    for direction, by_group in groups.items():
        for group, figures in by_group.items():
            cells = ["–" if figures.get(k) is None else shape.format(figures[k]) for k, _, shape in shown]
            rows.append(f"| {direction} | {group} | {' | '.join(cells).replace('**', '')} |")
    return "\n".join(rows)


def describe_judges(metrics: Mapping[str, Any]) -> str:
    """Who measured, on what, and how far each can be trusted: a figure is no more certain than its judge."""
    protocol, judges = metrics.get("protocol", {}), metrics.get("judges", {})
    lines = [
        f"Measured on {protocol.get('pictures', 'all')} pictures of the {protocol.get('split', 'test')} split of "
        f"{protocol.get('data', 'the data')}, which training never saw, "
        f"{protocol.get('shown', 'as the page shows them')}."
    ]
    lines += [f"- {judge['words']}" for judge in judges.values()]
    return "\n".join([lines[0], "", *lines[1:]]) if judges else lines[0]
