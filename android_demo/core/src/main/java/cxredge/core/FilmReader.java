package cxredge.core;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** From the bytes of a film's file to the pixels of the contract, as cxr_edge/imaging/decoder.py goes. */
public final class FilmReader {
    public static final int MAX_FILE_BYTES = 256 << 20;

    private final PictureDecoder decoder;

    /** `decoder` is the platform's, for JPEG and WebP. */
    public FilmReader(PictureDecoder decoder) {
        this.decoder = decoder;
    }

    public Film read(byte[] content) throws CoreException {
        String kind = FilmFile.kindOf(content);
        return kind.equals("PNG") ? readPng(content) : readByPlatform(content, kind);
    }

    private static Film readPng(byte[] content) throws CoreException {
        PngDecoder png = PngDecoder.read(content);
        Picture.Upright upright = new Picture.Upright(png.orientation());
        png.decode(upright);
        List<Film.Warning> notes = new ArrayList<>();
        if (png.frames() > 1) {
            notes.add(Film.Warning.FRAMES);
        }
        if (png.isDeepColor()) {
            notes.add(Film.Warning.DEEP_COLOR);
        }
        return new Film(upright.toPicture(), "PNG", notes);
    }

    private Film readByPlatform(byte[] content, String kind) throws CoreException {
        FilmFile file = kind.equals("JPEG") ? FilmFile.readJpeg(content) : FilmFile.readWebp(content);
        Picture.Upright upright = new Picture.Upright(file.orientation());
        try {
            decoder.decode(file.pixelsOnly(), upright);
        } catch (IOException error) {
            throw new CoreException(error, Reason.FILM_DAMAGED, kind);
        }
        List<Film.Warning> notes = new ArrayList<>();
        if (file.frames() > 1) {
            notes.add(Film.Warning.FRAMES);
        }
        return new Film(upright.toPicture(), kind, notes);
    }
}
