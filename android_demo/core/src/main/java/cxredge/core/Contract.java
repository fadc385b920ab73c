package cxredge.core;

import java.util.LinkedHashMap;
import java.util.Map;

/** The one input contract that this app keeps. A bundle with another one is refused, never adapted to. */
public final class Contract {
    public static final int SIDE_PX = 224;
    public static final int CHANNELS = 3;
    /** Bytes of one film: 224 rows of 224 RGB pixels. */
    public static final int BYTES = SIDE_PX * SIDE_PX * CHANNELS;
    /** Rows, and columns, of the heat map. */
    public static final int MAP_SIDE = 7;

    static final String INPUT = "image";

    private Contract() {}

    /** Throws CoreException unless the manifest's `contract` says the same, key by key. */
    static void check(Map<?, ?> stored) throws CoreException {
        for (Map.Entry<String, Object> wanted : terms().entrySet()) {
            Object found = stored.get(wanted.getKey());
            if (!wanted.getValue().equals(found)) {
                throw new CoreException(Reason.BUNDLE_CONTRACT, wanted.getKey(), plain(found), plain(wanted.getValue()));
            }
        }
    }

    private static Map<String, Object> terms() {
        Map<String, Object> terms = new LinkedHashMap<>();
        terms.put("name", INPUT);
        terms.put("dtype", "uint8");
        terms.put("height", (double) SIDE_PX);
        terms.put("width", (double) SIDE_PX);
        terms.put("channels", (double) CHANNELS);
        terms.put("color", "RGB");
        terms.put("resize", "squash");
        terms.put("filter", "bilinear");
        return terms;
    }

    private static Object plain(Object value) {
        if (value instanceof Double && (Double) value == Math.rint((Double) value)) {
            return ((Double) value).longValue();
        }
        return value;
    }
}
