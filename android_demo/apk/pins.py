"""Everything that the build and its tests fetch, with the hash that was tested."""

from __future__ import annotations

from android_demo.apk.downloads import Pin

__all__ = [
    "API",
    "BUNDLETOOL",
    "GSON",
    "JUNIT",
    "ONNXRUNTIME_ANDROID",
    "ONNXRUNTIME_JVM",
    "PLATFORM",
    "TFLITE",
    "TFLITE_API",
]

API = Pin(
    name="api-29-current.txt",
    origin="debian source",
    source="android-platform-frameworks-base=1:10.0.0+r36-10",
    member="api/current.txt",
    sha256="542d4115065177ec3872f4de3757d1d5607411c918ce433e0024713fd8009aee",
    note="the public interface of Android 10, API 29; Apache-2.0, 45 MB",
)
# It holds what no app may call, too: checks.py refuses an app that names anything outside of the interface above.
PLATFORM = Pin(
    name="android-all-10-robolectric-5803371.jar",
    origin="maven",
    source="org.robolectric:android-all:10-robolectric-5803371:jar",
    sha256="a0ad701eedd47bdaefbac1c2cc80dd400c0adea3cccd8a3ad286f79da1ca294c",
    note="Android 10's own classes, which the app is compiled against; Apache-2.0, 131 MB",
)
# Of this wheel only the jar is used: it carries D8, the compiler to Android's bytecode, which Debian lacks.
BUNDLETOOL = Pin(
    name="bundletool-all-1.17.2.jar",
    origin="pip",
    source="mobsf==4.4.0",
    member="mobsf/StaticAnalyzer/tools/bundletool-all-1.17.2.jar",
    sha256="2d4ad908faea64047c1cc9cb747e6aa667c6ab192e09607bd16b67246a8cd6ae",
    note="D8 3.3.28 in Google's bundletool; Apache-2.0, 104 MB",
)
TFLITE = Pin(
    name="tensorflow-lite-2.16.1.aar",
    origin="maven",
    source="org.tensorflow:tensorflow-lite:2.16.1:aar",
    sha256="34b065817e294e7dd3569504e8b9454938ceae453b6a459da54d5f6e45d3c94e",
    note="TensorFlow Lite; Apache-2.0",
)
TFLITE_API = Pin(
    name="tensorflow-lite-api-2.16.1.aar",
    origin="maven",
    source="org.tensorflow:tensorflow-lite-api:2.16.1:aar",
    sha256="885b95bc9e47a4aa5cf8e71523aed9b05e397cfef1ea09773f13fea8b649fcee",
    note="TensorFlow Lite's Java interface; Apache-2.0",
)
# The last official builds without telemetry are below 1.29. The archive is Microsoft's, as this package carries it.
ONNXRUNTIME_ANDROID = Pin(
    name="onnxruntime-android-1.26.0.aar",
    origin="npm",
    source="com.github.asus4.onnxruntime@0.4.8",
    member="package/Plugins/Android/onnxruntime.aar",
    sha256="09c0780ae8d734ef2774bdf498b624729a855e6f9a8e488a0e7398a4e7396032",
    note="ONNX Runtime for Android; MIT, 128 MB",
)
ONNXRUNTIME_JVM = Pin(
    name="onnxruntime-1.26.0.jar",
    origin="maven",
    source="com.microsoft.onnxruntime:onnxruntime:1.26.0:jar",
    sha256="cf5a48c6f5d07b15f10634b80433ddce8f5892662b1a122bbbc0907f4f442c60",
    note="ONNX Runtime for the tests on this machine; MIT, 42 MB",
)
GSON = Pin(
    name="gson-2.13.2.jar",
    origin="maven",
    source="com.google.code.gson:gson:2.13.2:jar",
    sha256="dd0ce1b55a3ed2080cb70f9c655850cda86c206862310009dcb5e5c95265a5e0",
    note="Gson, which reads the app's JSON; Apache-2.0",
)
JUNIT = Pin(
    name="junit-platform-console-standalone-1.11.4.jar",
    origin="maven",
    source="org.junit.platform:junit-platform-console-standalone:1.11.4:jar",
    sha256="b016ef6b1c3454d6d7c2c88ce081dabf289699686af6622d6e4e2e1b54b4a2fc",
    note="JUnit 5, for the tests; EPL-2.0",
)
