package cxredge.core;

import java.io.ByteArrayOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;

/** A classifier's files and its manifest. No model is handed out before its SHA-256 is found to be the manifest's. */
public final class Bundle {
    public static final String VECTORS = "golden.npz";

    static final int MAX_MANIFEST_BYTES = 8 << 20;
    static final int MAX_ARTIFACT_BYTES = 512 << 20;

    public final Manifest manifest;
    private final BundleFiles files;

    private Bundle(Manifest manifest, BundleFiles files) {
        this.manifest = manifest;
        this.files = files;
    }

    /** Reads the manifest; a bundle without an artifact that can run here is refused. */
    public static Bundle open(BundleFiles files) throws IOException, CoreException {
        if (!files.has(Manifest.FILE_NAME)) {
            throw new CoreException(Reason.BUNDLE_NO_MANIFEST);
        }
        Manifest manifest;
        try (InputStream input = files.open(Manifest.FILE_NAME)) {
            manifest = Manifest.read(readCapped(input, MAX_MANIFEST_BYTES));
        }
        Bundle bundle = new Bundle(manifest, files);
        if (bundle.artifacts().isEmpty()) {
            throw new CoreException(Reason.BUNDLE_NO_ARTIFACT);
        }
        return bundle;
    }

    /** Returns the artifacts that are there and that one of the two engines reads. */
    public List<Artifact> artifacts() {
        List<Artifact> found = new ArrayList<>();
        for (Artifact artifact : manifest.artifacts.values()) {
            if (artifact.isRunnable() && files.has(artifact.name)) {
                found.add(artifact);
            }
        }
        return found;
    }

    /** Returns the artifact to start with, as the command line does: TFLite int8, float32 or another, else ONNX. */
    public Artifact defaultArtifact() {
        Artifact best = null;
        for (Artifact artifact : artifacts()) {
            if (best == null || rank(artifact) < rank(best)) {
                best = artifact;
            }
        }
        return best;
    }

    private static int rank(Artifact artifact) {
        if (artifact.name.equals("model_int8.tflite")) {
            return 0;
        }
        if (artifact.name.equals("model_float32.tflite")) {
            return 1;
        }
        return artifact.format.equals("tflite") ? 2 : 3;
    }

    /** Returns the content of an artifact, proved by its SHA-256. */
    public byte[] read(Artifact artifact) throws IOException, CoreException {
        return readProved(artifact.name, artifact.sha256);
    }

    /** Returns the golden vectors, or null where the bundle has none. */
    public GoldenVectors vectors() throws IOException, CoreException {
        String sha256 = manifest.files.get(VECTORS);
        return sha256 == null || !files.has(VECTORS) ? null : GoldenVectors.read(readProved(VECTORS, sha256));
    }

    /** Reads every file that the app would use, so that a damaged bundle is refused when it is opened. */
    public void verify() throws IOException, CoreException {
        for (Artifact artifact : artifacts()) {
            read(artifact);
        }
        vectors();
    }

    private byte[] readProved(String name, String sha256) throws IOException, CoreException {
        byte[] content;
        try (InputStream input = files.open(name)) {
            content = readCapped(input, MAX_ARTIFACT_BYTES);
        } catch (FileNotFoundException error) {
            throw new CoreException(error, Reason.BUNDLE_MISSING, name);
        }
        if (!sha256(content).equals(sha256)) {
            throw new CoreException(Reason.BUNDLE_HASH, name);
        }
        return content;
    }

    /** Reads a stream to its end, which must come within `limit` bytes. */
    public static byte[] readCapped(InputStream input, int limit) throws IOException, CoreException {
        ByteArrayOutputStream found = new ByteArrayOutputStream();
        byte[] piece = new byte[1 << 16];
        for (int count = input.read(piece); count >= 0; count = input.read(piece)) {
            if (count > limit - found.size()) {
                throw new CoreException(Reason.FILE_TOO_LARGE, limit >> 20);
            }
            found.write(piece, 0, count);
        }
        return found.toByteArray();
    }

    static String sha256(byte[] content) {
        byte[] digest;
        try {
            digest = MessageDigest.getInstance("SHA-256").digest(content);
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException("every Java platform has SHA-256", error);
        }
        StringBuilder text = new StringBuilder();
        for (byte value : digest) {
            text.append(Character.forDigit(value >> 4 & 15, 16)).append(Character.forDigit(value & 15, 16));
        }
        return text.toString();
    }
}
