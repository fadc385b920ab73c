"""From compiled parts, native libraries and a bundle to signed APKs, one for each kind of processor."""

from __future__ import annotations

import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from android_demo.apk.archives import write_entries
from android_demo.apk.compile import MIN_SDK, Dependencies, compile_app, fetch_dependencies
from android_demo.apk.downloads import ROOT, cache_folder
from android_demo.apk.tools import BuildError, require, run
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.bundles.golden import VECTORS_NAME
from cxr_edge.bundles.manifest import MANIFEST_NAME, Artifact
from cxr_edge.system import files
from cxr_edge.system.progress import say

__all__ = ["ABIS", "Apk", "build", "choose_artifacts"]

ABIS = ("arm64-v8a", "x86_64")
"""64-bit phones, and the emulator. Together they would be over 25 MB, so each gets an APK of its own."""

_ASSETS = "assets/bundle"
_KEY_PASSWORD = "cxr-edge-debug"


@dataclass(frozen=True)
class Apk:
    """An APK for one ABI: signed, to install, and as it was before, whose bytes depend on nothing but the sources."""

    abi: str
    signed: Path
    unsigned: Path


def build(bundle: Bundle, out: Path, *, artifacts: tuple[str, ...] = (), abis: tuple[str, ...] = ABIS) -> list[Apk]:
    """Build the APKs with these artifacts or the int8 ones. Raises BuildError, BundleError, OutputError."""
    assets = _assets(bundle, choose_artifacts(bundle, artifacts))
    require("java", "zipalign", "apksigner", "keytool")
    files.prepare_folder(out)
    dependencies = fetch_dependencies()
    with tempfile.TemporaryDirectory(prefix="cxr-edge-apk-") as folder:
        compiled = _read_zip(compile_app(Path(folder), dependencies))
        common = compiled | assets
        return [_package(abi, out, Path(folder), common | _libraries(dependencies, abi)) for abi in abis]


def choose_artifacts(bundle: Bundle, names: tuple[str, ...]) -> list[Artifact]:
    """Return the artifacts to pack: those named, or one int8 model a format. Raises BuildError, BundleError."""
    chosen = [bundle.artifact(name) for name in names]
    if not names:
        chosen = [item for item in bundle.manifest.artifacts.values() if item.quantization == "int8"]
    runnable = [item for item in chosen if item.format in ("tflite", "onnx")]
    if not runnable or len(runnable) != len(chosen):
        raise BuildError(
            f"{bundle.path}: no int8 .tflite or .onnx artifact to pack (asked for: {', '.join(names) or 'int8'}); "
            "make one with 'cxr-edge export --quantize int8', or name others with --artifact"
        )
    return runnable


def _assets(bundle: Bundle, artifacts: list[Artifact]) -> dict[str, bytes]:
    """Return the bundle's files for the phone, each proved by its hash. The manifest goes along as it is."""
    found = {f"{_ASSETS}/{MANIFEST_NAME}": (bundle.path / MANIFEST_NAME).read_bytes()}
    found |= {f"{_ASSETS}/{item.name}": bundle.artifact_bytes(item) for item in artifacts}
    if VECTORS_NAME in bundle.manifest.files:
        found[f"{_ASSETS}/{VECTORS_NAME}"] = bundle.file_bytes(VECTORS_NAME)
    else:
        say(
            f"apk: {bundle.path} has no {VECTORS_NAME}, so the app will have no self-test; export the bundle to get one"
        )
    found["assets/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    found["assets/NOTICE"] = (ROOT / "android_demo" / "app" / "NOTICE").read_bytes()
    return found


def _libraries(dependencies: Dependencies, abi: str) -> dict[str, bytes]:
    found = {}
    for archive in dependencies.archives:
        with zipfile.ZipFile(archive) as opened:
            for name in opened.namelist():
                if name.startswith(f"jni/{abi}/") and name.endswith(".so"):
                    found[f"lib/{abi}/{Path(name).name}"] = opened.read(name)
    return found


def _package(abi: str, out: Path, work: Path, entries: dict[str, bytes]) -> Apk:
    name = f"cxr-edge-demo-{abi}"
    apk = Apk(abi, out / f"{name}.apk", out / f"{name}-unsigned.apk")
    packed = work / f"{name}.zip"
    # Android 11 and later map the table of resources, so it may not be compressed.
    write_entries(packed, entries, stored=lambda entry: entry == "resources.arsc")
    aligned, signed = work / f"{name}-aligned.apk", work / f"{name}-signed.apk"
    run("zipalign", "-f", "4", packed, aligned)
    key: list[str | Path] = ["--ks", _debug_key(), "--ks-pass", f"pass:{_KEY_PASSWORD}"]
    # The first scheme is for phones older than this app runs on.
    schemes = ["--v1-signing-enabled", "false", "--min-sdk-version", str(MIN_SDK)]
    run("apksigner", "sign", *key, *schemes, "--out", signed, aligned)
    run("apksigner", "verify", "--min-sdk-version", str(MIN_SDK), signed)
    files.write_bytes(apk.unsigned, aligned.read_bytes())
    files.write_bytes(apk.signed, signed.read_bytes())
    return apk


def _debug_key() -> Path:
    """Return this machine's own debug key, made when there is none. It proves nothing about who built the app."""
    path = cache_folder() / "debug.keystore"
    if not path.is_file():
        say(f"apk: making a debug key for signing, {path}; whoever publishes an app needs a key of their own")
        with tempfile.TemporaryDirectory(prefix="key-", dir=path.parent) as folder:
            staged = Path(folder) / path.name
            store: list[str | Path] = ["-keystore", staged, "-storetype", "PKCS12", "-storepass", _KEY_PASSWORD]
            key = ["-alias", "debug", "-dname", "CN=cxr-edge debug"]
            algorithm = ["-keyalg", "RSA", "-keysize", "3072", "-validity", "10000"]
            run("keytool", "-genkeypair", *store, *key, *algorithm)
            staged.replace(path)
    return path


def _read_zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
