package cxredge.core;

/** A loaded model. Made by Engines, run on one film at a time, and closed when no longer needed. */
public interface Classifier extends AutoCloseable {
    /** Runs the model on the contract's pixels. */
    Outputs run(byte[] pixels) throws CoreException;

    /** Returns the runtime's name and version, and its threads. */
    String describe();

    @Override
    void close();
}
