package cxredge.core;

/** Takes a picture as it lies in its file, pixel by pixel, in any order. */
public interface PixelSink {
    /** Says the size before the first pixel, which a decoder must know before it decodes. */
    void start(int width, int height) throws CoreException;

    /** Takes one pixel: alpha, red, green, blue, 8 bits each, the colours not multiplied by alpha. */
    void put(int x, int y, int argb);
}
