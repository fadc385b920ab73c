"""The presets of `train`: every decision of a training run, in one frozen object that is kept with the model."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from cxr_edge.errors import UsageError
from cxr_edge.training import augment

__all__ = ["BALANCES", "PRESETS", "Stage", "TrainOptions", "build"]

BALANCES = ("augment", "weights", "focal", "source", "none")
"""How unequal classes are met: more augmented copies of the smaller class (the paper), class weights, focal loss,
equal weight of the classes within every source, or nothing."""

_COPIES = 4


@dataclass(frozen=True)
class Stage:
    """One part of a run: the last `unfreeze` of the backbone (0 to 1) and the head train for up to `epochs`.

    With `copies` > 0 the frozen part runs once over that many augmented copies of the films and training reads its
    cached activations; with 0 every epoch augments anew and runs the whole network. `balance` and `augmentation` take
    the place of the run's own in this stage. Without `simulated` it leaves simulated films out, if there are others.

    With `temperature` > 0 the targets are the teachers' answers, softened by it (see `distillation`).
    `pairs` is the weight of the ranking loss within the sources (see `ranking`), beside 1 for the pooled loss.
    With `average` > 0 the weights that count are the moving average of that momentum over the batches, and with
    `shake` > 0 every batch is trained with rounding noise on the kernels (see `steady`). With `settled` batch
    normalisation works as it will in use, with the statistics that it has.
    """

    unfreeze: float
    epochs: int
    learning_rate: float
    copies: int = 0
    patience: int = 10
    weight_decay: float = 0.0
    cosine: bool = False
    balance: str | None = None
    augmentation: augment.Augmentation | None = None
    simulated: bool = True
    pairs: float = 0.0
    average: float = 0.0
    shake: float = 0.0
    settled: bool = False
    temperature: float = 0.0

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch: constant, or falling along half a cosine to a hundredth."""
        if not self.cosine:
            return self.learning_rate
        share = epoch / max(self.epochs - 1, 1)
        return self.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * share)) / 2)


@dataclass(frozen=True)
class TrainOptions:
    """What makes a training run repeatable, but for the data.

    Where stages have a temperature, `teachers` are the SHA-256 of the teachers' models. `taught_by` says how those are
    trained, one after another, that are not given; one without a stage for simulated films sees none.
    """

    preset: str
    stages: tuple[Stage, ...]
    backbone: str = "mobilenetv2"
    weights: str = "imagenet"
    teachers: tuple[str, ...] = ()
    taught_by: tuple[TrainOptions, ...] = ()
    balance: str = "augment"
    augmentation: augment.Augmentation = field(default=augment.PAPER)
    dropout: float = 0.2
    batch_size: int = 32
    label_smoothing: float = 0.0
    seed: int = 0

    def with_unfreeze(self, unfreeze: float | None) -> TrainOptions:
        """Return the options with the stages cut or widened to end at `unfreeze`. Raises UsageError outside 0 to 1."""
        if unfreeze is None:
            return self
        if not 0.0 <= unfreeze <= 1.0:
            raise UsageError(f"--unfreeze {unfreeze}: must lie between 0 (frozen) and 1 (all layers train)")
        kept = [stage for stage in self.stages if stage.unfreeze <= unfreeze]
        if not kept or kept[-1].unfreeze < unfreeze:
            following = [stage for stage in self.stages if stage.unfreeze > unfreeze]
            template = following[0] if following else kept.pop()
            # What stays frozen need not run in every epoch.
            copies = template.copies or _COPIES if unfreeze < 1 else template.copies
            kept.append(replace(template, unfreeze=unfreeze, copies=copies))
        return replace(self, stages=tuple(kept))


_STUDENT = Stage(
    unfreeze=0.65,
    epochs=6,
    learning_rate=1e-4,
    copies=4,
    patience=6,
    weight_decay=1e-4,
    cosine=True,
    augmentation=augment.MILD,
    average=0.98,
    shake=1.0,
    settled=True,
    temperature=2.0,
)

_REAL_FILMS = Stage(
    unfreeze=0.65,
    epochs=10,
    learning_rate=1e-4,
    copies=5,
    patience=5,
    weight_decay=1e-4,
    cosine=True,
    balance="weights",
    augmentation=augment.MILD,
    simulated=False,
    average=0.98,
    shake=1.0,
)

