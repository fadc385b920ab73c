"""A bundle: one folder with a classifier's artifacts and the manifest that says all there is to know about them.

The manifest is written once by train, extended by export and read by everything else, the phone included. It is
written last, so that a folder without a valid manifest is an unfinished one, and every artifact is opened through
its SHA-256.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact, Manifest
from cxr_edge.errors import BundleError, DataError
from cxr_edge.system import files

__all__ = ["DEFAULT", "Bundle", "default_bundle_path", "open_bundle", "open_named"]

DEFAULT = "default"
"""What the shipped bundle is called wherever a bundle is named."""

MAX_ARTIFACT_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Bundle:
    """A folder and its manifest. `archive` is the .zip that the folder was unpacked from, None where there is none."""

    path: Path
    manifest: Manifest
    archive: Path | None = None

    @property
    def place(self) -> Path:
        """What the user named: the folder, or the .zip."""
        return self.archive or self.path

    @classmethod
    def read(cls, path: Path) -> Bundle:
        """Read the manifest of the bundle folder `path`; artifacts are checked when opened. Raises BundleError.

        A .zip of such a folder is unpacked and checked whole; that raises UnsafeFileError too.
        """
        if path.suffix.lower() == ".zip" and os.path.isfile(path):
            from cxr_edge.bundles import bundle_zip

            folder, manifest = bundle_zip.open_archive(path)
            return cls(folder, manifest, archive=path)
        manifest_path = path / MANIFEST_NAME
        # Not Path.is_dir, which raises for a name that is too long and where a folder above may not be entered.
        if not os.path.isdir(path):
            raise BundleError(f"{path}: not a bundle folder; give a folder that 'cxr-edge train' or 'export' wrote")
        if not os.path.isfile(manifest_path):
            raise BundleError(f"{path}: has no {MANIFEST_NAME}, so it is no finished bundle; train or export it again")
        try:
            value = files.read_json(manifest_path)
        except DataError as error:
            raise BundleError(str(error)) from error
        return cls(path, Manifest.from_json(value, where=str(manifest_path)))

    def artifact(self, name: str) -> Artifact:
        """Return the artifact `name`: a file name, its stem, or what follows 'model_' in the stem.

        Where a stem is there as .tflite and as .onnx, it means the .tflite. Raises BundleError.
        """
        artifacts = self.manifest.artifacts
        if name in artifacts:
            return artifacts[name]
        matches = [item for key, item in artifacts.items() if Path(key).stem in (name, f"model_{name}")]
        if matches:
            return min(matches, key=lambda item: item.format != "tflite")
        raise BundleError(
            f"{self.place}: has no artifact '{name}' but {', '.join(artifacts) or 'none'}; name one of those"
        )

    def artifact_bytes(self, artifact: Artifact) -> bytes:
        """Return the content of `artifact`, proved by its SHA-256. Raises BundleError."""
        return self._read(artifact.name, artifact.sha256)

    def file_bytes(self, name: str) -> bytes:
        """Return the content of a further file that the manifest lists, proved by its SHA-256. Raises BundleError."""
        if name not in self.manifest.files:
            raise BundleError(f"{self.path}: its {MANIFEST_NAME} lists no file '{name}'; train or export it again")
        return self._read(name, self.manifest.files[name])

    def _read(self, name: str, digest: str) -> bytes:
        path = self.path / name
        try:
            data = files.read_capped(path, MAX_ARTIFACT_BYTES)
        except DataError as error:
            raise BundleError(f"{error}; the manifest lists it: export the bundle again") from error
        if files.sha256_bytes(data) != digest:
            raise BundleError(f"{path}: sha256 differs from {MANIFEST_NAME}; export it again with 'cxr-edge export'")
        return data

    def write_manifest(self) -> None:
        """Write the manifest, atomically, as the last step of making a bundle. Raises OutputError."""
        files.write_json(self.path / MANIFEST_NAME, self.manifest.to_json())


def open_bundle(name: str | Path) -> Bundle:
    """Return the bundle that a user names: a folder or .zip, or "default", the one that ships with the package.

    A folder of that name is ./default. Raises BundleError, UnsafeFileError.
    """
    return Bundle.read(default_bundle_path() if str(name) == DEFAULT else Path(name))


def open_named(name: str) -> tuple[Bundle, Artifact | None]:
    """Return the bundle and the artifact that BUNDLE[:ARTIFACT] names; None for the artifact where none is named.

    A folder or .zip whose name has a colon is still one. Raises BundleError, UnsafeFileError.
    """
    folder, artifact = name, ""
    if ":" in folder and not os.path.exists(folder):
        folder, artifact = folder.rsplit(":", 1)
    bundle = open_bundle(folder or DEFAULT)
    return bundle, bundle.artifact(artifact) if artifact else None


def default_bundle_path() -> Path:
    """Return the folder of the bundle that ships with the package."""
    return Path(__file__).parent.parent / "zoo" / "default"
