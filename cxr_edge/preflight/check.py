"""A check of a model file's structure before any native code sees it, in Python alone and with the core alone.

It refuses what no export of ours has: a file that is refused is not proved to be evil, and one that passes is not
proved to be harmless, but what it can do to an interpreter is far less. What passes still runs in a sandbox unless it
was made here (docs/adr/0014-strange-models.md).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping

from cxr_edge.contract import InputContract, name_outputs
from cxr_edge.errors import PreflightError, RuntimeFailure
from cxr_edge.preflight import keras, onnx
from cxr_edge.preflight.facts import ArtifactFacts
from cxr_edge.preflight.flatbuffer import Malformed
from cxr_edge.preflight.tflite import structure

__all__ = ["MAX_BYTES", "check_artifact"]

MAX_BYTES = 256 * 2**20
"""The largest model file that is looked at; the largest export, Xception in float32, has 84 MB."""

_CHECKS: Mapping[str, Callable[[bytes], ArtifactFacts]] = {
    "tflite": structure.check,
    "onnx": onnx.check,
    "keras": keras.check,
}


_MOST_REMEMBERED = 64
_passed: OrderedDict[tuple[str, str], ArtifactFacts] = OrderedDict()
_lock = threading.Lock()


def check_artifact(content: bytes, format: str, name: str, *, sha256: str | None = None) -> ArtifactFacts:
    """Return the facts of a model file of `format` (tflite, onnx or keras) whose structure and contract are sound.

    `sha256` is that of the content, where the caller has proved it: a file that passed in this process is then not read
    again. Raises PreflightError that names the file `name` and the first fault.
    """
    known = None if sha256 is None else _recall(sha256, format)
    if known is not None:
        return known
    facts = _check(content, format, name)
    if sha256 is not None:
        _remember(sha256, format, facts)
    return facts


def _recall(sha256: str, format: str) -> ArtifactFacts | None:
    with _lock:
        return _passed.get((sha256, format))


def _remember(sha256: str, format: str, facts: ArtifactFacts) -> None:
    with _lock:
        _passed[sha256, format] = facts
        if len(_passed) > _MOST_REMEMBERED:
            _passed.popitem(last=False)


def _check(content: bytes, format: str, name: str) -> ArtifactFacts:
    if format not in _CHECKS:
        raise PreflightError(f"{name}: files of the format '{format}' are not opened; known are {', '.join(_CHECKS)}")
    if len(content) > MAX_BYTES:
        raise PreflightError(f"{name}: larger than the limit of {MAX_BYTES >> 20} MiB for a model that is not ours")
    try:
        facts = _CHECKS[format](content)
    except Malformed as error:
        raise PreflightError(
            f"{name}: refused before it was opened, since {error}; export it with 'cxr-edge export', or ask its maker"
        ) from error
    if format != "keras":
        _check_contract(facts, name)
    return facts


def _check_contract(facts: ArtifactFacts, name: str) -> None:
    contract = InputContract()
    found = [(item.dtype, item.shape[1:]) for item in facts.inputs]
    batch = facts.inputs[0].shape[:1] if facts.inputs else ()
    named = facts.format == "tflite" or all(item.name == contract.name for item in facts.inputs)
    if found != [(contract.dtype, contract.shape[1:])] or not named or (facts.format == "tflite" and batch != (1,)):
        raise PreflightError(
            f"{name}: takes {[(item.name, item.dtype, item.shape) for item in facts.inputs]}, the input contract is "
            f"{contract.name} {contract.shape} {contract.dtype}; export the model with 'cxr-edge export'"
        )
    # A name that is there twice would hide one of the two.
    if len({item.name for item in facts.outputs}) != len(facts.outputs):
        raise PreflightError(f"{name}: has two outputs of one name; export the model with 'cxr-edge export'")
    try:
        name_outputs({item.name: (item.dtype, item.shape) for item in facts.outputs}, name)
    except RuntimeFailure as error:
        raise PreflightError(str(error)) from error
