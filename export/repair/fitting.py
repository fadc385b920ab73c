"""Fit every layer of a backbone to int8, in order, each on the inputs that the fitted layers before it really send."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from cxr_edge.export.convert.base import QuantizedLayer, Ranges
from cxr_edge.export.repair import rounding
from cxr_edge.export.repair.simulation import (
    Convolution,
    convolve,
    list_nodes,
    quantize_activations,
    run_node,
    take,
    taps,
)

__all__ = ["FitOptions", "fit_layers"]

Maps = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]

_MOST_ROWS = 60_000
_CHANNELS = 16


@dataclass(frozen=True)
class FitOptions:
    """How weights become integers: by `rounding` ("nearest" or "inputs"), after a `refit` with this ridge, or without.

    `rows` caps how many positions the covariance of a layer's inputs is taken from.
    """

    rounding: str = "inputs"
    refit_ridge: float | None = None
    rows: int = _MOST_ROWS
    seed: int = 0


@dataclass(frozen=True)
class _Statistics:
    """What a fit needs to know of groups of a layer's weights.

    `mean` (groups, inputs) is the mean input, `aim` (groups, outputs) the mean wanted output, `covariance` (groups,
    inputs, inputs) that of the inputs. `residual` (groups, inputs, outputs) is the covariance of the inputs with what
    the weights leave of the wanted output; None where they are not refitted.
    """

    mean: Array
    aim: Array
    covariance: Array
    residual: Array | None


def fit_layers(
    backbone: keras.Model,
    inputs: Maps,
    ranges: Ranges,
    options: FitOptions,
    progress: Callable[[int, int], None],
    *,
    shift: float = 0.0,
) -> dict[str, QuantizedLayer]:
    """Return integers for all convolutions of a folded backbone, by name.

    They are fitted on `inputs` (n, 224, 224, 3) in [-1, 1]. The int8 artifact reads `inputs` + `shift`, the float
    network `inputs`. `ranges` are those of its activations.

    Two runs go side by side: the float one, which says what a layer should give, and the int8 one, which says what it
    gets. Every fitted layer takes a bias that makes its mean output right (Nagel et al. 2019, bias correction).
    Of each run, only what a later layer reads is held. Raises ExportError for a layer that is not simulated.
    """
    nodes = list_nodes(backbone)
    exact = {id(backbone.inputs[0]): inputs}
    given = {id(backbone.inputs[0]): inputs + np.float32(shift)}
    fitted: dict[str, QuantizedLayer] = {}
    rng = np.random.default_rng(options.seed)
    for number, node in enumerate(nodes):
        wanted = exact[node.output] = run_node(node, take(exact, node))
        if isinstance(node.layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D):
            (got,) = take(given, node)
            fitted[node.layer.name], output = _fit_convolution(Convolution(node.layer), got, wanted, options, rng)
            del got
        else:
            output = run_node(node, take(given, node))
        if node.is_quantized:
            output = quantize_activations(output, *ranges[node.layer.name])
        given[node.output] = output
        del wanted, output
        progress(number + 1, len(nodes))
    return fitted


def _fit_convolution(
    convolution: Convolution, got: Maps, wanted: Maps, options: FitOptions, rng: np.random.Generator
) -> tuple[QuantizedLayer, Maps]:
    """Return the layer that gives for the maps `got` what comes nearest to `wanted`, and what it gives."""
    weights = convolution.to_groups()
    scales = rounding.choose_scales(weights)
    places = wanted.shape[0] * wanted.shape[1] * wanted.shape[2]
    chosen = np.sort(rng.choice(places, min(options.rows, places), replace=False))
    # The channels of a depthwise layer have nothing to do with one another, so few are held at a time.
    blocks = [slice(at, at + _CHANNELS) for at in range(0, len(weights), _CHANNELS)]
    refitted = weights if options.refit_ridge is not None else None
    inputs = _join([_summarise(convolution, got, wanted, chosen, block, refitted) for block in blocks])
    if options.refit_ridge is not None and inputs.residual is not None:
        weights = rounding.refit(weights, inputs.covariance, inputs.residual, ridge=options.refit_ridge)
    if options.rounding == "inputs":
        integers = rounding.round_weights(weights, inputs.covariance, scales)
    else:
        integers = rounding.nearest(weights, scales)
    kernel = integers * scales[:, None, :]
    bias = (inputs.aim - np.einsum("gi,gio->go", inputs.mean, kernel)).reshape(-1)
    layer = QuantizedLayer(
        convolution.from_groups(integers).astype(np.int8),
        scales.reshape(-1).astype(np.float32),
        bias.astype(np.float32),
    )
    return layer, convolve(convolution.layer, got, convolution.from_groups(kernel), bias)


def _summarise(
    convolution: Convolution,
    got: Maps,
    wanted: Maps,
    places: npt.NDArray[np.int64],
    block: slice,
    refitted: Array | None,
) -> _Statistics:
    """Return the statistics of the groups in `block` at some places of the maps."""
    where = np.unravel_index(places, wanted.shape[:3])
    if convolution.depthwise:
        columns = [tap[where] for tap in taps(convolution.layer, got[..., block])]
        samples = np.stack(columns, axis=-1).transpose(1, 0, 2)
        targets = wanted[..., block][where].T[:, :, None]
    else:
        columns = [tap[where] for tap in taps(convolution.layer, got)]
        samples = np.concatenate(columns, axis=1)[None]
        targets = wanted[where][None]
    mean: Array = samples.mean(axis=1, dtype=np.float64)
    aim: Array = targets.mean(axis=1, dtype=np.float64)
    samples = (samples - mean[:, None]).astype(np.float32)
    targets = (targets - aim[:, None]).astype(np.float32)
    covariance = _product(samples, samples)
    if refitted is None:
        return _Statistics(mean, aim, covariance, None)
    left = targets - np.matmul(samples, refitted[block].astype(np.float32))
    return _Statistics(mean, aim, covariance, _product(samples, left))


def _join(parts: list[_Statistics]) -> _Statistics:
    """Return the statistics of blocks of groups as those of all groups."""
    residuals = [part.residual for part in parts if part.residual is not None]
    return _Statistics(
        mean=np.concatenate([part.mean for part in parts]),
        aim=np.concatenate([part.aim for part in parts]),
        covariance=np.concatenate([part.covariance for part in parts]),
        residual=np.concatenate(residuals) if residuals else None,
    )


def _product(left: Maps, right: Maps) -> npt.NDArray[np.float64]:
    """Return the mean outer product of samples, (groups, left, right)."""
    product: Any = np.matmul(np.swapaxes(left, 1, 2), right).astype(np.float64)
    result: npt.NDArray[np.float64] = product / left.shape[1]
    return result
