"""Measure `cxr-edge score`: its throughput beside that of inference alone, and its cost per film up to 100,000 films.

    python scripts/bench_score.py [--sizes 1000,3000,...] [--rounds N] [--side PX] [--films DIR] [--plot FILE]

Throughput: worker processes that score take turns with the same number that only run the model on films decoded
before, with one interpreter on a thread, and with one interpreter that has all cores. Cost: the whole command on
folders of growing size, of simulated films that are all different and are drawn here, on all cores, before the clock
runs; --films keeps them for the next time, without it they go. Engines: the whole command with each, in turns. Writes
build/bench-score.json. On a busy machine the processor times and the ratios of one run are what to read.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cxr_edge.archive import plan as plans
from cxr_edge.archive import shards
from cxr_edge.archive.members import Member
from cxr_edge.archive.scoring import Partition, Scorer
from cxr_edge.bundles.bundle import Bundle, default_bundle_path
from cxr_edge.contract import Pixels
from cxr_edge.engines import base, registry
from cxr_edge.imaging import decoder
from cxr_edge.models import read_model
from cxr_edge.phantom.radiograph import render
from cxr_edge.processes.cores import count_cores
from cxr_edge.runtimes.registry import open_content
from cxr_edge.system import files
from cxr_edge.system.progress import Progress

FEW = 300
DECODED = 50
TURN = 100
FOLDER = 1000
_SHARDS = 20


@dataclass
class Alone:
    """Runs the model on films that are decoded; a task is how many."""

    model: bytes
    films: list[Pixels]
    threads: int = 1
    _runtime: Any = field(default=None, repr=False)

    def open(self) -> None:
        """Open the model."""
        self._runtime = open_content(self.model, "tflite", threads=self.threads)

    def run(self, task: int) -> float:
        """Return the processor time in seconds."""
        start_s = time.process_time()
        for index in range(task):
            self._runtime.run(self.films[index % len(self.films)][np.newaxis])
        return time.process_time() - start_s


@dataclass
class Whole:
    """Scores partitions as the command does."""

    scorer: Scorer

    def open(self) -> None:
        """Open the model."""
        self.scorer.open()

    def run(self, task: Partition) -> float:
        """Return the processor time in seconds."""
        start_s = time.process_time()
        self.scorer.run(task)
        return time.process_time() - start_s


def draw_films(folder: Path, side_px: int, count: int) -> list[Path]:
    """Draw different films as JPEG, `side_px` a side, a folder of a thousand at a time; what is there already stays."""
    draw = partial(_draw_folder, folder, side_px, count)
    paths: list[Path] = []
    with ProcessPoolExecutor(count_cores()) as pool, Progress("drawing films", count) as progress:
        for drawn in pool.map(draw, range(0, count, FOLDER)):
            paths += drawn
            progress.advance(len(drawn))
    return paths


def _draw_folder(folder: Path, side_px: int, count: int, start: int) -> list[Path]:
    place = folder / f"{start // FOLDER:04}"
    place.mkdir(parents=True, exist_ok=True)
    paths = [place / f"{index:07}.jpg" for index in range(start, min(start + FOLDER, count))]
    for index, path in enumerate(paths, start):
        if path.exists():
            continue
        film = Image.fromarray(render(index, "covid" if index % 2 else "none").pixels)
        with files.atomic_write(path) as handle:
            film.resize((side_px, side_px), Image.Resampling.BICUBIC).save(handle, "JPEG", quality=90)
    return paths


def time_engine(work: Any, tasks: Sequence[Any], workers: int) -> tuple[float, float]:
    """Return milliseconds a film, passed and of the processor, once all workers are under way."""
    stamps: list[float] = []
    used: list[float] = []
    for _, seconds in registry.run("local", work, iter(tasks), workers=workers):
        if isinstance(seconds, base.Lost):
            raise SystemExit(f"a worker died: {seconds.reason}")
        stamps.append(time.perf_counter())
        used.append(seconds)
    films = (len(tasks) - workers) * TURN
    return (stamps[-1] - stamps[workers - 1]) / films * 1e3, sum(used[workers:]) / films * 1e3


def measure_throughput(paths: Sequence[Path], artifact_name: str, rounds: int, turns: int) -> dict[str, Any]:
    """Return medians over rounds of scoring and of inference alone in its three forms, in turns."""
    bundle = Bundle.read(default_bundle_path())
    artifact = bundle.artifact(artifact_name)
    model, cores = read_model(bundle, artifact), count_cores()
    decoded = [decoder.read(path).pixels for path in paths[:DECODED]]
    members = [Member(path.name) for path in paths[:TURN]]
    scorer = Scorer(model, bundle.manifest, paths[0].parent)
    forms: dict[str, tuple[Any, Any, int]] = {
        "score": (Whole(scorer), Partition(0, members), cores),
        "processes": (Alone(model.content, decoded), TURN, cores),
        "one_thread": (Alone(model.content, decoded), TURN, 1),
        "all_threads": (Alone(model.content, decoded, threads=cores), TURN, 1),
    }
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in forms}
    for _ in range(rounds):
        for name, (work, task, workers) in forms.items():
            found[name].append(time_engine(work, [task] * turns, workers))
    wall = {name: statistics.median(passed for passed, _ in values) for name, values in found.items()}
    # The rounds in which other processes took least.
    best = {name: min(passed for passed, _ in values) for name, values in found.items()}
    used = {name: statistics.median(cpu for _, cpu in values) for name, values in found.items()}
    # Ratios within a round, since load changes from one to the next.
    ratios = {
        name: statistics.median(found[name][at][0] / found["score"][at][0] for at in range(rounds))
        for name in forms
        if name != "score"
    }
    return {
        "artifact": artifact.name,
        "cores": cores,
        "wall_ms": wall,
        "best_wall_ms": best,
        "processor_ms": used,
        "throughput_kept": ratios,
        "best_throughput_kept": {name: best[name] / best["score"] for name in ratios},
        "kept_by_processor_time": used["processes"] / used["score"],
        "one_thread_kept_by_processor_time": used["one_thread"] * cores / used["score"],
    }


def link_films(films: Sequence[Path], folder: Path) -> None:
    """Make a link to each film, in folders as theirs."""
    for film in films:
        place = folder / film.parent.name
        place.mkdir(parents=True, exist_ok=True)
        os.link(film, place / film.name)


class Memory(threading.Thread):
    """Looks at the resident memory of a process and of its children until it ends; `peak_mib` is the largest sum."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak_mib, self.own_peak_mib = pid, 0.0, 0.0
        self.over = threading.Event()

    def run(self) -> None:
        """Look until `over` is set."""
        while not self.over.wait(0.25):
            sizes = {pid: _resident_mib(pid) for pid in (self.pid, *_children(self.pid))}
            self.peak_mib = max(self.peak_mib, sum(sizes.values()))
            self.own_peak_mib = max(self.own_peak_mib, sizes[self.pid])


