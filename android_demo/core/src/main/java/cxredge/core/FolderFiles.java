package cxredge.core;

import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipInputStream;

/** A bundle in a folder, and how one gets there out of a zip file. */
public final class FolderFiles implements BundleFiles {
    private static final String PLAIN_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,99}";

    private final File folder;

    public FolderFiles(File folder) {
        this.folder = folder;
    }

    @Override
    public InputStream open(String name) throws IOException {
        return new FileInputStream(new File(folder, name));
    }

    @Override
    public boolean has(String name) {
        return new File(folder, name).isFile();
    }

    /**
     * Unpacks what the app can use of a zipped bundle into `folder`, which must be new and empty.
     *
     * The bundle may lie in a folder inside the zip. Only plain file names are written, and never more in all than a
     * bundle's largest artifact may have, so a hostile zip can neither leave the folder nor fill the phone.
     */
    public static void unpack(InputStream zip, File folder) throws IOException, CoreException {
        long left = Bundle.MAX_ARTIFACT_BYTES;
        boolean any = false;
        try (ZipInputStream input = new ZipInputStream(zip)) {
            for (ZipEntry entry = input.getNextEntry(); entry != null; entry = input.getNextEntry()) {
                any = true;
                String name = entry.getName().substring(entry.getName().lastIndexOf('/') + 1);
                if (!entry.isDirectory() && name.matches(PLAIN_NAME) && isUsed(name)) {
                    left -= copy(input, new File(folder, name), left);
                }
            }
        } catch (ZipException | IllegalArgumentException error) {
            throw new CoreException(error, Reason.BUNDLE_NO_ZIP);
        }
        if (!any) {
            throw new CoreException(Reason.BUNDLE_NO_ZIP);
        }
    }

    private static boolean isUsed(String name) {
        return name.equals(Manifest.FILE_NAME) || name.equals(Bundle.VECTORS)
                || name.endsWith(".tflite") || name.endsWith(".onnx");
    }

    private static long copy(InputStream input, File file, long left) throws IOException, CoreException {
        long copied = 0;
        byte[] piece = new byte[1 << 16];
        try (OutputStream output = new FileOutputStream(file)) {
            for (int count = input.read(piece); count >= 0; count = input.read(piece)) {
                copied += count;
                if (copied > left) {
                    throw new CoreException(Reason.FILE_TOO_LARGE, Bundle.MAX_ARTIFACT_BYTES >> 20);
                }
                output.write(piece, 0, count);
            }
        }
        return copied;
    }
}
