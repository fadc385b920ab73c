package cxredge.core;

import java.io.IOException;

/** Decodes JPEG and WebP. The phone has its own decoders for these; PNG is decoded here, in PngDecoder. */
public interface PictureDecoder {
    /**
     * Decodes `content`, which has neither orientation nor colour profile, into `sink`.
     *
     * Throws IOException where the data are damaged or cut short: a part of a film is no film.
     */
    void decode(byte[] content, PixelSink sink) throws IOException, CoreException;
}
