package cxredge.demo;

import android.content.Context;
import android.net.Uri;
import cxredge.core.Bundle;
import cxredge.core.BundleFiles;
import cxredge.core.CoreException;
import cxredge.core.FilmReader;
import cxredge.core.FolderFiles;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** The app's own files: the film on the screen, and a bundle that was opened from the phone. */
final class Storage {
    private final Context context;

    Storage(Context context) {
        this.context = context;
    }

    /** Copies a film into the app, so that it can be shown again after the process was killed, and returns it. */
    byte[] keepFilm(Uri uri) throws IOException, CoreException {
        byte[] content;
        try (InputStream input = open(uri)) {
            content = Bundle.readCapped(input, FilmReader.MAX_FILE_BYTES);
        }
        try (OutputStream output = new FileOutputStream(filmFile())) {
            output.write(content);
        }
        return content;
    }

    /** Returns the film that was kept. */
    byte[] film() throws IOException, CoreException {
        try (InputStream input = new FileInputStream(filmFile())) {
            return Bundle.readCapped(input, FilmReader.MAX_FILE_BYTES);
        }
    }

    /** Removes what a patient's film has left. */
    void forgetFilm() {
        filmFile().delete();
        PhotoProvider.fileIn(context).delete();
    }

    boolean hasOpenedBundle() {
        return opened().isDirectory();
    }

    BundleFiles bundle() {
        return hasOpenedBundle() ? new FolderFiles(opened()) : new AssetFiles(context.getAssets());
    }

    /** Unpacks a zipped bundle and checks all of it; only a whole one takes the place of the one before. */
    void keepBundle(Uri uri) throws IOException, CoreException {
        File staged = new File(context.getFilesDir(), "bundle-new");
        remove(staged);
        if (!staged.mkdirs()) {
            throw new IOException("no room for the bundle");
        }
        try (InputStream input = open(uri)) {
            FolderFiles.unpack(input, staged);
            Bundle.open(new FolderFiles(staged)).verify();
            remove(opened());
            if (!staged.renameTo(opened())) {
                throw new IOException("the bundle cannot be put in its place");
            }
        } finally {
            remove(staged);
        }
    }

    void forgetBundle() {
        remove(opened());
    }

    private InputStream open(Uri uri) throws IOException {
        try {
            InputStream input = context.getContentResolver().openInputStream(uri);
            if (input == null) {
                throw new FileNotFoundException("its app gave nothing");
            }
            return input;
        } catch (SecurityException error) {
            throw new IOException("its app does not permit it", error);
        }
    }

    private File filmFile() {
        return new File(context.getCacheDir(), "film");
    }

    private File opened() {
        return new File(context.getFilesDir(), "bundle");
    }

    private static void remove(File folder) {
        File[] files = folder.listFiles();
        if (files != null) {
            for (File file : files) {
                file.delete();
            }
        }
        folder.delete();
    }
}
