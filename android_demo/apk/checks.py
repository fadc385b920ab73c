"""What can be said of an APK without a phone: what it asks for, what it calls, what it brings."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from android_demo.apk.compile import platform_api
from android_demo.apk.dex import Dex, read_dex
from android_demo.apk.elf import Library, read_library
from android_demo.apk.signatures import Api
from android_demo.apk.tools import BuildError, require, run
from cxr_edge.bundles.manifest import MANIFEST_NAME, Manifest
from cxr_edge.system.files import sha256_bytes

__all__ = ["ApkFacts", "Component", "check", "find_missing_calls", "find_missing_natives"]

ASSETS = "assets/bundle/"


@dataclass(frozen=True)
class Component:
    """An activity, service, receiver or provider, and whether other apps may use it."""

    kind: str
    name: str
    exported: bool


@dataclass(frozen=True)
class ApkFacts:
    """What an APK states and holds. `assets` are the bundle's files in it."""

    min_sdk: int
    permissions: tuple[str, ...]
    components: tuple[Component, ...]
    libraries: dict[str, Library]
    assets: tuple[str, ...]


def check(apk: Path) -> ApkFacts:
    """Return the facts of an APK. Raises BuildError when it would fail on a phone of API 29, or asks for anything."""
    facts = read_facts(apk)
    with zipfile.ZipFile(apk) as archive:
        dex = read_dex(archive.read("classes.dex"))
        problems = list(_find_wrong_assets(archive))
    problems += [f"asks for {name}" for name in facts.permissions]
    problems += [f"calls {call}, which API 29 lacks" for call in find_missing_calls(dex, platform_api())]
    problems += [f"has no native code for {name}" for name in find_missing_natives(dex, facts.libraries)]
    if problems:
        raise BuildError(f"{apk}: {'; '.join(problems[:8])}")
    return facts


def read_facts(apk: Path) -> ApkFacts:
    """Read the binary manifest and the native libraries."""
    require("aapt2")
    tree = run("aapt2", "dump", "xmltree", "--file", "AndroidManifest.xml", apk)
    with zipfile.ZipFile(apk) as archive:
        names = archive.namelist()
        libraries = {name: read_library(archive.read(name)) for name in names if name.startswith("lib/")}
    return ApkFacts(
        min_sdk=int(re.findall(r"minSdkVersion\(0x[0-9a-f]+\)=(\d+)", tree)[0]),
        permissions=tuple(re.findall(r'E: uses-permission[^\n]*\n\s+A: [^\n]*:name\([^)]*\)="([^"]+)"', tree)),
        components=tuple(_components(tree)),
        libraries=libraries,
        assets=tuple(name.removeprefix(ASSETS) for name in names if name.startswith(ASSETS)),
    )


def _components(tree: str) -> Iterator[Component]:
    for block in re.split(r"\n\s*E: (?=activity|service|receiver|provider)", tree)[1:]:
        own = block.split("\n    ", 1)[0] + block.partition("E: ")[0]
        name = re.findall(r':name\([^)]*\)="([^"]+)"', own)[0]
        exported = re.findall(r":exported\([^)]*\)=(\w+)", own)
        yield Component(block.split()[0], name, exported == ["true"])


def find_missing_calls(dex: Dex, api: Api) -> list[str]:
    """Return the platform's classes, methods and fields that the code names and that this API level does not have."""
    missing = []
    for descriptor in dex.types:
        element = descriptor.lstrip("[")
        name = element[1:-1]
        # Annotations of this package are the format's own way to note what a class file notes as an attribute.
        known = name in dex.classes or name in api.classes or name.startswith("dalvik/annotation/")
        if element.startswith("L") and not known:
            missing.append(name.replace("/", "."))
    for kind, references in (("methods", dex.methods), ("fields", dex.fields)):
        for item in references:
            # Arrays have clone(), and a class that is missing was named above.
            if item.owner.startswith("[") or (item.owner not in dex.classes and item.owner not in api.classes):
                continue
            if not _resolve(dex, api, item.owner, item.name, item.descriptor, kind):
                missing.append(f"{item.owner.replace('/', '.')}.{item.name}{item.descriptor}")
    return missing


def _resolve(dex: Dex, api: Api, owner: str, name: str, descriptor: str, kind: str) -> bool:
    own = dex.classes.get(owner)
    if own is None:
        find = api.has_method if kind == "methods" else api.has_field
        # MethodHandle and VarHandle take any arguments.
        return owner in api.classes and (owner.startswith("java/lang/invoke/") or find(owner, name, descriptor))
    if (name, descriptor) in (own.methods if kind == "methods" else own.fields):
        return True
    parents = [parent for parent in (own.superclass, *own.interfaces) if parent]
    return any(_resolve(dex, api, parent, name, descriptor, kind) for parent in parents)


def find_missing_natives(dex: Dex, libraries: dict[str, Library]) -> list[str]:
    """Return the native methods that no packaged library offers under the name that JNI looks for."""
    offered = frozenset().union(*(library.symbols for library in libraries.values()))
    missing = []
    for own in dex.classes.values():
        for name, descriptor in own.natives:
            short = f"Java_{_mangle(own.name)}_{_mangle(name)}"
            arguments = descriptor[1:].partition(")")[0]
            if short not in offered and f"{short}__{_mangle(arguments)}" not in offered:
                missing.append(f"{own.name}.{name}")
    return missing


def _mangle(name: str) -> str:
    """Return a name as JNI writes it in a symbol (Java Native Interface Specification, chapter 2)."""
    escapes = {"/": "_", "_": "_1", ";": "_2", "[": "_3"}
    return "".join(
        escapes.get(letter) or (letter if letter.isascii() and letter.isalnum() else f"_0{ord(letter):04x}")
        for letter in name
    )


def _find_wrong_assets(archive: zipfile.ZipFile) -> Iterator[str]:
    names = [name for name in archive.namelist() if name.startswith(ASSETS)]
    manifest = Manifest.from_json(json.loads(archive.read(ASSETS + MANIFEST_NAME)), where=MANIFEST_NAME)
    wanted = {name: item.sha256 for name, item in manifest.artifacts.items()} | dict(manifest.files)
    for entry in names:
        name = entry.removeprefix(ASSETS)
        if name != MANIFEST_NAME and sha256_bytes(archive.read(entry)) != wanted.get(name):
            yield f"holds a {name} that its {MANIFEST_NAME} does not list"
