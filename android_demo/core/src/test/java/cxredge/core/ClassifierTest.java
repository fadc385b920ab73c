package cxredge.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The app's own classifiers give the golden answers, which Python gave where the bundle was made. */
class ClassifierTest {
    /**
     * How many times the tolerance an integer TFLite file may be away.
     *
     * The vectors are of LiteRT's kernels of today. Those of TensorFlow Lite 2.16.1 round int8 sums in another way, which
     * the self-test in the app tells its user; float files keep the tolerance.
     */
    private static final double OTHER_KERNELS = 4.0;

    private static Bundle bundle;

    @BeforeAll
    static void openBundle() throws Exception {
        bundle = Bundle.open(new FolderFiles(Cases.folder("bundle").toFile()));
    }

    @TestFactory
    Stream<DynamicTest> onnxGivesTheAnswersOfPython() {
        return artifacts("onnx");
    }

    @TestFactory
    Stream<DynamicTest> tfliteGivesTheAnswersOfPython() {
        return artifacts("tflite");
    }

    private static Stream<DynamicTest> artifacts(String format) {
        return bundle.artifacts().stream().filter(item -> item.format.equals(format)).map(item ->
                DynamicTest.dynamicTest(item.name, () -> {
                    try (Classifier classifier = Engines.open(item, bundle.read(item), 1)) {
                        SelfTest test = SelfTest.run(item, classifier, bundle.vectors());
                        assertNotNull(test);
                        System.out.println(
                                "golden: " + classifier.describe() + " " + item.name + " " + test.differences
                                        + " tolerance " + test.tolerance + " films " + test.films);
                        assertEquals(3, test.differences.size());
                        boolean otherKernels = format.equals("tflite") && item.quantization.matches("int8|dynamic");
                        assertTrue(test.passed || otherKernels, test.differences.toString());
                        double worst = test.differences.get("probabilities");
                        assertTrue(worst <= test.tolerance * (otherKernels ? OTHER_KERNELS : 1.0), item.name + " " + worst);
                    }
                }));
    }

    @Test
    void selfTestFailsForAnotherModelsAnswers() throws Exception {
        Artifact onnx = bundle.manifest.artifacts.get("model_int8.onnx");
        GoldenVectors vectors = bundle.vectors();
        Classifier shifted = new Classifier() {
            @Override
            public Outputs run(byte[] pixels) {
                java.util.Map<String, float[]> values = new java.util.HashMap<>();
                values.put("probabilities", new float[] {0.5f, 0.5f});
                values.put("heatmap", new float[49]);
                values.put("typicality", new float[] {Float.NaN});
                return new Outputs(values);
            }

            @Override
            public String describe() {
                return "wrong";
            }

            @Override
            public void close() {}
        };
        SelfTest test = SelfTest.run(onnx, shifted, vectors);
        assertTrue(!test.passed && Double.isInfinite(test.differences.get("typicality")));
    }

    @TestFactory
    Stream<DynamicTest> refusesAFileThatIsNoModel() {
        return Stream.of("model_int8.onnx", "model_int8.tflite").map(name -> DynamicTest.dynamicTest(name, () -> {
            Artifact artifact = bundle.manifest.artifacts.get(name);
            byte[] cut = java.util.Arrays.copyOf(bundle.read(artifact), 1000);
            for (byte[] content : new byte[][] {new byte[100], cut}) {
                CoreException error = assertThrows(CoreException.class, () -> Engines.open(artifact, content, 1));
                assertEquals(Reason.ENGINE_LOAD, error.reason());
            }
        }));
    }

    @Test
    void refusesAModelOfAnotherContract() {
        byte[] other = Cases.read(Cases.folder("contract.onnx"));
        Artifact onnx = bundle.manifest.artifacts.get("model_int8.onnx");
        CoreException error = assertThrows(CoreException.class, () -> Engines.open(onnx, other, 1));
        assertEquals(Reason.ENGINE_CONTRACT, error.reason());
    }
}
