"""Score an archive: plan, spread the partitions over an engine, write their shards, and go on where a run stopped."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxr_edge import models
from cxr_edge.archive import plan as plans
from cxr_edge.archive import shards, survey
from cxr_edge.archive.scoring import Partition, Scorer, to_lost_row
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.manifest import Artifact
from cxr_edge.engines import base, registry
from cxr_edge.errors import OutputError, RuntimeFailure, UsageError
from cxr_edge.system import files, locks
from cxr_edge.system.about import RESEARCH_ONLY
from cxr_edge.system.progress import Progress, say

__all__ = ["ScoreOptions", "Summary", "score"]

_LOCK_NAME = "_lock"
_NAMED_ERRORS = 10
# After so many tasks at which the workers died, and none that was done, the fault is not the films'.
_HOPELESS = 3


@dataclass(frozen=True)
class ScoreOptions:
    """How to score: engine and workers, where overlays go, films a shard, and whether to look for changes first."""

    engine: str = "local"
    workers: int | None = None
    heatmap: Path | None = None
    shard_films: int | None = None
    as_listed: bool = False


@dataclass(frozen=True)
class Summary:
    """What a run left: counts over all shards, and how many films this run scored itself in `elapsed_s`."""

    tally: shards.Tally
    out: Path
    run: dict[str, Any]
    scored: int
    elapsed_s: float

    def to_json(self) -> dict[str, Any]:
        """Return the summary as a JSON object."""
        counts = self.tally
        return {
            "out": str(self.out),
            "films": counts.films,
            "labels": dict(sorted(counts.labels.items())),
            "untypical": counts.untypical,
            "failed": counts.failed,
            "errors": [{"error": error, "films": films} for error, films in counts.errors.most_common(_NAMED_ERRORS)],
            "model": self.run["model"],
            "shards": self.run["partitions"],
            "scored_now": self.scored,
            "elapsed_s": round(self.elapsed_s, 2),
            "research_only": RESEARCH_ONLY,
        }


def score(archive: Path, out: Path, bundle: Bundle, artifact: Artifact, options: ScoreOptions) -> Summary:
    """Score every film of `archive` into shards in `out`, or what a run before left to do, and return the summary.

    Raises DataError, UsageError where `out` is of another model or list or another run holds it, OutputError,
    BundleError, RuntimeFailure, MissingExtraError.
    """
    started_s = time.monotonic()
    shards.import_parquet()
    root = survey.root_of(archive)
    _check_places(archive, options.heatmap)
    model = models.read_model(bundle, artifact)
    # One that cannot run is an error before anything is listed or written.
    model.open().close()
    with _locked(files.prepare_folder(out)):
        files.sweep_temporaries(out)
        plan = _plan(archive, out, options)
        run = shards.describe_run(bundle.manifest, artifact, plan.sha256, plan.partitions)
        done = shards.find_done(out, run)
        heatmap = options.heatmap and Path(os.path.abspath(files.prepare_folder(options.heatmap)))
        scorer = Scorer(model, bundle.manifest, root, heatmap)
        store = shards.ShardStore(out, run)
        scored = _score_rest(plan, done, scorer, store, options)
        return Summary(shards.tally(out), out, run, scored, time.monotonic() - started_s)


def _check_places(archive: Path, heatmap: Path | None) -> None:
    if heatmap is not None and Path(os.path.realpath(heatmap)).is_relative_to(os.path.realpath(archive)):
        raise UsageError(f"{heatmap}: lies in the archive {archive}, so its overlays would be films; choose another")


def _plan(archive: Path, out: Path, options: ScoreOptions) -> plans.Plan:
    """Return the plan of the run before, where it is still that of the archive, else a new one."""
    if not (out / plans.PLAN_NAME).exists():
        say(f"cxr-edge: listing {archive}")
        return plans.make(survey.list_members(archive), out, shard_films=options.shard_films)
    plan = plans.read(out)
    if options.shard_films not in (None, plan.shard_films):
        raise UsageError(
            f"--shard-films {options.shard_films}: the run in {out} has {plan.shard_films}; leave the option out, or "
            "choose another --out"
        )
    if not options.as_listed:
        say(f"cxr-edge: looking for changes in {archive} since {out} was begun")
        found = plans.survey_digest(survey.list_members(archive))
        if found != plan.listing:
            raise UsageError(
                f"{archive}: has other films ({found.members}) than when {out} began ({plan.listing.members}); go on "
                "with those of then by --as-listed, or choose another --out"
            )
    return plan


def _score_rest(
    plan: plans.Plan, done: set[int], scorer: Scorer, store: shards.ShardStore, options: ScoreOptions
) -> int:
    """Score the partitions that are not done, and return how many films they had."""
    left = [index for index in range(plan.partitions) if index not in done]
    films = sum(map(plan.size_of, left))
    if done:
        say(f"cxr-edge: {plan.films - films} of {plan.films} films were scored before")
    if not left:
        return 0
    tasks = (Partition(index, plan.members(index)) for index in left)
    lost: list[Partition] = []
    started_s = time.monotonic()
    with (
        Progress("scoring films", films) as progress,
        contextlib.closing(registry.run(options.engine, scorer, tasks, workers=options.workers)) as answers,
    ):
        for partition, answer in answers:
            if isinstance(answer, base.Lost):
                say(f"cxr-edge: partition {partition.index}: {answer.reason}; its films are tried one by one")
                lost.append(partition)
                _refuse_hopeless(answer, len(lost) < _HOPELESS or progress.done)
                continue
            store.put_rows(partition.index, answer)
            rate = (progress.done + len(answer)) / max(time.monotonic() - started_s, 1e-6)
            progress.advance(len(answer), f"{rate:.0f} films/s")
        for partition in lost:
            rows = _score_singly(partition, scorer, options, progress.done)
            store.put_rows(partition.index, rows)
            progress.advance(len(rows))
    return films


def _score_singly(partition: Partition, scorer: Scorer, options: ScoreOptions, done: int) -> list[shards.Row]:
    """Return the rows of a partition at which workers died, the films that are to blame with an error."""
    tasks = [Partition(number, [member]) for number, member in enumerate(partition.members)]
    rows: dict[int, shards.Row] = {}
    work = _Single(scorer, partition.index)
    with contextlib.closing(registry.run(options.engine, work, tasks, workers=options.workers)) as answers:
        for task, answer in answers:
            if isinstance(answer, base.Lost):
                rows[task.index] = to_lost_row(task.members[0])
                _refuse_hopeless(answer, done or len(rows) < min(len(tasks), _HOPELESS))
            else:
                rows[task.index] = answer[0]
                done += 1
    return [rows[number] for number in range(len(tasks))]


def _refuse_hopeless(lost: base.Lost, hope: int) -> None:
    """Give up where workers die whatever they are given. Raises RuntimeFailure."""
    if not hope:
        raise RuntimeFailure(
            f"no worker gets a film done: {lost.reason}; see that they have memory, and the same cxr-edge wherever "
            "they run"
        )


@dataclass
class _Single:
    """A scorer whose tasks are single films, numbered, of one partition."""

    scorer: Scorer
    partition: int

    def open(self) -> None:
        """Open the model."""
        self.scorer.open()

    def run(self, task: Partition) -> list[shards.Row]:
        """Return the row of one film."""
        return self.scorer.run(Partition(self.partition, task.members))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this run. Raises UsageError when another one does."""
    path = folder / _LOCK_NAME
    try:
        handle = path.open("ab")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}); choose another place") from error
    with handle:
        if not locks.try_lock(handle.fileno()):
            raise UsageError(f"{folder}: another run is writing to it; wait for that one, or stop it")
        yield
