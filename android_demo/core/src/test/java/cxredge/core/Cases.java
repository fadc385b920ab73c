package cxredge.core;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What Python has written for these tests: inputs, and the answers of cxr_edge's own modules. */
final class Cases {
    private Cases() {}

    static Path folder(String name) {
        String root = System.getProperty("cxredge.cases");
        if (root == null) {
            throw new IllegalStateException("cxredge.cases is not set; run these tests by pytest tests/android");
        }
        return Paths.get(root, name);
    }

    /** Returns the files of a folder whose names end so, sorted; at least one. */
    static List<Path> files(String folder, String end) {
        try (Stream<Path> paths = Files.list(folder(folder))) {
            List<Path> found =
                    paths.filter(path -> path.toString().endsWith(end)).sorted().collect(Collectors.toList());
            if (found.isEmpty()) {
                throw new IllegalStateException(folder + " has no case that ends with " + end);
            }
            return found;
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    static byte[] read(Path path) {
        try {
            return Files.readAllBytes(path);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    static Path sibling(Path path, String end) {
        String name = path.getFileName().toString();
        return path.resolveSibling(name.substring(0, name.lastIndexOf('.')) + end);
    }

    /** Stands in for Android's decoder: puts the pixels that Pillow decoded, width and height before them. */
    static PictureDecoder decoderOf(Path rgba) {
        return (content, sink) -> {
            ByteBuffer data = ByteBuffer.wrap(read(rgba));
            int width = data.getInt();
            int height = data.getInt();
            sink.start(width, height);
            for (int at = 0; at < width * height; at++) {
                int value = data.getInt();
                sink.put(at % width, at / width, value << 24 | value >>> 8);
            }
        };
    }

    /** A decoder for films that must not need one. */
    static PictureDecoder none() {
        return (content, sink) -> {
            throw new AssertionError("PNG is not the platform's");
        };
    }
}
