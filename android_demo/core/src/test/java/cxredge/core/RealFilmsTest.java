package cxredge.core;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Real films of the awkward kinds; left out where the folder of real films is not there. */
class RealFilmsTest {
    @TestFactory
    Stream<DynamicTest> realFilmsGiveThePixelsOfPython() {
        return Cases.files("real", ".txt").stream().map(facts -> DynamicTest.dynamicTest(facts.getFileName().toString(), () -> {
            byte[] content = Cases.read(Cases.sibling(facts, ".content"));
            boolean decoded = Files.exists(Cases.sibling(facts, ".rgba"));
            PictureDecoder decoder = decoded ? Cases.decoderOf(Cases.sibling(facts, ".rgba")) : Cases.none();
            Film film = new FilmReader(decoder).read(content);
            String wanted = new String(Cases.read(facts), StandardCharsets.UTF_8);
            assertEquals(wanted.split(" ")[0] + " " + wanted.split(" ")[1], film.picture.width + " " + film.picture.height);
            assertArrayEquals(Cases.read(Cases.sibling(facts, ".pixels")), film.pixels);
        }));
    }
}
