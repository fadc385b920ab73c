"""Channels of a backbone brought to one range, so that 8 bits a tensor are 8 bits for every channel in it.

A tensor has one scale in int8, and a channel that fills a tenth of its range has a tenth of its levels. A channel may
be multiplied by a factor where it is made and divided by it where it is read, and the network computes the same
(Nagel et al. 2019, cross-layer equalisation). Between two ReLU6 that holds as long as the channel stays under the
ceiling, so a factor takes it to the largest value on the films, times a margin, and no further. The linear tensors
between blocks, which an addition ties together, share one factor a channel.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import keras
import numpy as np
import numpy.typing as npt

from cxr_edge.export.repair.simulation import Node, list_nodes, walk

__all__ = ["EqualisationOptions", "equalise"]

Maps = npt.NDArray[np.float32]
Factors = npt.NDArray[np.float64]

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


@dataclass(frozen=True)
class EqualisationOptions:
    """How far a channel is stretched: to its tensor's range (less `margin` under a ReLU6), `most` times at most."""

    margin: float = 1.1
    most: float = 64.0


_DEFAULT = EqualisationOptions()


@dataclass
class _Group:
    """Tensors that share their channels' factors.

    `ceiling` is that of the ReLU among them, inf for a plain one, None without one; `reach` (channels,) is the largest
    absolute value of each channel over the films.
    """

    tensors: set[int] = field(default_factory=set)
    ceiling: float | None = None
    reach: Factors = field(default_factory=lambda: np.zeros(0))


def equalise(backbone: keras.Model, films: Maps, options: EqualisationOptions = _DEFAULT) -> keras.Model:
    """Return a copy of a folded backbone with equalised channels; `films` (n, 224, 224, 3) in [-1, 1] show the ranges.

    What the backbone gives on the films stays the same, but for rounding. The channels of its own output are left
    alone, since the head reads them. Raises ExportError for a layer that is not simulated.
    """
    copy = keras.models.clone_model(backbone)
    copy.set_weights(backbone.get_weights())
    nodes = list_nodes(copy)
    groups = _find_groups(nodes)
    _measure(copy, nodes, groups, films)
    fixed = {id(copy.inputs[0]), id(copy.outputs[0])}
    for group in groups:
        if not group.tensors & fixed:
            _rescale(nodes, group, _choose_factors(group, options))
    copy.trainable = False
    return copy


def _find_groups(nodes: list[Node]) -> list[_Group]:
    of_tensor: dict[int, _Group] = {}
    for node in nodes:
        if isinstance(node.layer, _CONVOLUTIONS):
            tied = [_Group()]
        else:
            # What adds, pads or clips passes its channels on as they are.
            tied = [of_tensor.setdefault(tensor, _Group({tensor})) for tensor in node.inputs]
        group = tied[0]
        for other in tied[1:]:
            group.tensors |= other.tensors
            group.ceiling = group.ceiling if other.ceiling is None else other.ceiling
        group.tensors.add(node.output)
        if isinstance(node.layer, keras.layers.ReLU):
            group.ceiling = node.layer.max_value or float("inf")
        of_tensor |= dict.fromkeys(group.tensors, group)
    return list({id(group): group for group in of_tensor.values()}.values())


def _measure(backbone: keras.Model, nodes: list[Node], groups: list[_Group], films: Maps) -> None:
    """Fill in the reach of every group, from what follows its ReLU where it has one."""
    of_tensor = {tensor: group for group in groups for tensor in group.tensors}
    for node, value in walk(backbone, nodes, films):
        group = of_tensor[node.output]
        if group.ceiling is None or isinstance(node.layer, keras.layers.ReLU):
            reach = np.abs(value).max(axis=(0, 1, 2)).astype(np.float64)
            group.reach = np.maximum(group.reach, reach) if len(group.reach) else reach


def _choose_factors(group: _Group, options: EqualisationOptions) -> Factors:
    """Return a factor of at least 1 for every channel; a channel that is always 0 keeps 1."""
    reach = group.reach
    room = float(reach.max()) if group.ceiling is None or np.isinf(group.ceiling) else group.ceiling / options.margin
    wanted = np.where(reach > 0, room / np.maximum(reach, 1e-12), 1.0)
    factors: Factors = np.clip(wanted, 1.0, options.most)
    return factors


def _rescale(nodes: list[Node], group: _Group, factors: Factors) -> None:
    for node in nodes:
        if not isinstance(node.layer, _CONVOLUTIONS):
            continue
        kernel, bias = node.layer.get_weights()
        if node.inputs[0] in group.tensors:
            kernel = kernel / factors[:, None]
        if node.output in group.tensors:
            depthwise = isinstance(node.layer, keras.layers.DepthwiseConv2D)
            kernel, bias = kernel * (factors[:, None] if depthwise else factors), bias * factors
        node.layer.set_weights([kernel.astype(np.float32), bias.astype(np.float32)])
