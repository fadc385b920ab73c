"""The built APKs: what they ask for, hold and call, and that building again gives the same bytes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from android_demo.apk import checks, package
from android_demo.apk.compile import MIN_SDK, platform_api
from android_demo.apk.dex import Dex, Reference, read_dex
from android_demo.apk.downloads import ROOT
from android_demo.apk.tools import BuildError, run
from cxr_edge.bundles.bundle import Bundle
from cxr_edge.system import files

MAX_BYTES = 25e6
RESOURCES = ROOT / "android_demo" / "app" / "src" / "main" / "res"
CORE = ROOT / "android_demo" / "core" / "src" / "main" / "java" / "cxredge" / "core"


@pytest.fixture(scope="module")
def facts(apk: package.Apk) -> checks.ApkFacts:
    return checks.check(apk.signed)


@pytest.fixture(scope="module")
def dex(apk: package.Apk) -> Dex:
    with zipfile.ZipFile(apk.signed) as archive:
        return read_dex(archive.read("classes.dex"))


def test_every_apk_passes_the_checks(apks: list[package.Apk]) -> None:
    assert [apk.abi for apk in apks] == list(package.ABIS)
    for apk in apks:
        assert {library.abi for library in checks.check(apk.signed).libraries.values()} == {apk.abi}


def test_app_asks_for_no_permission(facts: checks.ApkFacts) -> None:
    assert facts.permissions == ()
    assert facts.min_sdk == MIN_SDK


def test_only_the_screen_is_open_to_other_apps(facts: checks.ApkFacts) -> None:
    assert [item.name for item in facts.components if item.exported] == [".MainActivity"]
    assert [(item.kind, item.name) for item in facts.components if not item.exported] == [
        ("provider", ".PhotoProvider")
    ]


def test_apks_are_signed_with_a_scheme_of_the_whole_file(apks: list[package.Apk]) -> None:
    for apk in apks:
        report = run("apksigner", "verify", "--verbose", "--min-sdk-version", str(MIN_SDK), apk.signed)
        assert "Verified using v3 scheme (APK Signature Scheme v3): true" in report


def test_signature_breaks_when_the_apk_is_changed(apk: package.Apk, tmp_path: Path) -> None:
    content = bytearray(apk.signed.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "changed.apk").write_bytes(content)
    with pytest.raises(BuildError, match="failed"):
        run("apksigner", "verify", "--min-sdk-version", str(MIN_SDK), tmp_path / "changed.apk")


def test_apks_are_aligned_and_under_25_mb_with_an_int8_model_of_each_format(apks: list[package.Apk]) -> None:
    for apk in apks:
        run("zipalign", "-c", "4", apk.signed)
        assert apk.signed.stat().st_size < MAX_BYTES
        assert {"model_int8.tflite", "model_int8.onnx"} < set(checks.check(apk.signed).assets)


def test_only_tensorflow_lite_needs_pages_of_4_kib(apks: list[package.Apk]) -> None:
    for apk in apks:
        libraries = checks.check(apk.signed).libraries
        narrow = {Path(name).name for name, library in libraries.items() if library.alignment < 16384}
        assert narrow == {"libtensorflowlite_jni.so"}


def test_no_library_can_open_a_connection(apks: list[package.Apk]) -> None:
    for apk in apks:
        for library in checks.check(apk.signed).libraries.values():
            assert "malloc" in library.imports
            assert not library.imports & {"socket", "connect", "send", "sendto", "getaddrinfo", "gethostbyname"}


def test_assets_are_the_bundles_files(facts: checks.ApkFacts, apk: package.Apk, exported: Bundle) -> None:
    assert set(facts.assets) == {"manifest.json", "golden.npz", "model_int8.tflite", "model_int8.onnx"}
    with zipfile.ZipFile(apk.signed) as archive:
        for name in facts.assets:
            assert archive.read(checks.ASSETS + name) == (exported.path / name).read_bytes()


def test_check_refuses_an_asset_that_was_changed(apk: package.Apk, tmp_path: Path) -> None:
    changed = tmp_path / "changed.apk"
    with zipfile.ZipFile(apk.signed) as archive, zipfile.ZipFile(changed, "w") as copy:
        for name in archive.namelist():
            copy.writestr(name, archive.read(name)[:-1] if name.endswith(".tflite") else archive.read(name))
    with pytest.raises(BuildError, match=r"model_int8\.tflite"):
        checks.check(changed)


def test_check_finds_a_call_that_api_29_lacks(dex: Dex) -> None:
    for owner, name, descriptor in (
        ("java/io/InputStream", "readAllBytes", "()[B"),
        ("cxredge/demo/MainActivity", "getDisplay", "()Landroid/view/Display;"),
        # Android has it, and javac would take it, but no app may call it.
        ("android/content/Context", "getUserId", "()I"),
    ):
        changed = Dex(dex.classes, dex.types, (*dex.methods, Reference(owner, name, descriptor)), dex.fields)
        assert checks.find_missing_calls(dex, platform_api()) == []
        assert len(checks.find_missing_calls(changed, platform_api())) == 1


def test_check_finds_a_native_method_without_its_library(dex: Dex, facts: checks.ApkFacts) -> None:
    rest = {name: library for name, library in facts.libraries.items() if "tensorflow" not in name}
    missing = checks.find_missing_natives(dex, rest)
    assert missing
    assert all(name.startswith("org/tensorflow/lite/") for name in missing)


def test_second_build_gives_the_same_unsigned_bytes(apk: package.Apk, exported: Bundle, tmp_path: Path) -> None:
    again = package.build(exported, tmp_path, abis=(apk.abi,))[0]
    assert files.sha256_file(again.unsigned) == files.sha256_file(apk.unsigned)


def test_build_refuses_a_bundle_without_int8(brightness_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no int8"):
        package.build(brightness_bundle, tmp_path)


def strings(folder: str) -> dict[str, str]:
    root = ElementTree.parse(RESOURCES / folder / "strings.xml").getroot()
    return {item.attrib["name"]: item.text or "" for item in root}


def test_both_languages_have_every_text_with_the_same_places() -> None:
    english, german = strings("values"), strings("values-de")
    assert english.keys() == german.keys()
    for name, text in english.items():
        assert sorted(re.findall(r"%\d\$[sd]", text)) == sorted(re.findall(r"%\d\$[sd]", german[name])), name


def test_every_reason_and_warning_of_the_core_has_a_text() -> None:
    reasons = re.findall(r"^    ([A-Z_]+)\(\"(.*?)\"\)[,;]", (CORE / "Reason.java").read_text(), re.MULTILINE)
    assert len(reasons) > 15
    texts = strings("values")
    for name, sentence in reasons:
        assert texts[f"error_{name.lower()}"].count("%") == sentence.count("%s"), name
    warnings = re.findall(r"^        ([A-Z_]+),?$", (CORE / "Film.java").read_text(), re.MULTILINE)
    assert {f"warning_{name.lower()}" for name in warnings} == {name for name in texts if name.startswith("warning_")}


def test_nothing_in_the_app_repeats_what_the_manifest_says(exported: Bundle) -> None:
    manifest = exported.manifest
    sources = "".join(path.read_text() for path in (ROOT / "android_demo").rglob("src/main/**/*.java"))
    for fact in (*manifest.labels, str(manifest.threshold)[:6], str(manifest.typicality_limit)[:6], manifest.name):
        assert f'"{fact}' not in sources


def test_research_line_is_outside_of_what_scrolls() -> None:
    layout = ElementTree.parse(RESOURCES / "layout" / "main.xml").getroot()
    line = layout[0]
    assert line.attrib["{http://schemas.android.com/apk/res/android}text"] == "@string/research_only"
    assert layout[1].tag == "ScrollView"
