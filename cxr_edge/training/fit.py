"""Fit the stages of a training run, epoch by epoch, with a checkpoint that a killed run goes on from."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cxr_edge.bundles.golden import UNREADABLE
from cxr_edge.errors import TrainingError
from cxr_edge.system import files
from cxr_edge.system.progress import Progress, say
from cxr_edge.system.text import first_line
from cxr_edge.training.distillation import DistillationLoss, Teachers
from cxr_edge.training.network.frozen_backbone import Front
from cxr_edge.training.network.model import backbone_of, freeze, split
from cxr_edge.training.options import Stage, TrainOptions
from cxr_edge.training.ranking import RankedModel
from cxr_edge.training.training_set import Batches, Films, TrainingSet
from cxr_edge.training.weight_smoothing import Average, Shake

__all__ = ["Checkpoint", "fit"]

Epoch = dict[str, float]
Read = Callable[[Any, int], tuple[Any, Any]]
_LISTS = ("weights", "best", "optimizer", "average")


@dataclass
class Checkpoint:
    """Where a run stands: the stage and epoch to do next, every epoch's figures, and all weights."""

    path: Path
    stage: int = 0
    epoch: int = 0
    history: list[Epoch] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    best: list[Any] = field(default_factory=list)
    optimizer: list[Any] = field(default_factory=list)
    average: list[Any] = field(default_factory=list)

    def write(self, run: str) -> None:
        """Write all of it as one file, atomically; `run` identifies options and data."""
        arrays = {"state": np.array(json.dumps([run, self.stage, self.epoch, self.history]))}
        for name in _LISTS:
            arrays |= {f"{name}_{number:04d}": value for number, value in enumerate(getattr(self, name))}
        with files.atomic_write(self.path) as handle:
            np.savez(handle, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: Path, run: str) -> Checkpoint:
        """Read what `write` wrote. Raises TrainingError when it is of another run or damaged."""
        try:
            with np.load(io.BytesIO(files.read_capped(path, 4 * 2**30)), allow_pickle=False) as stored:
                written_by, stage, epoch, history = json.loads(str(stored["state"]))
                lists = {
                    name: [stored[key] for key in sorted(stored.files) if key.startswith(f"{name}_")] for name in _LISTS
                }
        except UNREADABLE as error:
            raise TrainingError(
                f"{path}: damaged checkpoint ({first_line(error)}); remove it and start again without --resume"
            ) from error
        if written_by != run:
            raise TrainingError(f"{path}: made with other options or data; repeat those, or start without --resume")
        return cls(path, stage, epoch, history, **lists)


def fit(
    classifier: keras.Model,
    films: Films,
    validation: Films,
    options: TrainOptions,
    state: Checkpoint,
    run: str,
    teachers: Teachers | None = None,
) -> list[Epoch]:
    """Train `classifier` through all stages, from where `state` stands; it ends with the best weights of the last one.

    `teachers` give the targets of the stages that have a temperature.

    Returns a dictionary an epoch: stage, epoch, loss, accuracy, val_loss, val_accuracy, val_auc. The best epoch of a
    stage has the lowest val_loss.
    """
    keras.utils.set_random_seed(options.seed)
    if state.weights:
        classifier.set_weights(state.weights)
    for number in range(state.stage, len(options.stages)):
        stage = options.stages[number]
        training = TrainingSet(
            films if stage.simulated else films.only_real(),
            balance=stage.balance or options.balance,
            augmentation=stage.augmentation or options.augmentation,
            seed=options.seed,
        )
        judged = validation if stage.simulated else validation.only_real()
        _fit_stage(classifier, training, judged, options, number, state, run, teachers if stage.temperature else None)
        classifier.set_weights(state.best)
        state.stage, state.epoch = number + 1, 0
        state.weights, state.best, state.optimizer, state.average = classifier.get_weights(), [], [], []
        state.write(run)
    return state.history


def _fit_stage(
    classifier: keras.Model,
    training: TrainingSet,
    validation: Films,
    options: TrainOptions,
    number: int,
    state: Checkpoint,
    run: str,
    teachers: Teachers | None,
) -> None:
    stage = options.stages[number]
    frozen = freeze(classifier, stage.unfreeze, settled=stage.settled)
    parts = split(classifier, frozen) if stage.copies else None
    tail = parts.tail if parts else classifier
    if stage.pairs:
        tail = RankedModel(tail.inputs, tail.outputs)
        tail.pairs = stage.pairs
    label = f"stage {number + 1}/{len(options.stages)}, {stage.unfreeze:.0%} unfrozen"
    say(f"{label}: {len(backbone_of(classifier).layers) - frozen} backbone layers train, up to {stage.epochs} epochs")
    _compile(tail, stage, options, focal=training.balance == "focal")
    front = Front(parts.front) if parts else None
    read = _reader(front, training, stage, state.path.parent / f"activations-{number}", label, run, teachers)
    held_out = front.run(validation.pixels) if front else validation.pixels
    # By the labels the best student would be the least sure one: an early epoch, far from what it is to learn.
    wanted = teachers.score(validation.pixels, validation.sources) if teachers else validation.targets
    _restore_optimizer(tail, state)
    average = Average(stage.average, state.average)
    while state.epoch < stage.epochs and not _is_done(state, number, stage):
        epoch = state.epoch
        steady: list[keras.callbacks.Callback] = [average] if stage.average else []
        steady += [Shake(stage.shake, (options.seed, number, epoch))] if stage.shake else []
        tail.optimizer.learning_rate.assign(stage.rate(epoch))
        shown = epoch % stage.copies if stage.copies else epoch
        batches = Batches(training, shown, options.batch_size, read(epoch), ranked=stage.pairs > 0)
        with Progress(f"{label}, epoch {epoch + 1}/{stage.epochs}", len(batches)) as progress:
            # Shaking comes first, so that the average sees the weights without the noise.
            fitted = tail.fit(batches, verbose=0, callbacks=[*steady[::-1], _Ticker(progress)], shuffle=False).history
            state.weights, state.average = classifier.get_weights(), average.weights
            if state.average:
                tail.set_weights(state.average)
            figures = _evaluate(tail, held_out, validation, wanted)
            progress.note = (
                f"loss {fitted['loss'][0]:.3f}, val loss {figures['val_loss']:.3f}, val AUC {figures['val_auc']:.3f}"
            )
        record = {
            "stage": number,
            "epoch": epoch,
            "loss": fitted["loss"][0],
            "accuracy": fitted["accuracy"][0],
        } | figures
        state.history.append(record)
        state.epoch += 1
        if _best(state, number) == epoch:
            state.best = classifier.get_weights()
        classifier.set_weights(state.weights)
        state.optimizer = [np.asarray(variable) for variable in tail.optimizer.variables]
        state.write(run)