def _children(pid: int) -> Iterable[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found


def _resident_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    except (OSError, IndexError):
        return 0.0


def measure_size(films: Sequence[Path], folder: Path, engine: str = "local") -> dict[str, Any]:
    """Run the whole command on films; return its times a film, and the memory of all its processes."""
    count = len(films)
    if not (folder / "films").exists():
        link_films(films, folder / "films")
    out = folder / f"out-{uuid.uuid4().hex[:8]}"
    command = [sys.executable, "-m", "cxr_edge", "score", str(folder / "films"), "--out", str(out), "--json"]
    command += ["--engine", engine]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    memory = Memory(process.pid)
    memory.start()
    summary = json.loads(process.communicate()[0])
    passed_s = time.perf_counter() - start_s
    memory.over.set()
    memory.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    shards = sum(path.stat().st_size for path in out.glob("part-*.parquet"))
    return {
        "films": summary["films"],
        "shards": summary["shards"],
        "wall_ms": passed_s / count * 1e3,
        "processor_ms": used_s / count * 1e3,
        "peak_mib": memory.peak_mib,
        "planner_peak_mib": memory.own_peak_mib,
        "shard_bytes": shards / count,
        "plan_bytes": (out / "_plan" / "films.jsonl").stat().st_size / count,
    }


def compare_engines(films: Sequence[Path], folder: Path, rounds: int) -> dict[str, Any]:
    """Return the times that the whole command took with each engine, in turns that begin with either."""
    passed: dict[str, list[float]] = {"local": [], "ray": []}
    for number in range(rounds):
        for engine in sorted(passed, reverse=number % 2 == 1):
            passed[engine].append(measure_size(films, folder, engine)["wall_ms"] * len(films) / 1e3)
    ratios = [ray / local for local, ray in zip(passed["local"], passed["ray"], strict=True)]
    return {"films": len(films), "passed_s": passed, "ray_to_local": statistics.median(ratios)}


def measure_planner(folder: Path, films: int = 200_000) -> dict[str, float]:
    """Return processor microseconds a film of what only one process does: the plan, and the shards from rows."""
    members = (Member(f"{index % 997:04}/{files.sha256_bytes(b'%d' % index)[:24]}.png") for index in range(films))
    start_s = time.process_time()
    plan = plans.make(members, folder)
    plan_s = time.process_time() - start_s
    start_s = time.process_time()
    found = [plan.members(index) for index in range(plan.partitions)]
    read_s = time.process_time() - start_s
    bundle = Bundle.read(default_bundle_path())
    run = shards.describe_run(bundle.manifest, bundle.artifact("int8"), plan.sha256, plan.partitions)
    chance = np.random.default_rng(0)
    rows = [
        shards.Row(member.path, chance.bytes(32).hex(), (value, 1 - value), "covid", 1 + value, False)
        for member, value in zip(found[0], chance.random(len(found[0])).tolist(), strict=True)
    ]
    start_s = time.process_time()
    for index in range(_SHARDS):
        files.write_bytes(folder / shards.shard_name(index), shards.encode(rows, run, index))
    written_s = (time.process_time() - start_s) / _SHARDS / len(rows)
    size = (folder / shards.shard_name(0)).stat().st_size / len(rows)
    return {
        "plan_us": plan_s / films * 1e6,
        "read_us": read_s / films * 1e6,
        "shard_us": written_s * 1e6,
        "shard_films": float(len(rows)),
        "shard_bytes": size,
    }


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw cost per film and memory over the number of films."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "cxr-edge"
    from matplotlib import pyplot

    films = [row["films"] for row in rows]
    figure, (cost, memory) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    cost.plot(films, [row["processor_ms"] for row in rows], "o-", color="#205080", label="processor time")
    cost.plot(films, [row["wall_ms"] for row in rows], "s--", color="#b05020", label="time passed")
    cost.set(xscale="log", xlabel="films", ylabel="ms a film", title="Cost of a film", ylim=(0, None))
    cost.legend()
    memory.plot(films, [row["peak_mib"] for row in rows], "o-", color="#205080", label="all processes")
    memory.plot(films, [row["planner_peak_mib"] for row in rows], "s--", color="#b05020", label="the one that plans")
    memory.set(xscale="log", xlabel="films", ylabel="peak resident memory, MiB", title="Memory", ylim=(0, None))
    memory.legend()
    for axes in (cost, memory):
        axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="1000,3000,10000", help="films of each archive")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the throughput (default: 5)")
    parser.add_argument("--turns", type=int, default=12, help="hundreds of films a turn (default: 12)")
    parser.add_argument("--side", type=int, default=320, help="the films' size in pixels (default: 320)")
    parser.add_argument("--artifacts", default="int8", help="artifacts of the shipped bundle (default: int8)")
    parser.add_argument("--films", type=Path, help="folder that keeps the films drawn (default: they go)")
    parser.add_argument("--engines", type=int, default=0, help="films for local beside ray (default: 0, left out)")
    parser.add_argument("--plot", type=Path, help="draw cost and memory into this file")
    arguments = parser.parse_args()
    report: dict[str, Any] = {
        "load_before": os.getloadavg()[0],
        "side_px": arguments.side,
        "throughput": [],
        "sizes": [],
    }
    sizes = [int(size) for size in arguments.sizes.split(",") if size]
    with tempfile.TemporaryDirectory(dir=arguments.films and arguments.films.parent) as name:
        store = arguments.films or Path(name) / "drawn"
        films = draw_films(store, arguments.side, max([*sizes, arguments.engines, FEW]))
        for artifact in arguments.artifacts.split(","):
            found = measure_throughput(films[:FEW], artifact, arguments.rounds, arguments.turns)
            report["throughput"].append(found)
            print(json.dumps(found), flush=True)
        report["planner"] = measure_planner(Path(name) / "planner")
        print(json.dumps(report["planner"]), flush=True)
        for number, size in enumerate(sizes):
            report["sizes"].append(measure_size(films[:size], Path(name) / str(number)))
            print(json.dumps(report["sizes"][-1]), flush=True)
        if arguments.engines:
            report["engines"] = compare_engines(films[: arguments.engines], Path(name) / "engines", arguments.rounds)
            print(json.dumps(report["engines"]), flush=True)
    report["load_after"] = os.getloadavg()[0]
    files.write_json(Path("build/bench-score.json"), report)
    if arguments.plot is not None and report["sizes"]:
        plot(report["sizes"], arguments.plot)


if __name__ == "__main__":
    main()
