package cxredge.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** The colour profile is taken out; Python opens what is left and compares the pixels. */
class FilmFileTest {
    @Test
    void jpegLosesItsProfileAndKeepsItsOrientation() throws Exception {
        Path path = Cases.folder("profiles").resolve("film.jpg");
        byte[] content = Cases.read(path);
        FilmFile file = FilmFile.readJpeg(content);
        assertEquals(3, file.orientation());
        assertTrue(file.withoutProfile().length < content.length);
        Files.write(Cases.sibling(path, ".plain.jpg"), file.withoutProfile());
    }

    @Test
    void webpLosesItsProfileAndKeepsItsOrientation() throws Exception {
        Path path = Cases.folder("profiles").resolve("film.webp");
        byte[] content = Cases.read(path);
        FilmFile file = FilmFile.readWebp(content);
        assertEquals(3, file.orientation());
        assertTrue(file.withoutProfile().length < content.length);
        Files.write(Cases.sibling(path, ".plain.webp"), file.withoutProfile());
    }
}
