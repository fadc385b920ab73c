package cxredge.core;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.zip.CRC32;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * Decodes PNG (W3C Portable Network Graphics, third edition), every bit depth, interlaced too.
 *
 * The phone has a decoder, but it cuts 16-bit films to 8 bits and applies colour profiles. Here deep grey is stretched
 * from its least to its greatest value, as on the workstation.
 */
final class PngDecoder {
    private static final int GREY = 0;
    private static final int RGB = 2;
    private static final int PALETTE = 3;
    private static final int GREY_ALPHA = 4;
    private static final int RGBA = 6;
    /** First column and row of the seven passes of an interlaced picture, and the steps between them. */
    private static final int[][] PASSES = {
        {0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}
    };
    private static final int[][] ONE_PASS = {{0, 0, 1, 1}};

    private final ByteBuffer data;
    private final ByteArrayOutputStream packed = new ByteArrayOutputStream();
    private byte[] palette = new byte[0];
    private byte[] transparency;
    private byte[] exif = new byte[0];
    private String xmp = "";
    private int width;
    private int height;
    private int depth;
    private int color;
    private boolean interlaced;
    private int frames;

    private PngDecoder(byte[] content) {
        data = ByteBuffer.wrap(content);
    }

    /** Reads all chunks; pixels are decoded by `decode`. Throws CoreException for damaged or cut data. */
    static PngDecoder read(byte[] content) throws CoreException {
        PngDecoder decoder = new PngDecoder(content);
        decoder.readChunks();
        return decoder;
    }

    int orientation() {
        return FilmFile.orientation(exif, xmp);
    }

    int frames() {
        return frames;
    }

    boolean isDeepColor() {
        return depth == 16 && color != GREY;
    }

    void decode(PixelSink sink) throws CoreException {
        sink.start(width, height);
        if (depth == 16 && color == GREY) {
            decodeDeep(sink);
            return;
        }
        decodePixels((x, y, samples, at) -> sink.put(x, y, toArgb(samples, at)));
    }

    private void decodeDeep(PixelSink sink) throws CoreException {
        char[] values = new char[width * height];
        int[] range = {0xffff, 0};
        decodePixels((x, y, samples, at) -> {
            char value = (char) samples[at];
            values[y * width + x] = value;
            range[0] = Math.min(range[0], value);
            range[1] = Math.max(range[1], value);
        });
        // A value that fits 8 bits stays when all do.
        double scale = 255.0 / Math.max(range[1] - range[0], 1);
        for (int at = 0; at < values.length; at++) {
            int shade = range[1] <= 255 ? values[at] : (int) Math.rint((values[at] - range[0]) * scale);
            sink.put(at % width, at / width, 0xff000000 | shade * 0x010101);
        }
    }

    /** Takes the samples of one pixel, which begin at `at`. */
    private interface Samples {
        void take(int x, int y, int[] samples, int at);
    }

    private void decodePixels(Samples sink) throws CoreException {
        Inflater inflater = new Inflater();
        inflater.setInput(packed.toByteArray());
        try {
            for (int[] pass : interlaced ? PASSES : ONE_PASS) {
                decodePass(inflater, pass, sink);
            }
        } catch (DataFormatException error) {
            throw new CoreException(error, Reason.FILM_DAMAGED, "PNG");
        } finally {
            inflater.end();
        }
    }

    private void decodePass(Inflater inflater, int[] pass, Samples sink) throws DataFormatException, CoreException {
        int columns = (width - pass[0] + pass[2] - 1) / pass[2];
        int rows = (height - pass[1] + pass[3] - 1) / pass[3];
        if (columns <= 0 || rows <= 0) {
            return;
        }
        int bits = samplesPerPixel() * depth;
        int step = Math.max(1, bits / 8);
        byte[] above = new byte[(int) (((long) columns * bits + 7) / 8)];
        byte[] row = new byte[above.length];
        int[] samples = new int[columns * samplesPerPixel()];
        byte[] filter = new byte[1];
        for (int y = 0; y < rows; y++) {
            inflate(inflater, filter);
            inflate(inflater, row);
            unfilter(filter[0], row, above, step);
            unpack(row, samples);
            for (int x = 0; x < columns; x++) {
                sink.take(pass[0] + x * pass[2], pass[1] + y * pass[3], samples, x * samplesPerPixel());
            }
            byte[] spare = above;
            above = row;
            row = spare;
        }
    }

    private static void inflate(Inflater inflater, byte[] target) throws DataFormatException, CoreException {
        for (int at = 0; at < target.length; ) {
            int count = inflater.inflate(target, at, target.length - at);
            if (count == 0) {
                throw damage();
            }
            at += count;
        }
    }

    private static void unfilter(int filter, byte[] row, byte[] above, int step) throws CoreException {
        if (filter < 0 || filter > 4) {
            throw damage();
        }
        for (int at = 0; at < row.length; at++) {
            int left = at < step ? 0 : row[at - step] & 255;
            int up = above[at] & 255;
            int corner = at < step ? 0 : above[at - step] & 255;
            switch (filter) {
                case 1:
                    row[at] += left;
                    break;
                case 2:
                    row[at] += up;
                    break;
                case 3:
                    row[at] += (left + up) / 2;
                    break;
                case 4:
                    row[at] += predict(left, up, corner);
                    break;
                default:
            }
        }
    }

