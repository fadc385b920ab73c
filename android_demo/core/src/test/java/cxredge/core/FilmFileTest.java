package cxredge.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Colour profile and orientation are taken out; Python opens what is left and compares the pixels. */
class FilmFileTest {
    @Test
    void jpegLosesItsProfileAndItsOrientation() throws Exception {
        Path path = Cases.folder("profiles").resolve("film.jpg");
        byte[] content = Cases.read(path);
        FilmFile file = FilmFile.readJpeg(content);
        assertEquals(3, file.orientation());
        assertTrue(file.pixelsOnly().length < content.length);
        assertEquals(1, FilmFile.readJpeg(file.pixelsOnly()).orientation());
        Files.write(Cases.sibling(path, ".plain.jpg"), file.pixelsOnly());
    }

    @Test
    void webpLosesItsProfileAndItsOrientation() throws Exception {
        Path path = Cases.folder("profiles").resolve("film.webp");
        byte[] content = Cases.read(path);
        FilmFile file = FilmFile.readWebp(content);
        assertEquals(3, file.orientation());
        assertTrue(file.pixelsOnly().length < content.length);
        assertEquals(1, FilmFile.readWebp(file.pixelsOnly()).orientation());
        Files.write(Cases.sibling(path, ".plain.webp"), file.pixelsOnly());
    }
}
