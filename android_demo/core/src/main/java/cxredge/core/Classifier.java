package cxredge.core;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A loaded model. Made by `open`, run on one film at a time, and closed when no longer needed. */
public interface Classifier extends AutoCloseable {
    /** Runs the model on the contract's pixels. */
    Outputs run(byte[] pixels) throws CoreException;

    /** Returns the runtime's name and version, and its threads. */
    String describe();

    @Override
    void close();

    /** Loads `content`, the proved bytes of an artifact, on a number of threads. */
    static Classifier open(Artifact artifact, byte[] content, int threads) throws CoreException {
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
