// Plain Java, but the runtimes come as Android archives, so it is an Android library here. Its JUnit tests need what
// Python writes for them and are run by `pytest tests/android`.
plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "cxredge.core"
    compileSdk = 36
    defaultConfig {
        minSdk = 29
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
    sourceSets["test"].java.setSrcDirs(emptyList<String>())
}

dependencies {
    implementation(libs.gson)
    api(libs.onnxruntime)
    api(libs.tensorflow.lite)
}