    /** Paeth's predictor (section 9.4). */
    private static int predict(int left, int up, int corner) {
        int byLeft = Math.abs(up - corner);
        int byUp = Math.abs(left - corner);
        int byCorner = Math.abs(left + up - 2 * corner);
        if (byLeft <= byUp && byLeft <= byCorner) {
            return left;
        }
        return byUp <= byCorner ? up : corner;
    }

    private void unpack(byte[] row, int[] samples) {
        for (int at = 0; at < samples.length; at++) {
            if (depth == 16) {
                samples[at] = (row[2 * at] & 255) << 8 | row[2 * at + 1] & 255;
            } else {
                int bit = at * depth;
                samples[at] = row[bit / 8] >> 8 - depth - bit % 8 & (1 << depth) - 1;
            }
        }
    }

    private int toArgb(int[] samples, int at) {
        if (color == PALETTE) {
            int entry = samples[at];
            if (entry * 3 + 2 >= palette.length) {
                return 0xff000000;
            }
            int alpha = transparency != null && entry < transparency.length ? transparency[entry] & 255 : 255;
            return pack(alpha, palette[entry * 3] & 255, palette[entry * 3 + 1] & 255, palette[entry * 3 + 2] & 255);
        }
        boolean grey = color == GREY || color == GREY_ALPHA;
        int red = eightBits(samples[at]);
        int green = grey ? red : eightBits(samples[at + 1]);
        int blue = grey ? red : eightBits(samples[at + 2]);
        int alpha = color == GREY_ALPHA ? eightBits(samples[at + 1]) : color == RGBA ? eightBits(samples[at + 3]) : 255;
        return isKey(red, green, blue) ? 0 : pack(alpha, red, green, blue);
    }

    private int eightBits(int sample) {
        return depth == 16 ? sample >> 8 : sample * 255 / ((1 << depth) - 1);
    }

    /** Whether this is the one transparent colour. Pillow compares it unscaled, with 8-bit values, and so do we. */
    private boolean isKey(int red, int green, int blue) {
        if (transparency == null || color != GREY && color != RGB) {
            return false;
        }
        if (color == GREY) {
            int stated = transparency[1] & 255;
            return red == (depth == 1 ? (stated | transparency[0]) == 0 ? 0 : 255 : stated);
        }
        return red == (transparency[1] & 255) && green == (transparency[3] & 255) && blue == (transparency[5] & 255);
    }

    private static int pack(int alpha, int red, int green, int blue) {
        return alpha << 24 | red << 16 | green << 8 | blue;
    }

    private int samplesPerPixel() {
        return color == RGB ? 3 : color == RGBA ? 4 : color == GREY_ALPHA ? 2 : 1;
    }

    private void readChunks() throws CoreException {
        boolean first = true;
        boolean ownFrame = false;
        int at = 8;
        while (at + 12 <= data.limit()) {
            int length = data.getInt(at);
            if (length < 0 || length > data.limit() - at - 12) {
                break;
            }
            String name = new String(data.array(), at + 4, 4, StandardCharsets.ISO_8859_1);
            if (first != name.equals("IHDR") || !name.equals("IDAT") && !isIntact(at, length)) {
                throw damage();
            }
            first = false;
            if (name.equals("IEND")) {
                break;
            }
            ownFrame |= name.equals("fcTL") && packed.size() == 0;
            readChunk(name, at + 8, length);
            at += 12 + length;
        }
        if (packed.size() == 0) {
            // A part of a chunk is all there is of some cut files, and the pixels will be found to be too few.
            throw damage();
        }
        // Of an animation, the still picture is a frame of its own where the animation does not begin with it.
        frames += frames > 0 && !ownFrame ? 1 : 0;
    }

    private void readChunk(String name, int at, int length) throws CoreException {
        byte[] content = Arrays.copyOfRange(data.array(), at, at + length);
        switch (name) {
            case "IHDR":
                readHeader(content);
                break;
            case "PLTE":
                palette = content;
                break;
            case "tRNS":
                if (color == GREY && length < 2 || color == RGB && length < 6) {
                    throw damage();
                }
                transparency = content;
                break;
            case "eXIf":
                exif = content;
                break;
            case "acTL":
                frames = length < 4 ? 0 : data.getInt(at);
                break;
            case "iTXt":
                String text = new String(content, StandardCharsets.ISO_8859_1);
                if (text.startsWith("XML:com.adobe.xmp\0\0")) {
                    xmp = text;
                }
                break;
            case "IDAT":
                packed.write(content, 0, length);
                break;
            default:
        }
    }

    private void readHeader(byte[] content) throws CoreException {
        if (content.length < 13) {
            throw damage();
        }
        ByteBuffer header = ByteBuffer.wrap(content);
        width = header.getInt();
        height = header.getInt();
        depth = header.get();
        color = header.get();
        boolean known = header.get() == 0 && header.get() == 0;
        interlaced = header.get() != 0;
        if (width <= 0 || height <= 0 || !known || !isAllowed()) {
            throw damage();
        }
    }

    private boolean isAllowed() {
        switch (color) {
            case GREY:
                return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
            case PALETTE:
                return depth == 1 || depth == 2 || depth == 4 || depth == 8;
            case RGB:
            case GREY_ALPHA:
            case RGBA:
                return depth == 8 || depth == 16;
            default:
                return false;
        }
    }

    private boolean isIntact(int at, int length) {
        CRC32 sum = new CRC32();
        sum.update(data.array(), at + 4, length + 4);
        return (int) sum.getValue() == data.getInt(at + 8 + length);
    }

    private static CoreException damage() {
        return new CoreException(Reason.FILM_DAMAGED, "PNG");
    }
}
