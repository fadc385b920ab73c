// The bundle is copied from where `cxr-edge export` wrote it: ./gradlew assembleDebug -Pbundle=../build/cxr-edge-default
plugins {
    alias(libs.plugins.android.application)
}

val bundle = providers.gradleProperty("bundle").orElse("../build/cxr-edge-default")
val bundleAssets = layout.buildDirectory.dir("bundle-assets")

val copyBundle by tasks.registering(Sync::class) {
    from(rootProject.file(bundle.get())) {
        include("manifest.json", "golden.npz", "model_int8.tflite", "model_int8.onnx")
        into("bundle")
    }
    from(rootProject.file("../LICENSE"), "NOTICE")
    into(bundleAssets)
}

android {
    namespace = "cxredge.demo"
    compileSdk = 36
    defaultConfig {
        applicationId = "cxredge.demo"
        minSdk = 29
        targetSdk = 34
        versionCode = 1
        versionName = "0.1.0"
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
    packaging {
        jniLibs.useLegacyPackaging = true
    }
    splits {
        abi {
            isEnable = true
            reset()
            include("arm64-v8a", "x86_64")
        }
    }
    sourceSets["main"].assets.srcDir(bundleAssets)
}

tasks.named("preBuild") {
    dependsOn(copyBundle)
}

dependencies {
    implementation(project(":core"))
}
