package cxredge.core;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What manifest.json says: labels, threshold, artifacts with their hashes. The app knows all of it from here alone. */
public final class Manifest {
    public static final String FILE_NAME = "manifest.json";

    private static final double SCHEMA = 1;
    private static final String PLAIN_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}";
    private static final String SHA256 = "[0-9a-f]{64}";

    public final String name;
    public final String architecture;
    /** In the order of the probabilities. */
    public final List<String> labels;
    /** The label that the threshold applies to. */
    public final String positive;
    public final double threshold;
    /** The `typicality` above which a film is unlike the training films; null where the model cannot tell. */
    public final Double typicalityLimit;
    public final Map<String, Artifact> artifacts;
    /** The hashes of what else belongs to the bundle, by file name. */
    public final Map<String, String> files;

    private Manifest(Fields fields) throws CoreException {
        if (fields.number("schema") != SCHEMA) {
            throw fields.fault("schema", "is not 1, the one this app reads");
        }
        name = fields.string("name");
        architecture = fields.string("architecture");
        labels = fields.strings("labels");
        positive = fields.string("positive");
        if (labels.size() < 2 || new HashSet<>(labels).size() != labels.size() || !labels.contains(positive)) {
            throw fields.fault("labels", "must be two or more different names, 'positive' among them");
        }
        threshold = fields.number("threshold");
        if (threshold < 0 || threshold > 1) {
            throw fields.fault("threshold", "must lie between 0 and 1");
        }
        typicalityLimit = fields.value.get("typicality_limit") == null ? null : fields.number("typicality_limit");
        Contract.check(fields.object("contract"));
        artifacts = readArtifacts(fields);
        files = readFiles(fields);
    }

    /** Reads the manifest in `content`, UTF-8. */
    static Manifest read(byte[] content) throws CoreException {
        Object value;
        try {
            value = Json.read(StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(content)).toString());
        } catch (CharacterCodingException error) {
            throw new CoreException(error, Reason.BUNDLE_MANIFEST, "not UTF-8");
        } catch (IllegalArgumentException error) {
            throw new CoreException(error, Reason.BUNDLE_MANIFEST, error.getMessage());
        }
        return new Manifest(new Fields(value, ""));
    }

    private static Map<String, Artifact> readArtifacts(Fields fields) throws CoreException {
        Map<String, Artifact> found = new LinkedHashMap<>();
        for (Map.Entry<String, Object> entry : fields.files("artifacts").entrySet()) {
            Fields stored = new Fields(entry.getValue(), "artifact " + entry.getKey() + ": ");
            String sha256 = stored.string("sha256");
            if (!sha256.matches(SHA256)) {
                throw stored.fault("sha256", "must be 64 hexadecimal digits");
            }
            List<String> outputs = stored.strings("outputs");
            Artifact artifact = new Artifact(
                    entry.getKey(), stored.string("format"), stored.string("quantization"), sha256, outputs);
            found.put(artifact.name, artifact);
        }
        return Collections.unmodifiableMap(found);
    }

    private static Map<String, String> readFiles(Fields fields) throws CoreException {
        Map<String, String> found = new LinkedHashMap<>();
        for (Map.Entry<String, Object> entry : fields.files("files").entrySet()) {
            if (!(entry.getValue() instanceof String) || !((String) entry.getValue()).matches(SHA256)) {
                throw fields.fault("files", "must give " + entry.getKey() + " a sha256 of 64 hexadecimal digits");
            }
            found.put(entry.getKey(), (String) entry.getValue());
        }
        return Collections.unmodifiableMap(found);
    }

    /** Typed look-ups in a JSON object, whose errors name the field. */
    private static final class Fields {
        final Map<?, ?> value;
        private final String where;

        Fields(Object value, String where) throws CoreException {
            if (!(value instanceof Map)) {
                throw new CoreException(Reason.BUNDLE_MANIFEST, where + "must hold a JSON object");
            }
            this.value = (Map<?, ?>) value;
            this.where = where;
        }

        CoreException fault(String key, String fact) {
            return new CoreException(Reason.BUNDLE_MANIFEST, where + "field '" + key + "' " + fact);
        }

        <T> T get(String key, Class<T> kind) throws CoreException {
            Object item = value.get(key);
            if (!kind.isInstance(item)) {
                throw fault(key, "must be of type " + kind.getSimpleName());
            }
            return kind.cast(item);
        }

        String string(String key) throws CoreException {
            return get(key, String.class);
        }

        double number(String key) throws CoreException {
            return get(key, Double.class);
        }

        Map<?, ?> object(String key) throws CoreException {
            return get(key, Map.class);
        }

        List<String> strings(String key) throws CoreException {
            List<String> found = new ArrayList<>();
            for (Object item : get(key, List.class)) {
                if (!(item instanceof String) || ((String) item).isEmpty()) {
                    throw fault(key, "must be a list of strings");
                }
                found.add((String) item);
            }
            return Collections.unmodifiableList(found);
        }

        Map<String, Object> files(String key) throws CoreException {
            Map<String, Object> found = new LinkedHashMap<>();
            for (Map.Entry<?, ?> entry : object(key).entrySet()) {
                String file = (String) entry.getKey();
                if (!file.matches(PLAIN_NAME) || file.equals(FILE_NAME)) {
                    throw fault(key, "names '" + file + "', which is no plain file name");
                }
                found.put(file, entry.getValue());
            }
            return found;
        }
    }
}
