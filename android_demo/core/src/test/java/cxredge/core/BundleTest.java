package cxredge.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/** A bundle is read by its manifest and its hashes, or refused with the reason. */
class BundleTest {
    @TempDir
    Path folder;

    @Test
    void startsWithTheArtifactOfTheCommandLine() throws Exception {
        assertEquals("model_int8.tflite", open(copy(text -> text)).defaultArtifact().name);
    }

    @Test
    void wholeBundleIsVerified() throws Exception {
        open(copy(text -> text)).verify();
    }

    @Test
    void refusesAChangedModel() throws Exception {
        Bundle bundle = open(copy(text -> text));
        Files.write(folder.resolve("model_int8.tflite"), new byte[] {1, 2, 3});
        assertEquals(Reason.BUNDLE_HASH, assertThrows(CoreException.class, bundle::verify).reason());
    }

    @Test
    void refusesAFolderWithoutManifest() {
        assertEquals(Reason.BUNDLE_NO_MANIFEST, refusal(new FolderFiles(folder.toFile())));
    }

    @Test
    void refusesABundleWithoutAnyModelToRun() throws Exception {
        copy(text -> text);
        for (File file : folder.toFile().listFiles()) {
            assertTrue(file.getName().endsWith(".json") || file.delete());
        }
        assertEquals(Reason.BUNDLE_NO_ARTIFACT, refusal(new FolderFiles(folder.toFile())));
    }

    @Test
    void hasNoVectorsWhereTheFileIsMissing() throws Exception {
        Bundle bundle = open(copy(text -> text));
        Files.delete(folder.resolve("golden.npz"));
        assertNull(bundle.vectors());
    }

    @TestFactory
    Stream<DynamicTest> refusesAManifestThatDoesNotHoldTogether() {
        return Stream.of(
                refused("schema", Reason.BUNDLE_MANIFEST, text -> text.replace("\"schema\": 1", "\"schema\": 2")),
                refused("threshold", Reason.BUNDLE_MANIFEST, text -> text.replaceAll("\"threshold\": [0-9.]+,\n", "\"threshold\": 1.5,\n")),
                refused("positive", Reason.BUNDLE_MANIFEST, text -> text.replace("\"positive\": \"covid\"", "\"positive\": \"other\"")),
                refused("contract", Reason.BUNDLE_CONTRACT, text -> text.replace("\"color\": \"RGB\"", "\"color\": \"BGR\"")),
                refused("side", Reason.BUNDLE_CONTRACT, text -> text.replace("\"height\": 224", "\"height\": 299")),
                refused("outside", Reason.BUNDLE_MANIFEST, text -> text.replace("\"model_int8.onnx\"", "\"../model_int8.onnx\"")),
                refused("sha256", Reason.BUNDLE_MANIFEST, text -> text.replaceAll("\"sha256\": \"[0-9a-f]", "\"sha256\": \"Z")),
                refused("cut", Reason.BUNDLE_MANIFEST, text -> text.substring(0, text.length() / 2)),
                refused("list", Reason.BUNDLE_MANIFEST, text -> "[]"));
    }

    private DynamicTest refused(String name, Reason reason, UnaryOperator<String> change) {
        return DynamicTest.dynamicTest(name, () -> {
            String changed = change.apply(manifest());
            assertTrue(!changed.equals(manifest()), "the change changes nothing");
            assertEquals(reason, refusal(copy(change)));
        });
    }

    @Test
    void unpacksWhatTheAppUsesOfAZippedFolder() throws Exception {
        FolderFiles.unpack(zip("exported/manifest.json", "exported/model.keras", "exported/model_int8.onnx"), folder.toFile());
        assertEquals("[manifest.json, model_int8.onnx]", listing());
    }

    @Test
    void writesNothingOutsideOfTheFolder() throws Exception {
        File inner = folder.resolve("inner").toFile();
        assertTrue(inner.mkdir());
        FolderFiles.unpack(zip("../../evil.onnx", "/etc/evil.tflite", "..\\evil.onnx"), inner);
        assertEquals("[inner]", listing());
        assertEquals("evil.onnx,evil.tflite", String.join(",", sorted(inner)));
    }

    @Test
    void refusesWhatIsNoZip() {
        ByteArrayInputStream text = new ByteArrayInputStream("no zip".getBytes(StandardCharsets.UTF_8));
        CoreException error = assertThrows(CoreException.class, () -> FolderFiles.unpack(text, folder.toFile()));
        assertEquals(Reason.BUNDLE_NO_ZIP, error.reason());
    }

    @Test
    void stopsReadingAtTheLimit() {
        ByteArrayInputStream input = new ByteArrayInputStream(new byte[200_000]);
        CoreException error = assertThrows(CoreException.class, () -> Bundle.readCapped(input, 100_000));
        assertEquals(Reason.FILE_TOO_LARGE, error.reason());
    }

    @TestFactory
    Stream<DynamicTest> refusesDamagedVectors() throws Exception {
        byte[] whole = Cases.read(Cases.folder("bundle").resolve("golden.npz"));
        return Stream.of(10, whole.length / 3, whole.length - 2000).map(length ->
                DynamicTest.dynamicTest("cut to " + length, () -> {
                    byte[] cut = java.util.Arrays.copyOf(whole, length);
                    CoreException error = assertThrows(CoreException.class, () -> GoldenVectors.read(cut));
                    assertEquals(Reason.BUNDLE_VECTORS, error.reason());
                }));
    }

    private static Bundle open(BundleFiles files) throws Exception {
        return Bundle.open(files);
    }

    private static Reason refusal(BundleFiles files) {
        return assertThrows(CoreException.class, () -> Bundle.open(files)).reason();
    }

    private static String manifest() {
        return new String(Cases.read(Cases.folder("bundle").resolve("manifest.json")), StandardCharsets.UTF_8);
    }

    private FolderFiles copy(UnaryOperator<String> change) throws IOException {
        for (String name : new String[] {"model_int8.tflite", "model_int8.onnx", "golden.npz"}) {
            Files.write(folder.resolve(name), Cases.read(Cases.folder("bundle").resolve(name)));
        }
        Files.write(folder.resolve("manifest.json"), change.apply(manifest()).getBytes(StandardCharsets.UTF_8));
        return new FolderFiles(folder.toFile());
    }

    private String listing() {
        return java.util.Arrays.toString(sorted(folder.toFile()));
    }

    private static String[] sorted(File folder) {
        String[] names = folder.list();
        java.util.Arrays.sort(names);
        return names;
    }

    private static ByteArrayInputStream zip(String... names) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (String name : names) {
                zip.putNextEntry(new ZipEntry(name));
                zip.write(1);
            }
        }
        return new ByteArrayInputStream(bytes.toByteArray());
    }
}
