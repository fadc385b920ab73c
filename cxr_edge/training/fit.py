"""Fit the stages of a training run, epoch by epoch, with a checkpoint that a killed run goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from cxr_edge.system.progress import Progress, describe_duration, say
from cxr_edge.training.checkpoint import Checkpoint, Epoch
from cxr_edge.training.distillation import DistillationLoss, Teachers
from cxr_edge.training.network.frozen_backbone import Front
from cxr_edge.training.network.model import backbone_of, freeze, split
from cxr_edge.training.options import Stage, TrainOptions
from cxr_edge.training.pace import Pace
from cxr_edge.training.ranking import RankedModel
from cxr_edge.training.stage_inputs import AugmentedFilms, CachedActivations, StageInputs
from cxr_edge.training.training_set import Batches, Films, TrainingSet
from cxr_edge.training.weight_smoothing import Average, Shake

__all__ = ["fit"]


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
    epochs = sum(stage.epochs for stage in options.stages)
    say(f"{len(options.stages)} stages with {epochs} epochs at most; a stage without progress on val ends early")
    pace = Pace(options.stages, [_count_images(films, stage) for stage in options.stages])
    for number in range(state.stage, len(options.stages)):
        plan = _plan_stage(number, films, validation, options, teachers)
        _StageRun(classifier, plan, state, run, pace).run()
        classifier.set_weights(state.best)
        state.finish_stage(classifier.get_weights())
        state.write(run)
    return state.history


@dataclass(frozen=True)
class _StagePlan:
    """One stage of a run: what it trains on, and the films that its epochs are judged by."""

    number: int
    stage: Stage
    options: TrainOptions
    training: TrainingSet
    validation: Films
    teachers: Teachers | None

    @property
    def label(self) -> str:
        """What the progress line calls the stage."""
        return f"stage {self.number + 1}/{len(self.options.stages)}, {self.stage.unfreeze:.0%} unfrozen"


def _plan_stage(
    number: int, films: Films, validation: Films, options: TrainOptions, teachers: Teachers | None
) -> _StagePlan:
    stage = options.stages[number]
    training = TrainingSet(
        films if stage.simulated else films.only_real(),
        balance=stage.balance or options.balance,
        augmentation=stage.augmentation or options.augmentation,
        seed=options.seed,
    )
    judged = validation if stage.simulated else validation.only_real()
    return _StagePlan(number, stage, options, training, judged, teachers if stage.temperature else None)


def _count_images(films: Films, stage: Stage) -> int:
    real = int((~films.are_simulated()).sum())
    return len(films.pixels) if stage.simulated or not real else real


class _StageRun:
    """One stage under way: the part of the classifier that trains, what it reads, and the checkpoint it leaves."""

    def __init__(self, classifier: keras.Model, plan: _StagePlan, state: Checkpoint, run: str, pace: Pace) -> None:
        self.classifier = classifier
        self.pace = pace
        self.plan = plan
        self.state = state
        self.key = run
        stage, validation = plan.stage, plan.validation
        frozen = freeze(classifier, stage.unfreeze, settled=stage.settled)
        parts = split(classifier, frozen) if stage.copies else None
        self.tail = _rank_pairs(parts.tail if parts else classifier, stage.pairs)
        training = len(backbone_of(classifier).layers) - frozen
        say(f"{plan.label}: {training} backbone layers train, up to {stage.epochs} epochs")
        _compile(self.tail, stage, plan.options, focal=plan.training.balance == "focal")
        front = Front(parts.front) if parts else None
        self.inputs = self._open_inputs(front)
        self.held_out = front.run(validation.pixels) if front else validation.pixels
        # By the labels the best student would be the least sure one: an early epoch, far from what it is to learn.
        teachers = plan.teachers
        self.wanted = teachers.score(validation.pixels, validation.sources) if teachers else validation.targets
        _restore_optimizer(self.tail, state)
        self.average = Average(stage.average, state.average)

    def run(self) -> None:
        """Train epoch by epoch until the stage's end, or until it has not got better for its patience."""
        while self.state.epoch < self.plan.stage.epochs and not _is_done(self.state, self.plan):
            self._keep(self._train_epoch(self.state.epoch))

    def _open_inputs(self, front: Front | None) -> StageInputs:
        films = AugmentedFilms(self.plan.training, self.plan.teachers)
        if front is None:
            return films
        folder = self.state.path.parent / f"activations-{self.plan.number}"
        copies = self.plan.stage.copies
        return CachedActivations(front, films, copies, folder=folder, key=self.key[:16], label=self.plan.label)

    def _train_epoch(self, epoch: int) -> Epoch:
        """Train one epoch and return its figures; the checkpoint gets the weights that training goes on from."""
        plan, stage, state = self.plan, self.plan.stage, self.state
        self.tail.optimizer.learning_rate.assign(stage.rate(epoch))
        shown = epoch % stage.copies if stage.copies else epoch
        read = self.inputs.read(epoch)
        batches = Batches(plan.training, shown, plan.options.batch_size, read, ranked=stage.pairs > 0)
        with Progress(f"{plan.label}, epoch {epoch + 1}/{stage.epochs}", len(batches)) as progress:
            callbacks = [*self._smooth_weights(epoch), _Ticker(progress)]
            fitted = self.tail.fit(batches, verbose=0, callbacks=callbacks, shuffle=False).history
            state.weights, state.average = self.classifier.get_weights(), self.average.weights
            if state.average:
                self.tail.set_weights(state.average)
            figures = _evaluate(self.tail, self.held_out, plan.validation, self.wanted)
            loss, accuracy = fitted["loss"][0], fitted["accuracy"][0]
            left = describe_duration(self.pace.finish_epoch(plan.number, epoch))
            progress.note = (
                f"loss {loss:.3f}, val loss {figures['val_loss']:.3f}, val AUC {figures['val_auc']:.3f}; "
                f"all stages: about {left} left"
            )
        return {"stage": plan.number, "epoch": epoch, "loss": loss, "accuracy": accuracy} | figures

    def _smooth_weights(self, epoch: int) -> list[keras.callbacks.Callback]:
        # Shaking comes first, so that the average sees the weights without the noise.
        stage = self.plan.stage
        callbacks: list[keras.callbacks.Callback] = []
        if stage.shake:
            callbacks.append(Shake(stage.shake, (self.plan.options.seed, self.plan.number, epoch)))
        if stage.average:
            callbacks.append(self.average)
        return callbacks

    def _keep(self, figures: Epoch) -> None:
        """Write the checkpoint of an epoch; the classifier has the averaged weights, where there are any."""
        state = self.state
        state.history.append(figures)
        state.epoch += 1
        if _best(state, self.plan.number) == figures["epoch"]:
            state.best = self.classifier.get_weights()
        self.classifier.set_weights(state.weights)
        state.optimizer = [np.asarray(variable) for variable in self.tail.optimizer.variables]
        state.write(self.key)


def _rank_pairs(tail: keras.Model, pairs: float) -> keras.Model:
    """Return the network with the ranking loss at the weight `pairs`; as it is, where that is 0."""
    if not pairs:
        return tail
    ranked = RankedModel(tail.inputs, tail.outputs)
    ranked.pairs = pairs
    return ranked


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


def _is_done(state: Checkpoint, plan: _StagePlan) -> bool:
    return state.epoch > 0 and state.epoch - 1 - _best(state, plan.number) >= plan.stage.patience


class _Ticker(keras.callbacks.Callback):
    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.progress.advance()
