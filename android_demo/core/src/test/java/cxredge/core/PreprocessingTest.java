package cxredge.core;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Pixels, size and warnings are those of cxr_edge/imaging/decoder.py, bit for bit. */
class PreprocessingTest {
    @TestFactory
    Stream<DynamicTest> pngGivesThePixelsOfPython() {
        return Cases.files("films", ".png").stream().map(path -> check(path, Cases.none()));
    }

    @TestFactory
    Stream<DynamicTest> decodedJpegGivesThePixelsOfPython() {
        return Cases.files("films", ".jpg").stream().map(path -> check(path, Cases.decoderOf(Cases.sibling(path, ".rgba"))));
    }

    @TestFactory
    Stream<DynamicTest> decodedWebpGivesThePixelsOfPython() {
        return Cases.files("films", ".webp").stream().map(path -> check(path, Cases.decoderOf(Cases.sibling(path, ".rgba"))));
    }

    /** From the file, where another JPEG decoder of the same family gives the same grey. */
    @TestFactory
    Stream<DynamicTest> greyJpegDecodedByJavaGivesThePixelsOfPython() {
        return Cases.files("grey", ".jpg").stream().map(path -> check(path, PreprocessingTest::decodeGrey));
    }

    @TestFactory
    Stream<DynamicTest> refusesWhatPythonRefuses() {
        return Cases.files("refused", ".bin").stream().map(path -> DynamicTest.dynamicTest(name(path), () -> {
            String wanted = name(path).substring(name(path).indexOf('-') + 1).replace(".bin", "");
            CoreException error = org.junit.jupiter.api.Assertions.assertThrows(
                    CoreException.class, () -> new FilmReader(PreprocessingTest::decodeGrey).read(Cases.read(path)));
            assertEquals(wanted, error.reason().name());
        }));
    }

    private static DynamicTest check(Path path, PictureDecoder decoder) {
        return DynamicTest.dynamicTest(name(path), () -> {
            Film film = new FilmReader(decoder).read(Cases.read(path));
            String warnings = film.warnings.stream().map(Enum::name).collect(Collectors.joining(","));
            String facts = film.picture.width + " " + film.picture.height + " " + film.format + " " + warnings;
            String wanted = new String(Cases.read(Cases.sibling(path, ".txt")), StandardCharsets.UTF_8);
            assertEquals(wanted, facts.trim());
            assertArrayEquals(Cases.read(Cases.sibling(path, ".pixels")), film.pixels);
        });
    }

    private static void decodeGrey(byte[] content, PixelSink sink) throws java.io.IOException, CoreException {
        BufferedImage image = ImageIO.read(new ByteArrayInputStream(content));
        Raster raster = image.getRaster();
        sink.start(image.getWidth(), image.getHeight());
        for (int y = 0; y < image.getHeight(); y++) {
            for (int x = 0; x < image.getWidth(); x++) {
                sink.put(x, y, 0xff000000 | raster.getSample(x, y, 0) * 0x010101);
            }
        }
    }

    private static String name(Path path) {
        return path.getFileName().toString();
    }
}
