"""Is a bundle whole, and does it answer here as it did where it was made? Hashes, structure and golden vectors.

Runs wherever the core does: an artifact whose runtime is not installed is said to be unproved, which is no failure.
"""

from __future__ import annotations

import dataclasses
import platform
from dataclasses import dataclass
from typing import Any

import numpy as np

from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.golden import VECTORS_NAME, GoldenArtifact, GoldenVectors
from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact
from cxr_edge.contract import OUTPUT_SIZES, InputContract, Outputs, Pixels
from cxr_edge.errors import BundleError, MissingExtraError, PreflightError, RuntimeFailure, UnsafeFileError
from cxr_edge.models import open_model
from cxr_edge.runtimes.base import RuntimeInfo

__all__ = [
    "OUTPUT_FACTORS",
    "ArtifactCheck",
    "FileCheck",
    "OutputCheck",
    "VerifyReport",
    "format_report",
    "verify",
]

OUTPUT_FACTORS = {"probabilities": 1.0, "heatmap": 10.0, "typicality": 1.0}
"""An artifact's tolerance is for its probabilities, and times this for its other outputs.

A heat map is divided by its largest cell, which magnifies what moved it. Typicality is compared relative to its size.
"""


@dataclass(frozen=True)
class FileCheck:
    """A file that the manifest lists; `problem` is what is wrong with it, None for nothing."""

    name: str
    problem: str | None


