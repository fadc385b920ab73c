package cxredge.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The two runtimes, and which of them reads an artifact. */
public final class Engines {
    private Engines() {}

    /** Loads `content`, the proved bytes of an artifact, on a number of threads. */
    public static Classifier open(Artifact artifact, byte[] content, int threads) throws CoreException {
        return artifact.format.equals("onnx")
                ? new OnnxClassifier(artifact.name, content, threads)
                : new TfliteClassifier(artifact.name, content, threads);
    }

    /** Returns `content` where native code can reach it without a copy. */
    static ByteBuffer direct(byte[] content) {
        ByteBuffer buffer = ByteBuffer.allocateDirect(content.length).order(ByteOrder.nativeOrder());
        buffer.put(content);
        buffer.rewind();
        return buffer;
    }
}
