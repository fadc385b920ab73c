"""A JSON object as a frozen dataclass, checked field by field."""

from __future__ import annotations

import collections.abc
import dataclasses
import types
import typing
from typing import Any

from cxr_edge.errors import DataError

__all__ = ["decode", "require"]


def decode(kind: Any, value: Any, where: str) -> Any:
    """Return JSON `value` as `kind`: a dataclass, a tuple, a mapping, an optional or a plain type.

    Raises DataError that names `where` and the field at fault.
    """
    origin = typing.get_origin(kind)
    if origin is types.UnionType:
        return None if value is None else decode(typing.get_args(kind)[0], value, where)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        require(isinstance(value, dict) and hints.keys() <= value.keys(), f"an object with {', '.join(hints)}", where)
        return typing.cast(Any, kind)(
            **{key: decode(hint, value[key], f"{where}: {key}") for key, hint in hints.items()}
        )
    if origin is tuple:
        require(isinstance(value, list), "an array", where)
        return tuple(decode(typing.get_args(kind)[0], item, where) for item in value)
    if origin is collections.abc.Mapping:
        require(isinstance(value, dict), "an object", where)
        return {key: decode(typing.get_args(kind)[1], item, f"{where}: {key}") for key, item in value.items()}
    accepted = (int, float) if kind is float else kind
    require(
        isinstance(value, accepted) and (kind is bool or not isinstance(value, bool)), f"of type {kind.__name__}", where
    )
    return float(value) if kind is float else value


def require(holds: bool, wanted: str, where: str) -> None:
    """Raise DataError, unless it `holds`, that what stands at `where` must be `wanted`."""
    if not holds:
        raise DataError(f"{where}: must be {wanted}; run the bench again")
