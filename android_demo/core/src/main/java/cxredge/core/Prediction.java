package cxredge.core;

import java.util.List;

/** What the outputs for one film mean, by the manifest. */
public final class Prediction {
    /** The positive label where its probability reaches the threshold, else the likeliest of the others. */
    public final String label;
    /** Of the positive label. */
    public final double probability;
    /** The likeliest label, which the heat map is of; it need not be `label` where the threshold is not a half. */
    public final String explained;
    /** Null where the model or the manifest cannot tell. */
    public final Boolean untypical;
    public final Outputs outputs;

    private Prediction(String label, double probability, String explained, Boolean untypical, Outputs outputs) {
        this.label = label;
        this.probability = probability;
        this.explained = explained;
        this.untypical = untypical;
        this.outputs = outputs;
    }

    /** Throws CoreException where the outputs do not fit the manifest or are not finite. */
    public static Prediction of(Outputs outputs, Manifest manifest) throws CoreException {
        float[] row = outputs.probabilities;
        List<String> labels = manifest.labels;
        if (row.length != labels.size()) {
            String fact = row.length + " probabilities for " + labels.size() + " labels";
            throw new CoreException(Reason.ENGINE_CONTRACT, manifest.name, fact);
        }
        checkFinite(row);
        checkFinite(outputs.heatmap);
        checkFinite(outputs.get(Outputs.TYPICALITY));
        int positive = labels.indexOf(manifest.positive);
        int chosen = row[positive] >= manifest.threshold ? positive : likeliest(row, positive);
        Double limit = manifest.typicalityLimit;
        Boolean untypical = outputs.typicality == null || limit == null ? null : outputs.typicality > limit;
        String explained = labels.get(likeliest(row, -1));
        return new Prediction(labels.get(chosen), row[positive], explained, untypical, outputs);
    }

    private static int likeliest(float[] row, int excepted) {
        int best = -1;
        for (int index = 0; index < row.length; index++) {
            if (index != excepted && (best < 0 || row[index] > row[best])) {
                best = index;
            }
        }
        return best;
    }

    private static void checkFinite(float[] values) throws CoreException {
        if (values == null) {
            return;
        }
        for (float value : values) {
            // Compared with the threshold, NaN would pass for a negative.
            if (Float.isNaN(value) || Float.isInfinite(value)) {
                throw new CoreException(Reason.ENGINE_NOT_FINITE);
            }
        }
    }
}
