"""Fit every layer of a backbone to int8, in order, each on the inputs that the fitted layers before it really send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxr_edge.export import rounding
from cxr_edge.export.simulation import (
    Convolution,
    Node,
    QuantizedLayer,
    convolve,
    list_nodes,
    quantize_activations,
    run_node,
    taps,
)

__all__ = ["FitOptions", "Fitted", "fit_layers"]

Maps = npt.NDArray[np.float32]

_MOST_ROWS = 60_000


@dataclass(frozen=True)
class FitOptions:
    """How weights become integers: by `rounding` ("nearest" or "inputs"), after a `refit` with this ridge, or without.

    `rows` caps how many positions the covariance of a layer's inputs is taken from.
    """

    rounding: str = "inputs"
    refit_ridge: float | None = None
    rows: int = _MOST_ROWS
    seed: int = 0


@dataclass
class Fitted:
    """The layers by name, and for each its output's error relative to the float output's spread, root mean square."""

    layers: dict[str, QuantizedLayer] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)


def fit_layers(
    backbone: keras.Model,
    inputs: Maps,
    options: FitOptions,
    progress: Callable[[int, int], None],
    *,
    shift: float = 0.0,
) -> Fitted:
    """Return integers for all convolutions of a folded backbone, fitted on `inputs` (n, 224, 224, 3) in [-1, 1].

    The int8 artifact reads `inputs` + `shift`, the float network `inputs`.

    Two runs go side by side: the float one, which says what a layer should give, and the int8 one, which says what it
    gets. Every fitted layer takes a bias that makes its mean output right (Nagel et al. 2019, bias correction).
    Raises ExportError for a layer that is not simulated.
    """
    nodes = list_nodes(backbone)
    exact = {id(backbone.inputs[0]): inputs}
    given = {id(backbone.inputs[0]): inputs + np.float32(shift)}
    fitted = Fitted()
    rng = np.random.default_rng(options.seed)
    for number, node in enumerate(nodes):
        wanted, got = ([run[tensor] for tensor in node.inputs] for run in (exact, given))
        if isinstance(node.layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            result = _fit_convolution(node, wanted[0], got[0], options, fitted, rng)
        else:
            result = _run_plain(node, wanted, got)
        exact[node.output], given[node.output] = result
        for tensor in node.done:
            del exact[tensor], given[tensor]
        progress(number + 1, len(nodes))
    return fitted


def _run_plain(node: Node, wanted: list[Maps], got: list[Maps]) -> tuple[Maps, Maps]:
    """Return the float and the int8 output of a layer without weights."""
    exact, given = run_node(node, wanted), run_node(node, got)
    if isinstance(node.layer, keras.layers.ZeroPadding2D):
        # Zero is a level of its own, so that padding needs no new range.
        return exact, given
    return exact, quantize_activations(given, float(exact.min()), float(exact.max()))


def _fit_convolution(
    node: Node, wanted: Maps, got: Maps, options: FitOptions, fitted: Fitted, rng: np.random.Generator
) -> tuple[Maps, Maps]:
    convolution = Convolution(node.layer)
    exact = convolve(node.layer, wanted, convolution.kernel, convolution.bias)
    weights = convolution.to_groups()
    scales = rounding.choose_scales(weights)
    samples, targets = _sample(convolution, got, exact, options.rows, rng)
    middle, aim = samples.mean(axis=1, dtype=np.float64), targets.mean(axis=1, dtype=np.float64)
    samples = (samples - middle[:, None]).astype(np.float32)
    targets = (targets - aim[:, None]).astype(np.float32)
    covariance = _product(samples, samples)
    if options.refit_ridge is not None:
        missing = _product(samples, targets - np.matmul(samples, weights.astype(np.float32)))
        weights = rounding.refit(weights, covariance, missing, ridge=options.refit_ridge)
    if options.rounding == "inputs":
        integers = rounding.round_weights(weights, covariance, scales)
    else:
        integers = rounding.nearest(weights, scales)
    kernel = integers * scales[:, None, :]
    bias = (aim - np.einsum("gi,gio->go", middle, kernel)).reshape(-1)
    fitted.layers[node.layer.name] = QuantizedLayer(
        convolution.from_groups(integers).astype(np.int8),
        scales.reshape(-1).astype(np.float32),
        bias.astype(np.float32),
    )
    given = convolve(node.layer, got, convolution.from_groups(kernel), bias)
    fitted.errors[node.layer.name] = float(
        np.linalg.norm(given - exact) / max(float(np.linalg.norm(exact - exact.mean())), 1e-9)
    )
    if node.ceiling is None:
        given = quantize_activations(given, float(exact.min()), float(exact.max()))
    return exact, given


def _sample(
    convolution: Convolution, maps: Maps, outputs: Maps, rows: int, rng: np.random.Generator
) -> tuple[Maps, Maps]:
    """Return inputs (groups, samples, inputs) and float outputs (groups, samples, outputs) at the same positions."""
    places = outputs.shape[0] * outputs.shape[1] * outputs.shape[2]
    chosen = np.sort(rng.choice(places, min(rows, places), replace=False))
    targets = outputs.reshape(places, -1)[chosen]
    columns = [tap.reshape(places, -1)[chosen] for tap in taps(convolution.layer, maps)]
    if convolution.depthwise:
        return np.stack(columns, axis=-1).transpose(1, 0, 2), targets.T[:, :, None]
    return np.concatenate(columns, axis=1)[None], targets[None]


def _product(left: Maps, right: Maps) -> npt.NDArray[np.float64]:
    """Return the mean outer product of samples, (groups, left, right)."""
    product: Any = np.matmul(np.swapaxes(left, 1, 2), right).astype(np.float64)
    result: npt.NDArray[np.float64] = product / left.shape[1]
    return result