PRESETS = {
    "paper": TrainOptions(
        preset="paper",
        stages=(Stage(unfreeze=0.34, epochs=40, learning_rate=1e-3, copies=4, patience=10, weight_decay=1e-4),),
    ),
    "default": TrainOptions(
        preset="default",
        stages=(
            # The student starts as the first teacher. What the others make of films between films …
            replace(
                _STUDENT,
                epochs=8,
                learning_rate=1.5e-4,
                copies=6,
                patience=8,
                augmentation=replace(augment.DEFAULT, mixup=0.2),
            ),
            # … of films as they are …
            _STUDENT,
            # … and every layer a little.
            replace(_STUDENT, unfreeze=1.0, epochs=2, learning_rate=2e-5, copies=0, patience=10),
        ),
        balance="source",
        augmentation=augment.DEFAULT,
    ),
    "single": TrainOptions(
        preset="single",
        stages=(
            Stage(unfreeze=0.0, epochs=8, learning_rate=2e-3, copies=1, patience=8),
            # First what disease looks like, with sources made equal and their styles blurred …
            Stage(
                unfreeze=0.65,
                epochs=12,
                learning_rate=3e-4,
                copies=6,
                patience=6,
                weight_decay=1e-4,
                cosine=True,
                pairs=0.25,
                average=0.98,
            ),
            # … then the real films as they are …
            _REAL_FILMS,
            # … and at last every layer a little, as weights that will be rounded.
            replace(_REAL_FILMS, unfreeze=1.0, epochs=2, learning_rate=2e-5, copies=0, patience=10, settled=True),
        ),
        balance="source",
        augmentation=augment.DEFAULT,
    ),
}


@dataclass(frozen=True)
class _Choices:
    """What a user changes in a preset; None keeps what the preset has."""

    backbone: str | None
    unfreeze: float | None
    weights: str
    balance: str | None
    ranking: float | None
    epochs: int | None
    seed: int

    def apply(self, options: TrainOptions) -> TrainOptions:
        """Return the options with these choices in all stages. Raises UsageError for an unfreeze or ranking."""
        options = options.with_unfreeze(self.unfreeze)
        if self.ranking is not None and self.ranking < 0:
            raise UsageError(f"--ranking {self.ranking}: must be 0 or more; 1 weighs as much as the labels")
        return replace(
            options,
            stages=tuple(self._change_stage(stage) for stage in options.stages),
            backbone=self.backbone or options.backbone,
            weights=self.weights,
            balance=self.balance or options.balance,
            seed=self.seed,
        )

    def _change_stage(self, stage: Stage) -> Stage:
        if self.epochs is not None:
            stage = replace(stage, epochs=min(stage.epochs, self.epochs))
        # Where the backbone is frozen, or teachers are followed, there are no pairs to rank.
        if self.ranking is not None and stage.unfreeze and not stage.temperature:
            stage = replace(stage, pairs=self.ranking)
        if self.balance is not None:
            # One balance for the whole run takes the place of what a stage has for itself.
            stage = replace(stage, balance=None)
        return stage


def build(
    *,
    preset: str = "default",
    backbone: str | None = None,
    unfreeze: float | None = None,
    weights: str = "imagenet",
    balance: str | None = None,
    ranking: float | None = None,
    epochs: int | None = None,
    seed: int = 0,
) -> TrainOptions:
    """Return the options of a preset with a user's own choices. Raises UsageError for an unknown name."""
    if preset not in PRESETS:
        raise UsageError(f"--preset {preset}: unknown; choose one of {', '.join(PRESETS)}")
    if balance not in (None, *BALANCES):
        raise UsageError(f"--balance {balance}: unknown; choose one of {', '.join(BALANCES)}")
    choices = _Choices(backbone, unfreeze, weights, balance, ranking, epochs, seed)
    options = choices.apply(PRESETS[preset])
    if PRESETS[preset].stages[0].temperature:
        options = replace(options, taught_by=_plan_teachers(choices))
    return options


def _plan_teachers(choices: _Choices) -> tuple[TrainOptions, ...]:
    """Return the three teachers of a preset with a temperature: they differ in their films, their seed and ranking."""
    plain = choices.apply(PRESETS["single"])
    ranked = replace(choices, seed=choices.seed + 1, ranking=1.0).apply(PRESETS["single"])
    return _without_simulated(plain), plain, _without_simulated(ranked)


def _without_simulated(options: TrainOptions) -> TrainOptions:
    return replace(options, stages=tuple(replace(stage, simulated=False) for stage in options.stages))
