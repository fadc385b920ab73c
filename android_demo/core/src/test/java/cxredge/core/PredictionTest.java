package cxredge.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What outputs mean: threshold, label, typicality; and how times are summed up. */
class PredictionTest {
    private static final String MANIFEST = "{'schema': 1, 'name': 'n', 'architecture': 'a', 'labels': ['a', 'b', 'c'],"
            + " 'positive': 'b', 'threshold': 0.25, 'typicality_limit': LIMIT, 'artifacts': {}, 'files': {}, 'contract':"
            + " {'name': 'image', 'dtype': 'uint8', 'height': 224, 'width': 224, 'channels': 3, 'color': 'RGB',"
            + " 'resize': 'squash', 'filter': 'bilinear'}}";

    private static Manifest manifest(String limit) throws CoreException {
        return Manifest.read(MANIFEST.replace('\'', '"').replace("LIMIT", limit).getBytes());
    }

    private static Outputs outputs(Float typicality, float... probabilities) {
        Map<String, float[]> values = new HashMap<>();
        values.put("probabilities", probabilities);
        if (typicality != null) {
            values.put("typicality", new float[] {typicality});
        }
        return new Outputs(values);
    }

    @Test
    void positiveLabelWinsFromTheThresholdOn() throws Exception {
        Prediction prediction = Prediction.of(outputs(null, 0.6f, 0.25f, 0.15f), manifest("null"));
        assertEquals("b", prediction.label);
        assertEquals("a", prediction.explained);
        assertEquals(0.25, prediction.probability);
    }

    @Test
    void belowTheThresholdTheLikeliestOtherWins() throws Exception {
        assertEquals("c", Prediction.of(outputs(null, 0.3f, 0.2f, 0.5f), manifest("null")).label);
    }

    @Test
    void filmIsUntypicalOnlyAboveTheLimit() throws Exception {
        assertEquals(false, Prediction.of(outputs(2f, 1f, 0f, 0f), manifest("2.0")).untypical);
        assertEquals(true, Prediction.of(outputs(2.5f, 1f, 0f, 0f), manifest("2.0")).untypical);
        assertNull(Prediction.of(outputs(2.5f, 1f, 0f, 0f), manifest("null")).untypical);
        assertNull(Prediction.of(outputs(null, 1f, 0f, 0f), manifest("2.0")).untypical);
    }

    @Test
    void refusesValuesThatAreNotFinite() throws Exception {
        Manifest manifest = manifest("2.0");
        for (Outputs bad : Arrays.asList(outputs(null, Float.NaN, 0f, 0f), outputs(Float.POSITIVE_INFINITY, 1f, 0f, 0f))) {
            CoreException error = assertThrows(CoreException.class, () -> Prediction.of(bad, manifest));
            assertEquals(Reason.ENGINE_NOT_FINITE, error.reason());
        }
    }

    @Test
    void refusesProbabilitiesOfAnotherNumberOfLabels() throws Exception {
        Manifest manifest = manifest("null");
        CoreException error = assertThrows(CoreException.class, () -> Prediction.of(outputs(null, 1f, 0f), manifest));
        assertEquals(Reason.ENGINE_CONTRACT, error.reason());
    }

    @Test
    void tensorsWithLostNamesAreToldByTheirWidth() throws Exception {
        List<Outputs.Tensor> tensors = Arrays.asList(
                tensor("StatefulPartitionedCall:0", 49), tensor("Identity", 2), tensor("Identity_1", 1));
        assertEquals("[heatmap, probabilities, typicality]", Outputs.nameTensors("model", tensors).toString());
    }

    @Test
    void refusesATensorThatTheContractLacks() {
        for (List<Outputs.Tensor> bad : Arrays.asList(
                Arrays.asList(tensor("probabilities", 2), tensor("other", 2)),
                Collections.singletonList(tensor("heatmap", 49)),
                Collections.singletonList(new Outputs.Tensor("probabilities", false, new long[] {1, 2})))) {
            CoreException error = assertThrows(CoreException.class, () -> Outputs.nameTensors("model", bad));
            assertEquals(Reason.ENGINE_CONTRACT, error.reason());
        }
    }

    private static Outputs.Tensor tensor(String name, long width) {
        return new Outputs.Tensor(name, true, new long[] {1, width});
    }

    @Test
    void medianIsTheMiddleOfTheTimes() {
        assertEquals(2.0, Latency.of(0, 9.0, 1.0, 2.0).medianMs);
        assertEquals(2.5, Latency.of(0, 3.0, 9.0, 2.0, 1.0).medianMs);
    }

    @Test
    void warmUpsAreRunAndNotTimed() throws Exception {
        int[] count = new int[1];
        Latency latency = Latency.measure(() -> count[0]++, 3, 5);
        assertEquals(8, count[0]);
        assertEquals(5, latency.runs);
    }
}
