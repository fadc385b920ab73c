package cxredge.core;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What a film's file says before it is decoded: its format, told by its first bytes, and which way is up. */
final class FilmFile {
    /** Formats by their first bytes. A DICOM file may begin with anything for 128 bytes, so it comes first. */
    private static final Pattern KIND = Pattern.compile(
            "(?s)(?:(?<DICOM>.{128}DICM)|(?<JPEG>\u00ff\u00d8\u00ff)|(?<PNG>\u0089PNG\r\n\u001a\n)"
            + "|(?<WEBP>RIFF.{4}WEBP)|(?<TIFF>II[*+]\0|MM\0[*+])|(?<BMP>BM.{4}\0{4})|(?<GIF>GIF8)"
            + "|(?<HEIF>.{4}ftyp)|(?<JPEG2000>\0{3}\fjP)|(?<PDF>%PDF)|(?<ZIP>PK\u0003\u0004)|(?<GZIP>\u001f\u008b)).*");
    private static final String[] KINDS = {
        "DICOM", "JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "JPEG2000", "PDF", "ZIP", "GZIP"
    };
    private static final Pattern XMP_ORIENTATION = Pattern.compile("tiff:Orientation(?:=\"|>)([0-9])");
    private static final byte[] EXIF = "Exif\0\0".getBytes(StandardCharsets.ISO_8859_1);
    private static final byte[] XMP = "http://ns.adobe.com/xap/1.0/\0".getBytes(StandardCharsets.ISO_8859_1);
    private static final byte[] ICC = "ICC_PROFILE\0".getBytes(StandardCharsets.ISO_8859_1);
    private static final int ORIENTATION_TAG = 0x0112;
    // Flags of a WebP's extended header.
    private static final int WEBP_HAS_ICC = 0x20;
    private static final int WEBP_HAS_EXIF = 0x08;
    private static final int WEBP_HAS_XMP = 0x04;

    private final ByteArrayOutputStream exif = new ByteArrayOutputStream();
    private final ByteArrayOutputStream plain = new ByteArrayOutputStream();
    private String xmp = "";
    private int frames;

    private FilmFile() {}

    /** Returns "JPEG", "PNG" or "WEBP". Throws CoreException for what else a file can be. */
    static String kindOf(byte[] content) throws CoreException {
        if (content.length == 0) {
            throw new CoreException(Reason.FILM_EMPTY);
        }
        int length = Math.min(content.length, 132);
        Matcher matcher = KIND.matcher(new String(content, 0, length, StandardCharsets.ISO_8859_1));
        if (!matcher.matches()) {
            throw new CoreException(Reason.FILM_UNKNOWN);
        }
        for (String kind : KINDS) {
            if (matcher.group(kind) != null) {
                if (kind.equals("JPEG") || kind.equals("PNG") || kind.equals("WEBP")) {
                    return kind;
                }
                throw new CoreException(Reason.FILM_FORMAT, kind);
            }
        }
        throw new IllegalStateException("every group of the pattern is in the list");
    }

    /** Reads the segments of a JPEG up to its first scan. */
    static FilmFile readJpeg(byte[] content) {
        FilmFile file = new FilmFile();
        ByteBuffer data = ByteBuffer.wrap(content);
        file.plain.write(content, 0, 2);
        int at = 2;
        while (at + 4 <= content.length && data.get(at) == (byte) 0xff) {
            int marker = data.get(at + 1) & 255;
            int length = data.getShort(at + 2) & 0xffff;
            // A fill byte, a marker without a length, the first scan, or damage: the decoder has to see to the rest.
            if (marker == 0xff || marker == 0x01 || marker >= 0xd0 && marker <= 0xda || at + 2 + length > content.length) {
                break;
            }
            if (marker == 0xe1 && startsWith(content, at + 4, EXIF)) {
                file.exif.write(content, at + 4 + EXIF.length, Math.max(0, length - 2 - EXIF.length));
            } else if (marker == 0xe1 && startsWith(content, at + 4, XMP)) {
                file.xmp = text(content, at + 4, length - 2);
            } else if (marker != 0xe2 || !startsWith(content, at + 4, ICC)) {
                file.plain.write(content, at, length + 2);
            }
            at += 2 + length;
        }
        file.plain.write(content, at, content.length - at);
        return file;
    }