def _compile(tail: keras.Model, stage: Stage, options: TrainOptions, *, focal: bool) -> None:
    if stage.temperature:
        loss: Any = DistillationLoss(stage.temperature)
    elif focal:
        loss = keras.losses.CategoricalFocalCrossentropy(label_smoothing=options.label_smoothing)
    else:
        # On a two-way softmax this is the paper's binary cross-entropy.
        loss = keras.losses.BinaryCrossentropy(label_smoothing=options.label_smoothing)
    optimizer = keras.optimizers.Adam(stage.learning_rate, weight_decay=stage.weight_decay or None)
    # XLA's jit is several times slower than plain graph mode for this network on a CPU.
    tail.compile(optimizer, loss, weighted_metrics=["accuracy"], jit_compile=False)


def _reader(
    front: Front | None,
    training: TrainingSet,
    stage: Stage,
    folder: Path,
    label: str,
    run: str,
    teachers: Teachers | None,
) -> Callable[[int], Read]:
    """Return, for an epoch, the function that reads a batch: augmented films or cached activations, and targets."""
    if front is None:
        return lambda epoch: lambda rows, start: _show(training, epoch, rows, start, teachers)
    copies: dict[int, Any] = {}

    def read(epoch: int) -> Read:
        copy = epoch % stage.copies
        if copy not in copies:
            copies[copy] = _activations(front, training, copy, folder / f"{run[:16]}-{copy}.npy", label, teachers)
        stored, targets = copies[copy]

        def take(rows: Any, start: int) -> tuple[Any, Any]:
            place = slice(start, start + len(rows))
            return np.asarray(stored[place], dtype=np.float32), targets[place]

        return take

    return read


def _show(training: TrainingSet, epoch: int, rows: Any, start: int, teachers: Teachers | None) -> tuple[Any, Any]:
    pixels = training.batch(epoch, rows, start)
    if teachers is None:
        return pixels, training.films.targets[rows]
    return pixels, teachers.score(pixels, [training.films.sources[row] for row in rows])


def _activations(
    front: Front, training: TrainingSet, copy: int, path: Path, label: str, teachers: Teachers | None
) -> tuple[Any, Any]:
    """Return the frozen part's activations of one augmented copy, and the targets of its films.

    They are read from `path` and from a file beside it when an earlier run left them there.
    """
    rows = training.order(copy)
    targets_path = path.with_suffix(".targets.npy")
    if not path.is_file():
        # Half precision is finer than the noise of augmentation, and halves what a long run keeps on disk.
        stored = np.empty((len(rows), *front.shape), dtype=np.float16)
        targets = np.empty((len(rows), training.films.targets.shape[1]), dtype=np.float32)
        with Progress(f"{label}, caching copy {copy + 1}", len(rows)) as progress:
            for start in range(0, len(rows), 64):
                place = slice(start, start + 64)
                pixels, targets[place] = _show(training, copy, rows[place], start, teachers)
                stored[place] = front.run(pixels)
                progress.advance(len(pixels))
        # The activations come last: where they are, the targets are too.
        for name, values in ((targets_path, targets), (path, stored)):
            with files.atomic_write(name) as handle:
                np.save(handle, values)
    return np.load(path, mmap_mode="r"), np.load(targets_path)


def _evaluate(tail: keras.Model, inputs: Any, validation: Films, wanted: Any) -> Epoch:
    probabilities = tail.predict(inputs, batch_size=64, verbose=0)
    loss = tail.loss(wanted, probabilities)
    accuracy = np.mean(probabilities.argmax(axis=1) == validation.targets.argmax(axis=1))
    auc = keras.metrics.AUC(num_thresholds=1000)
    auc.update_state(validation.targets[:, 0], probabilities[:, 0])
    return {"val_loss": float(loss), "val_accuracy": float(accuracy), "val_auc": float(auc.result())}


def _restore_optimizer(tail: keras.Model, state: Checkpoint) -> None:
    if state.optimizer:
        tail.optimizer.build(tail.trainable_variables)
        for variable, value in zip(tail.optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)


def _best(state: Checkpoint, stage: int) -> int:
    losses = [record["val_loss"] for record in state.history if record["stage"] == stage]
    return int(np.argmin(losses))


def _is_done(state: Checkpoint, number: int, stage: Stage) -> bool:
    return state.epoch > 0 and state.epoch - 1 - _best(state, number) >= stage.patience


class _Ticker(keras.callbacks.Callback):
    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.progress.advance()
