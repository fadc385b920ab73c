package cxredge.core;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** The films of golden.npz, and what each artifact answered for them where the bundle was made. */
public final class GoldenVectors {
    private static final int MAX_BYTES = 64 << 20;
    private static final Pattern SHAPE = Pattern.compile("'descr': '([^']*)'.*'fortran_order': False.*'shape': \\(([^)]*)\\)");

    private final List<byte[]> films = new ArrayList<>();
    private final Map<String, Expected> artifacts = new HashMap<>();

    /** What one artifact answered. */
    static final class Expected {
        final String sha256;
        final double tolerance;
        final Map<String, float[][]> outputs = new HashMap<>();

        Expected(String sha256, double tolerance) {
            this.sha256 = sha256;
            this.tolerance = tolerance;
        }
    }

    private GoldenVectors() {}

    /** Returns how many films there are. */
    public int count() {
        return films.size();
    }

    /** Returns the contract's pixels of a film. */
    public byte[] pixels(int film) {
        return films.get(film);
    }

    /** Returns the answers of the artifact of this name, or null. */
    Expected expected(String artifact) {
        return artifacts.get(artifact);
    }

    static GoldenVectors read(byte[] content) throws CoreException {
        try {
            return parse(readArrays(content));
        } catch (IOException | IllegalArgumentException | ClassCastException | NullPointerException error) {
            throw new CoreException(error, Reason.BUNDLE_VECTORS, CoreException.firstLine(error));
        }
    }

    private static GoldenVectors parse(Map<String, Array> arrays) {
        Map<?, ?> facts = (Map<?, ?>) Json.read(new String(arrays.remove("facts").bytes(), StandardCharsets.UTF_8));
        check(Double.valueOf(1).equals(facts.get("schema")), "schema is not 1");
        GoldenVectors vectors = new GoldenVectors();
        vectors.restoreFilms((List<?>) facts.get("films"), arrays.remove("rows"));
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) facts.get("artifacts")).entrySet()) {
            Map<?, ?> stored = (Map<?, ?>) entry.getValue();
            Expected expected = new Expected((String) stored.get("sha256"), (Double) stored.get("tolerance"));
            for (String output : new String[] {Outputs.PROBABILITIES, Outputs.HEATMAP, Outputs.TYPICALITY}) {
                Array array = arrays.remove(entry.getKey() + "/" + output);
                if (array != null) {
                    expected.outputs.put(output, array.rows(vectors.count()));
                }
            }
            check(expected.outputs.containsKey(Outputs.PROBABILITIES), entry.getKey() + " has no probabilities");
            vectors.artifacts.put((String) entry.getKey(), expected);
        }
        check(arrays.isEmpty(), "an array belongs to no artifact");
        return vectors;
    }

    /** Films are stored as the differences between their rows, and one channel for all three. */
    private void restoreFilms(List<?> facts, Array rows) {
        int side = Contract.SIDE_PX;
        byte[] differences = rows.bytes();
        check(!facts.isEmpty() && differences.length == facts.size() * side * side, "the films' pixels do not add up");
        for (int film = 0; film < facts.size(); film++) {
            byte[] grey = new byte[side * side];
            byte[] pixels = new byte[Contract.BYTES];
            for (int at = 0; at < grey.length; at++) {
                int above = at < side ? 0 : grey[at - side];
                grey[at] = (byte) (above + differences[film * side * side + at]);
                for (int channel = 0; channel < Contract.CHANNELS; channel++) {
                    pixels[at * Contract.CHANNELS + channel] = grey[at];
                }
            }
            Object wanted = ((Map<?, ?>) facts.get(film)).get("sha256");
            check(Bundle.sha256(pixels).equals(wanted), "the pixels of a film differ from their sha256");
            films.add(pixels);
        }
    }

    private static Map<String, Array> readArrays(byte[] content) throws IOException {
        Map<String, Array> found = new HashMap<>();
        int left = MAX_BYTES;
        try (ZipInputStream zip = new ZipInputStream(new ByteArrayInputStream(content))) {
            for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
                byte[] data;
                try {
                    data = Bundle.readCapped(zip, left);
                } catch (CoreException error) {
                    throw new IllegalArgumentException("too large when unpacked", error);
                }
                left -= data.length;
                found.put(entry.getName().replaceAll("\\.npy$", ""), new Array(data));
            }
        }
        return found;
    }

    private static void check(boolean holds, String fact) {
        if (!holds) {
            throw new IllegalArgumentException(fact);
        }
    }

    /** An array in NumPy's own format, version 1: bytes, or little-endian floats of 4 bytes. */
    private static final class Array {
        private final String type;
        private final String shape;
        private final ByteBuffer data;

        Array(byte[] content) {
            check(content.length > 10 && content[0] == (byte) 0x93 && content[6] == 1, "an array of another format");
            ByteBuffer whole = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
            int length = whole.getShort(8) & 0xffff;
            check(10 + length <= content.length, "an array is cut short");
            Matcher header = SHAPE.matcher(new String(content, 10, length, StandardCharsets.ISO_8859_1));
            check(header.find(), "an array of another order");
            type = header.group(1);
            shape = header.group(2);
            whole.position(10 + length);
            data = whole.slice().order(ByteOrder.LITTLE_ENDIAN);
        }

        byte[] bytes() {
            check(type.equals("|u1"), "an array of type " + type);
            byte[] found = new byte[data.remaining()];
            data.duplicate().get(found);
            return found;
        }

        float[][] rows(int count) {
            String[] sides = shape.split(",\\s*");
            check(type.equals("<f4") && sides.length == 2, "an array of type " + type);
            int width = Integer.parseInt(sides[1].trim());
            check(Integer.parseInt(sides[0].trim()) == count && data.remaining() == 4L * count * width, "rows are missing");
            float[][] found = new float[count][width];
            ByteBuffer values = data.duplicate().order(ByteOrder.LITTLE_ENDIAN);
            for (float[] row : found) {
                values.asFloatBuffer().get(row);
                values.position(values.position() + 4 * width);
            }
            return found;
        }
    }
}
