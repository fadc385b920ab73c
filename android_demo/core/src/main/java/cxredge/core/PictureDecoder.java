package cxredge.core;

import java.io.IOException;

/** Decodes JPEG and WebP. The phone has its own decoders for these; PNG is decoded here, in PngDecoder. */
public interface PictureDecoder {
    /** Decodes `content` into `sink`, without turning it by EXIF. Throws IOException where the data are damaged. */
    void decode(byte[] content, PixelSink sink) throws IOException, CoreException;
}
