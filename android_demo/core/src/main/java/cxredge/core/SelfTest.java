package cxredge.core;

import java.util.Map;
import java.util.TreeMap;

/** Does an artifact answer on this machine as it did where the bundle was made? */
public final class SelfTest {
    /** The largest difference of each output from its golden values; typicality relative to its size. */
    public final Map<String, Double> differences;
    public final double tolerance;
    public final int films;
    public final boolean passed;

    private SelfTest(Map<String, Double> differences, double tolerance, int films) {
        this.differences = differences;
        this.tolerance = tolerance;
        this.films = films;
        boolean within = true;
        for (Map.Entry<String, Double> entry : differences.entrySet()) {
            // A heat map is divided by its largest cell, which magnifies what moved it.
            double factor = entry.getKey().equals(Outputs.HEATMAP) ? 10.0 : 1.0;
            within &= entry.getValue() <= tolerance * factor;
        }
        passed = within;
    }

    /** Returns the result, or null where there are no golden vectors of this artifact. */
    public static SelfTest run(Artifact artifact, Classifier classifier, GoldenVectors vectors) throws CoreException {
        GoldenVectors.Expected expected = vectors == null ? null : vectors.expected(artifact.name);
        if (expected == null) {
            return null;
        }
        if (!expected.sha256.equals(artifact.sha256)) {
            throw new CoreException(Reason.BUNDLE_VECTORS, "they are of another " + artifact.name);
        }
        Map<String, Double> differences = new TreeMap<>();
        for (int film = 0; film < vectors.count(); film++) {
            Outputs outputs = classifier.run(vectors.pixels(film));
            for (Map.Entry<String, float[][]> golden : expected.outputs.entrySet()) {
                String output = golden.getKey();
                double difference = compare(artifact, output, outputs.get(output), golden.getValue()[film]);
                differences.merge(output, difference, Math::max);
            }
        }
        return new SelfTest(differences, expected.tolerance, vectors.count());
    }

    private static double compare(Artifact artifact, String output, float[] found, float[] golden) throws CoreException {
        if (found == null || found.length != golden.length) {
            throw new CoreException(Reason.ENGINE_CONTRACT, artifact.name, "output '" + output + "' is not as it was");
        }
        double largest = 0;
        for (int at = 0; at < found.length; at++) {
            double scale = output.equals(Outputs.TYPICALITY) ? Math.max(1.0, Math.abs((double) golden[at])) : 1.0;
            double difference = Math.abs((double) found[at] - golden[at]) / scale;
            // A value that is no number is as far away as can be.
            largest = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(largest, difference);
        }
        return largest;
    }
}
