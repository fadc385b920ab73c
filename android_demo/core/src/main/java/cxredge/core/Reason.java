package cxredge.core;

/** Why a film, a bundle or an engine was refused. The app has a sentence for each, in every language it speaks. */
public enum Reason {
    /** 0: the name of the format. */
    FILM_FORMAT("a %s file, which this app does not read; give the film as PNG, JPEG or WebP"),
    FILM_UNKNOWN("not an image of a known format; give the film as PNG, JPEG or WebP"),
    FILM_EMPTY("the file is empty; copy or download it again"),
    /** 0: the name of the format. */
    FILM_DAMAGED("the %s data are damaged or cut short; copy or download the file again"),
    /** 0: width in pixels. 1: height in pixels. 2: the limit in megapixels. */
    FILM_TOO_LARGE("%s x %s pixels is over the limit of %s megapixels; save a smaller copy of the film"),
    /** 0: the limit in MiB. */
    FILE_TOO_LARGE("larger than the limit of %s MiB for this kind of file"),
    FILM_MEMORY("this phone has not enough memory for the film; save a smaller copy of it"),
    BUNDLE_NO_ZIP("not a zip file, or a damaged one; zip the folder that 'cxr-edge export' wrote"),
    BUNDLE_NO_MANIFEST("has no manifest.json, so it is no finished bundle; export it again"),
    /** 0: what is wrong, and where. */
    BUNDLE_MANIFEST("manifest.json: %s; export the bundle again"),
    /** 0: the key. 1: the value found. 2: the value wanted. */
    BUNDLE_CONTRACT("the input contract has %s=%s, this app reads %s only; export the model again"),
    /** 0: the name of the file. */
    BUNDLE_MISSING("%s is listed in manifest.json but is not there; export the bundle again"),
    /** 0: the name of the file. */
    BUNDLE_HASH("the sha256 of %s differs from manifest.json; export the bundle again"),
    BUNDLE_NO_ARTIFACT("has no .tflite or .onnx artifact to classify with; make one with 'cxr-edge export'"),
    /** 0: what is wrong. */
    BUNDLE_VECTORS("golden.npz holds no golden vectors (%s); export the bundle again"),
    /** 0: the name of the artifact. 1: what the runtime said. */
    ENGINE_LOAD("%s cannot be loaded (%s); choose another artifact"),
    /** 0: the name of the engine. 1: what the machine said. */
    ENGINE_LIBRARY("the library of %s does not run on this phone (%s); choose an artifact of the other kind"),
    /** 0: the name of the artifact. 1: what the runtime said. */
    ENGINE_RUN("%s failed to run (%s); choose another artifact"),
    /** 0: the name of the artifact. 1: what differs from the contract. */
    ENGINE_CONTRACT("%s does not keep the contract (%s); export it again"),
    ENGINE_NOT_FINITE("the model gave values that are not finite; choose another artifact, a float32 one say");

    private final String english;

    Reason(String english) {
        this.english = english;
    }

    String describe(Object... facts) {
        return String.format(java.util.Locale.ROOT, english, facts);
    }
}
