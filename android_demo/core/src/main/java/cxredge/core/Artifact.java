package cxredge.core;

import java.util.List;

/** One model file of a bundle, as the manifest lists it. */
public final class Artifact {
    public final String name;
    public final String format;
    public final String quantization;
    public final String sha256;
    public final List<String> outputs;

    Artifact(String name, String format, String quantization, String sha256, List<String> outputs) {
        this.name = name;
        this.format = format;
        this.quantization = quantization;
        this.sha256 = sha256;
        this.outputs = outputs;
    }

    public boolean isRunnable() {
        return format.equals("tflite") || format.equals("onnx");
    }
}
