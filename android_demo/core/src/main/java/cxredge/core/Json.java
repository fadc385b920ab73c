package cxredge.core;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import java.io.IOException;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads JSON by Gson's strict reader: objects become Map, arrays List, numbers Double, and null null. */
final class Json {
    private static final int MAX_DEPTH = 64;

    private Json() {}

    /** Returns the value in `text`. Throws IllegalArgumentException that says where it is not valid (RFC 8259). */
    static Object read(String text) {
        JsonReader reader = new JsonReader(new StringReader(text));
        reader.setStrictness(Strictness.STRICT);
        reader.setNestingLimit(MAX_DEPTH);
        try {
            Object value = readValue(reader);
            // Throws where more text follows.
            reader.peek();
            return value;
        } catch (IOException error) {
            // Gson's own message tells programmers to be lenient.
            throw new IllegalArgumentException("not valid JSON at " + reader.getPath(), error);
        }
    }

    private static Object readValue(JsonReader reader) throws IOException {
        switch (reader.peek()) {
            case BEGIN_OBJECT:
                return readObject(reader);
            case BEGIN_ARRAY:
                return readArray(reader);
            case STRING:
                return reader.nextString();
            case NUMBER:
                return reader.nextDouble();
            case BOOLEAN:
                return reader.nextBoolean();
            default:
                reader.nextNull();
                return null;
        }
    }

    private static Map<String, Object> readObject(JsonReader reader) throws IOException {
        Map<String, Object> found = new LinkedHashMap<>();
        reader.beginObject();
        while (reader.hasNext()) {
            found.put(reader.nextName(), readValue(reader));
        }
        reader.endObject();
        return found;
    }

    private static List<Object> readArray(JsonReader reader) throws IOException {
        List<Object> found = new ArrayList<>();
        reader.beginArray();
        while (reader.hasNext()) {
            found.add(readValue(reader));
        }
        reader.endArray();
        return found;
    }
}
