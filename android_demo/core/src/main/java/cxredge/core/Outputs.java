package cxredge.core;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What a model answers for one film. */
public final class Outputs {
    static final String PROBABILITIES = "probabilities";
    static final String HEATMAP = "heatmap";
    static final String TYPICALITY = "typicality";

    static final int MAP_CELLS = Contract.MAP_SIDE * Contract.MAP_SIDE;

    /** In the order of the manifest's labels. */
    public final float[] probabilities;
    /** 49 values from 0 to 1, by rows, or null. */
    public final float[] heatmap;
    /** Null where the model has no such output. */
    public final Float typicality;

    Outputs(Map<String, float[]> values) {
        probabilities = values.get(PROBABILITIES);
        heatmap = values.get(HEATMAP);
        typicality = values.containsKey(TYPICALITY) ? values.get(TYPICALITY)[0] : null;
    }

    /** Returns the values of an output by its name in the contract, or null. */
    public float[] get(String name) {
        switch (name) {
            case PROBABILITIES:
                return probabilities;
            case HEATMAP:
                return heatmap;
            case TYPICALITY:
                return typicality == null ? null : new float[] {typicality};
            default:
                return null;
        }
    }

    /** A tensor of a model file, as its runtime describes it. */
    static final class Tensor {
        final String name;
        final boolean isFloat;
        final long[] shape;

        Tensor(String name, boolean isFloat, long[] shape) {
            this.name = name;
            this.isFloat = isFloat;
            this.shape = shape;
        }

        @Override
        public String toString() {
            return name + (isFloat ? " float32 " : " not float32 ") + java.util.Arrays.toString(shape);
        }
    }

    /**
     * Returns the contract's name of each tensor, in their order.
     *
     * Converters keep a name but may add to it, as in "StatefulPartitionedCall:0"; where names are lost the width of
     * the tensor tells. Throws CoreException for a tensor that the contract does not have.
     */
    static List<String> nameTensors(String artifact, List<Tensor> tensors) throws CoreException {
        Map<String, Tensor> named = new LinkedHashMap<>();
        for (Tensor tensor : tensors) {
            String output = tensor.isFloat ? outputOf(tensor) : null;
            if (output == null || named.containsKey(output)) {
                throw new CoreException(Reason.ENGINE_CONTRACT, artifact, "output " + tensor);
            }
            named.put(output, tensor);
        }
        if (!named.containsKey(PROBABILITIES)) {
            throw new CoreException(Reason.ENGINE_CONTRACT, artifact, "no output 'probabilities'");
        }
        return new ArrayList<>(named.keySet());
    }

    private static String outputOf(Tensor tensor) {
        // A width that an .onnx leaves open is below 0.
        long width = tensor.shape.length == 2 ? tensor.shape[1] : 0;
        switch (tensor.name) {
            case PROBABILITIES:
                return width < 0 || width >= 2 ? PROBABILITIES : null;
            case HEATMAP:
                return width < 0 || width == MAP_CELLS ? HEATMAP : null;
            case TYPICALITY:
                return width < 0 || width == 1 ? TYPICALITY : null;
            default:
                return width == MAP_CELLS ? HEATMAP : width == 1 ? TYPICALITY : width > 1 ? PROBABILITIES : null;
        }
    }
}