    /** Reads the chunks of a WebP. */
    static FilmFile readWebp(byte[] content) {
        FilmFile file = new FilmFile();
        ByteBuffer data = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
        file.plain.write(content, 0, Math.min(content.length, 12));
        for (int at = 12; at + 8 <= content.length; ) {
            String name = text(content, at, 4);
            long length = data.getInt(at + 4) & 0xffffffffL;
            int end = (int) Math.min(content.length, at + 8 + length + (length & 1));
            int size = (int) Math.min(length, end - at - 8);
            if (name.equals("EXIF")) {
                file.exif.write(content, at + 8, size);
            } else if (name.equals("XMP ")) {
                file.xmp = text(content, at + 8, size);
            } else if (!name.equals("ICCP")) {
                file.frames += name.equals("ANMF") ? 1 : 0;
                file.plain.write(content, at, end - at);
            }
            at = end;
        }
        return file;
    }

    /**
     * Returns the content without colour profile and orientation.
     *
     * The one is not applied in this project and the other is in one place, FilmReader; Android's decoder would do both.
     */
    byte[] pixelsOnly() {
        byte[] content = plain.toByteArray();
        if (content.length > 20 && text(content, 8, 8).equals("WEBPVP8X")) {
            content[20] &= ~(WEBP_HAS_ICC | WEBP_HAS_EXIF | WEBP_HAS_XMP);
        }
        if (content.length > 12 && startsWith(content, 0, new byte[] {'R', 'I', 'F', 'F'})) {
            ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN).putInt(4, content.length - 8);
        }
        return content;
    }

    int frames() {
        return frames;
    }

    /** Returns the orientation, 1 to 8 or another number that means nothing. */
    int orientation() {
        return orientation(exif.toByteArray(), xmp);
    }

    /** Returns the orientation that EXIF data state, or else XMP data, or else 1. */
    static int orientation(byte[] exif, String xmp) {
        Integer stated = statedIn(exif);
        if (stated != null) {
            return stated;
        }
        Matcher matcher = XMP_ORIENTATION.matcher(xmp);
        return matcher.find() ? matcher.group(1).charAt(0) - '0' : 1;
    }

    /** Reads the first directory of the TIFF structure (TIFF 6.0, section 2) that EXIF data are. */
    private static Integer statedIn(byte[] exif) {
        int base = startsWith(exif, 0, EXIF) ? EXIF.length : 0;
        if (exif.length < base + 8 || exif[base] != exif[base + 1] || exif[base] != 'I' && exif[base] != 'M') {
            return null;
        }
        ByteBuffer data = ByteBuffer.wrap(exif, base, exif.length - base).slice();
        data.order(exif[base] == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        long start = data.getInt(4) & 0xffffffffL;
        if (data.getShort(2) != 42 || start + 2 > data.limit()) {
            return null;
        }
        int count = data.getShort((int) start) & 0xffff;
        for (int entry = 0, at = (int) start + 2; entry < count && at + 12 <= data.limit(); entry++, at += 12) {
            if ((data.getShort(at) & 0xffff) == ORIENTATION_TAG) {
                int type = data.getShort(at + 2);
                if (type == 1 || type == 3 || type == 4) {
                    return type == 1 ? data.get(at + 8) & 255 : type == 3 ? data.getShort(at + 8) & 0xffff : data.getInt(at + 8);
                }
                return null;
            }
        }
        return null;
    }

    private static boolean startsWith(byte[] content, int at, byte[] start) {
        if (at + start.length > content.length) {
            return false;
        }
        for (int index = 0; index < start.length; index++) {
            if (content[at + index] != start[index]) {
                return false;
            }
        }
        return true;
    }

    private static String text(byte[] content, int at, int length) {
        return new String(content, at, length, StandardCharsets.ISO_8859_1);
    }
}
