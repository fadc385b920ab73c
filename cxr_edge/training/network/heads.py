"""The paper's head trained on cached features of a frozen backbone: seconds where a whole network takes an hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from cxr_edge.training.augment import NONE
from cxr_edge.training.network.features import Floats
from cxr_edge.training.network.model import build_classifier, build_head
from cxr_edge.training.options import TrainOptions
from cxr_edge.training.training_set import Films, TrainingSet

__all__ = ["Fitted", "HeadOptions", "fit_head", "put_head", "start_classifier"]

_DENSE = "dense_"
_LAST = "probabilities"


@dataclass(frozen=True)
class HeadOptions:
    """What makes a training of a head repeatable, but for the features. `balance` as in `TrainOptions`."""

    epochs: int = 60
    patience: int = 10
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    dropout: float = 0.2
    batch_size: int = 32
    balance: str = "none"
    seed: int = 0


@dataclass(frozen=True)
class Fitted:
    """A trained head and how it came about; `best` is the epoch whose weights it has, counted from 0."""

    head: keras.Model
    history: dict[str, list[float]]
    best: int

    def score(self, features: Floats, positive: int) -> Floats:
        """Return the probabilities of the class `positive`, (n,)."""
        scores: Floats = np.asarray(self.head.predict(features, batch_size=512, verbose=0))[:, positive]
        return scores


def fit_head(
    features: Mapping[str, Floats], targets: Mapping[str, Floats], sources: tuple[str, ...], options: HeadOptions
) -> Fitted:
    """Train a head on features["train"] (n, features) and keep the epoch of the lowest loss on features["val"].

    `targets` are one-hot (n, labels), `sources` those of the training films, for the balance "source".
    """
    keras.utils.set_random_seed(options.seed)
    head = build_head(features["train"].shape[1], labels=targets["train"].shape[1], dropout=options.dropout)
    _compile(head, options)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=options.patience, restore_best_weights=True)
    fitted = head.fit(
        features["train"],
        targets["train"],
        sample_weight=_weigh(targets["train"], sources, options),
        validation_data=(features["val"], targets["val"]),
        epochs=options.epochs,
        batch_size=options.batch_size,
        callbacks=[stop],
        verbose=0,
    )
    history = {name: [float(value) for value in values] for name, values in fitted.history.items()}
    return Fitted(head, history, int(np.argmin(history["val_loss"])))


def _compile(head: keras.Model, options: HeadOptions) -> None:
    focal = options.balance == "focal"
    loss = keras.losses.CategoricalFocalCrossentropy() if focal else keras.losses.BinaryCrossentropy()
    optimizer = keras.optimizers.Adam(options.learning_rate, weight_decay=options.weight_decay or None)
    head.compile(optimizer, loss, weighted_metrics=["accuracy"], jit_compile=False)


def _weigh(targets: Floats, sources: tuple[str, ...], options: HeadOptions) -> Floats:
    # The weights come from targets and sources; no film is shown.
    films = Films(np.empty((len(sources), 0), dtype=np.uint8), targets, sources)
    return TrainingSet(films, balance=options.balance, augmentation=NONE, seed=options.seed).weights


def put_head(classifier: keras.Model, head: keras.Model) -> None:
    """Give a classifier of `build_classifier` the weights of a head that was trained apart from it."""
    for layer in head.layers:
        if layer.name.startswith(_DENSE) or layer.name == _LAST:
            classifier.get_layer(layer.name).set_weights(layer.get_weights())


def start_classifier(options: TrainOptions, labels: int) -> keras.Model:
    """Return the classifier of a training, its head at the random numbers of the options' seed."""
    keras.utils.set_random_seed(options.seed)
    return build_classifier(options.backbone, weights=options.weights, labels=labels, dropout=options.dropout)
