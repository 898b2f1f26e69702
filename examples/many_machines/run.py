"""Translates a folder, a bucket or WebDataset shards on Ray Data: on the cores of this machine, or on a cluster.

    pip install ray==2.60.0 pyarrow==26.0.1
    python examples/many_machines/run.py photos/ translated/ --direction to_female
    python examples/many_machines/run.py s3://mine/shards s3://mine/translated --direction older+to_anime \
        --address auto --workers 64                                     # a cluster that is running: docs/scaling.md

Pictures become pictures under the same names, as the command `translate` names them; a shard (.tar) becomes a shard
whose other members (.json, .txt, .cls) are copied. What is written and newer than its source is left out, so that the
same command goes on after a stop. A picture that cannot be translated, or has no face, costs a line in the report.
Prints the pictures a second, and with --compare 32 how often that is what one process does with the first 32.
Buckets are those that pyarrow reads: s3://, gs://, abfs://, hdfs://, hf://. Folders must be the same on all machines.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pyarrow import fs as filesystems
from tqdm import tqdm

from cyclegan_core import CycleganError, images
from cyclegan_core.cli.output import say
from cyclegan_core.cli.selection import add_arguments
from cyclegan_core.cli.translate import plan
from examples.many_machines.worker import SHARD, TOGETHER, Translator, Work, filesystem


def find_work(source: str, target: str, workers: int) -> tuple[list[Work], int]:
    """What is to be done, and how many pictures and shards are done. Raises CycleganError where there is nothing."""
    (reading, root), (writing, goal) = filesystem(source), filesystem(target)
    if type(reading) is type(writing) and root == goal:
        raise CycleganError("The results need another place than their sources, which are never overwritten.")
    found: list[tuple[Path, Path]] = []
    changed: dict[str, int] = {}
    for info in _files(reading, root):
        below = PurePosixPath(info.path).relative_to(root)
        results = type(reading) is type(writing) and info.path.startswith(f"{goal}/")
        wanted = below.suffix.lower() in (*images.SUFFIXES, SHARD)
        if wanted and not results and not any(part.startswith(".") for part in below.parts):
            found.append((Path(info.path), Path(below)))
            changed[info.path] = info.mtime_ns or 0
    if not found:
        raise CycleganError(f"{source}: there are no pictures and no shards here; check the name")
    written = {info.path: info.mtime_ns or 0 for info in _files(writing, goal)}
    found.sort()
    shards = [(str(path), f"{goal}/{below.as_posix()}") for path, below in found if path.suffix.lower() == SHARD]
    jobs = plan([(path, below) for path, below in found if path.suffix.lower() != SHARD], Path(goal))
    pictures = [(str(job.source), job.target.as_posix()) for job in jobs]
    due = [[pair for pair in pairs if written.get(pair[1], -1) <= changed[pair[0]]] for pairs in (shards, pictures)]
    size = min(TOGETHER, -(-len(due[1]) // (2 * workers))) or 1  # so that each worker gets some
    pieces = [[shard] for shard in due[0]] + [due[1][i : i + size] for i in range(0, len(due[1]), size)]
    works = [Work([pair[0] for pair in piece], [pair[1] for pair in piece]) for piece in pieces]
    return works, len(found) - len(due[0]) - len(due[1])


def _files(system: Any, root: str) -> list[Any]:
    selector = filesystems.FileSelector(root, recursive=True, allow_not_found=True)
    return [info for info in system.get_file_info(selector) if info.type == filesystems.FileType.File]


def on_one_process(works: list[Work], most: int, options: argparse.Namespace) -> float:
    """Pictures a second of this process alone, on the first of them. Its results are thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        translator = Translator(options.source, folder, options)
        done, seconds = 0, 0.0
        for work in works:
            targets = [f"{folder}/{number}{Path(target).suffix}" for number, target in enumerate(work.targets)]
            told = translator.work(Work(work.sources, targets))
            done, seconds = done + sum(told["counts"].values()), seconds + told["ended"] - told["began"]
            if done >= most:
                break
    return done / seconds


def on_ray(works: list[Work], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What came of each piece of work, as it is done."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use to a web service otherwise
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)

    own = {"num_cpus": max(options.workers, os.cpu_count() or 1), "include_dashboard": False}
    ray.init(
        address=options.address or "local",
        logging_level="ERROR",
        log_to_driver=False,
        **({} if options.address else own),
    )
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{"work": json.dumps(vars(work))} for work in works]
    try:
        yield from (
            json.loads(row["done"])
            for row in ray.data.from_items(rows, override_num_blocks=min(len(rows), 10_000))
            .map_batches(
                Translator,
                fn_constructor_args=(options.source, options.target, options),
                compute=ray.data.ActorPoolStrategy(size=options.workers),
                batch_size=1,
                num_cpus=1,
                num_gpus=options.gpus,
            )
            .iter_rows()
        )
    finally:
        ray.shutdown()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a folder, or a bucket such as s3://name/folder, with pictures or shards")
    parser.add_argument("target", help="a folder or a bucket for the results")
    add_arguments(parser)
    parser.add_argument("--workers", type=int, default=2, help="translators at work at the same time (default: 2)")
    parser.add_argument("--gpus", type=float, default=0, help="of a worker: 1, or 0.5 where two share one (default: 0)")
    parser.add_argument("--address", help="of a running cluster, `auto` on one of its machines (default: this machine)")
    parser.add_argument("--report", type=Path, default=Path("report.jsonl"), help="file for a line for each problem")
    parser.add_argument("--compare", type=int, default=0, metavar="N", help="time one process on N pictures first")
    options = parser.parse_args()
    options.source, options.target = (place if "://" in place else os.path.abspath(place)
                                      for place in (options.source, options.target))  # fmt: skip

    works, skipped = find_work(options.source, options.target, options.workers)
    if skipped:
        say(f"{skipped} skipped: {options.target} has their results already")
    alone = on_one_process(works, options.compare, options) if works and options.compare else 0.0
    counts: Counter[str] = Counter()
    began, ended = float("inf"), 0.0
    with options.report.open("w", encoding="utf-8") as report, tqdm(total=len(works), disable=None) as bar:
        for told in on_ray(works, options) if works else ():
            counts.update(told["counts"])
            began, ended = min(began, told["began"]), max(ended, told["ended"])
            report.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in told["lines"])
            report.flush()
            bar.update()
    print(f"{counts['translated']} translated, {counts['no face']} without a face, {counts['failed']} failed")
    if works:
        rate = counts.total() / (ended - began)
        times = f", {rate / alone:.2f} times the {alone:.2f} of one process" if alone else ""
        print(f"{options.workers} workers: {rate:.2f} pictures/s{times}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except CycleganError as error:
        sys.exit(str(error))