@dataclass(frozen=True)
class OutputCheck:
    """The largest difference of an output tensor from its golden values, and the largest that passes."""

    name: str
    difference: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the difference is within the limit."""
        return self.difference <= self.limit


@dataclass(frozen=True)
class ArtifactCheck:
    """What an artifact did here. `problem`: it failed and why; `not_run`: why it was not tried.

    `tolerance` and `made_with` are those of its golden vectors, None where it has none.
    """

    name: str
    runtime: RuntimeInfo | None = None
    outputs: tuple[OutputCheck, ...] = ()
    tolerance: float | None = None
    made_with: str | None = None
    problem: str | None = None
    not_run: str | None = None

    @property
    def passed(self) -> bool:
        """Whether nothing was found wrong; an artifact that was not run passes."""
        return self.problem is None and all(output.passed for output in self.outputs)


@dataclass(frozen=True)
class VerifyReport:
    """Everything that was found, for a bundle on one machine."""

    bundle: str
    machine: str
    files: tuple[FileCheck, ...]
    artifacts: tuple[ArtifactCheck, ...]
    warnings: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every listed file is unchanged and every artifact that was run did as it should."""
        return all(file.problem is None for file in self.files) and all(item.passed for item in self.artifacts)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a JSON object, with `passed` at each level."""
        value = dataclasses.asdict(self) | {"passed": self.passed}
        for item, check in zip(value["artifacts"], self.artifacts, strict=True):
            item["passed"] = check.passed
            for output, own in zip(item["outputs"], check.outputs, strict=True):
                output["passed"] = own.passed
        return value


def verify(bundle: Bundle, *, threads: int = 1) -> VerifyReport:
    """Check every file of a bundle by its hash, open each artifact under the contract and compare its answers.

    What is wrong is in the report, not raised.
    """
    manifest = bundle.manifest
    contents: dict[str, bytes] = {}
    files = tuple(_check_file(bundle, name, contents) for name in (*manifest.artifacts, *manifest.files))
    warnings = _find_strangers(bundle)
    golden = None
    if VECTORS_NAME not in manifest.files:
        warnings.append(f"has no {VECTORS_NAME}, so no answers were compared; export it with this version")
    elif VECTORS_NAME in contents:
        try:
            golden = GoldenVectors.from_bytes(contents[VECTORS_NAME], where=VECTORS_NAME)
        except BundleError as error:
            files = tuple(FileCheck(file.name, str(error)) if file.name == VECTORS_NAME else file for file in files)
    artifacts = tuple(
        _check_artifact(bundle, artifact, contents.get(name), golden, threads)
        for name, artifact in manifest.artifacts.items()
    )
    if not any(check.runtime for check in artifacts):
        warnings.append("no artifact could be run here; only the files were checked")
    return VerifyReport(str(bundle.place), platform.machine(), files, artifacts, tuple(warnings))


def format_report(report: VerifyReport) -> str:
    """Return the report for people: what is wrong first in each line, and the verdict last. No line end at its end."""
    from cxr_edge.system.text import printable

    lines = [f"FAILED  {file.problem}" for file in report.files if file.problem is not None]
    unchanged = sum(file.problem is None for file in report.files)
    lines.append(f"{unchanged} of {len(report.files)} files are as the manifest has them")
    for check in report.artifacts:
        lines.append(f"{_word(check):<8}{check.name}: {_describe(check)}")
    lines += [f"warning  {text}" for text in report.warnings]
    run = sum(check.runtime is not None for check in report.artifacts)
    verdict = "passed" if report.passed else "FAILED"
    lines.append(f"{report.bundle}: {verdict}, {run} of {len(report.artifacts)} artifacts run on {report.machine}")
    return "\n".join(printable(line) for line in lines)


def _check_file(bundle: Bundle, name: str, contents: dict[str, bytes]) -> FileCheck:
    artifact = bundle.manifest.artifacts.get(name)
    try:
        content = bundle.file_bytes(name) if artifact is None else bundle.artifact_bytes(artifact)
    except (BundleError, UnsafeFileError) as error:
        return FileCheck(name, str(error))
    if artifact is not None and len(content) != artifact.size_bytes:
        return FileCheck(name, f"{name}: has {len(content)} bytes, {MANIFEST_NAME} says {artifact.size_bytes}")
    contents[name] = content
    return FileCheck(name, None)


def _find_strangers(bundle: Bundle) -> list[str]:
    known = {MANIFEST_NAME, *bundle.manifest.artifacts, *bundle.manifest.files}
    try:
        found = sorted(path.name for path in bundle.path.iterdir())
    except OSError as error:
        return [f"{bundle.path}: cannot be listed ({error.strerror or error}), so files of others were not looked for"]
    return [f"{name}: lies in the folder, but {MANIFEST_NAME} does not list it" for name in found if name not in known]


def _check_artifact(
    bundle: Bundle, artifact: Artifact, content: bytes | None, golden: GoldenVectors | None, threads: int
) -> ArtifactCheck:
    expected = None if golden is None else golden.artifacts.get(artifact.name)
    if content is None:
        return ArtifactCheck(artifact.name, not_run="its file is not the one that the manifest lists")
    if artifact.format == "keras" and expected is None:
        # TensorFlow would take many seconds and 600 MB to say only that the file opens.
        return ArtifactCheck(artifact.name, not_run="has no golden vectors; its hash was checked")
    check = ArtifactCheck(artifact.name)
    if expected is not None:
        check = dataclasses.replace(check, tolerance=expected.tolerance, made_with=expected.made_with)
        if expected.sha256 != artifact.sha256:
            return dataclasses.replace(check, problem=f"the vectors in {VECTORS_NAME} are of another file")
    pixels = np.zeros(InputContract().shape, np.uint8) if golden is None else golden.pixels
    try:
        info, outputs = _run(bundle, artifact, pixels, threads)
    except MissingExtraError as error:
        return dataclasses.replace(check, not_run=str(error))
    except (RuntimeFailure, PreflightError) as error:
        return dataclasses.replace(check, problem=str(error))
    check = dataclasses.replace(check, runtime=info)
    problem = _find_fault(outputs, artifact, len(pixels), len(bundle.manifest.labels))
    if problem is not None or expected is None:
        return dataclasses.replace(check, problem=problem)
    return _compare(check, outputs, expected)


def _run(bundle: Bundle, artifact: Artifact, pixels: Pixels, threads: int) -> tuple[RuntimeInfo, Outputs]:
    runtime = open_model(bundle, artifact, threads=threads)
    try:
        return runtime.info, runtime.run(pixels)
    finally:
        runtime.close()


def _find_fault(outputs: Outputs, artifact: Artifact, count: int, labels: int) -> str | None:
    """Return how the outputs break the contract or the manifest, None when they keep both."""
    if set(outputs) != set(artifact.outputs):
        return f"gives {', '.join(outputs)} where {MANIFEST_NAME} says {', '.join(artifact.outputs)}"
    for name, values in outputs.items():
        wanted = (count, OUTPUT_SIZES[name] or labels)
        if values.shape != wanted:
            return f"gives '{name}' of shape {values.shape}, the contract has {wanted}"
        if not np.isfinite(values).all():
            return f"gives NaN or infinity in '{name}'"
    return None


def _compare(check: ArtifactCheck, outputs: Outputs, expected: GoldenArtifact) -> ArtifactCheck:
    if {name: values.shape for name, values in outputs.items()} != {
        name: values.shape for name, values in expected.outputs.items()
    }:
        return dataclasses.replace(check, problem=f"its outputs are not those in {VECTORS_NAME}")
    checks = []
    for name, golden in expected.outputs.items():
        scale = np.maximum(1.0, np.abs(golden, dtype=np.float64)) if name == "typicality" else 1.0
        difference = np.abs(outputs[name].astype(np.float64) - golden) / scale
        checks.append(OutputCheck(name, float(difference.max()), expected.tolerance * OUTPUT_FACTORS[name]))
    return dataclasses.replace(check, outputs=tuple(checks))


def _word(check: ArtifactCheck) -> str:
    if not check.passed:
        return "FAILED"
    return "not run" if check.not_run is not None else "ok"


def _describe(check: ArtifactCheck) -> str:
    if (text := check.problem or check.not_run) is not None:
        return text
    text = "opens; no golden vectors"
    if check.outputs:
        differences = ", ".join(f"{output.name} {output.difference:.1e}" for output in check.outputs)
        text = f"differs at most by {differences} (tolerance {check.tolerance:g})"
    if check.runtime is not None:
        text += f"; {check.runtime.library} {check.runtime.version}, {check.runtime.delegate}"
    return text if check.passed else f"{text}; made with {check.made_with}"
