package cxredge.demo;

import android.content.res.AssetManager;
import cxredge.core.BundleFiles;
import java.io.IOException;
import java.io.InputStream;

/** The bundle that the app brings. */
final class AssetFiles implements BundleFiles {
    private static final String FOLDER = "bundle/";

    private final AssetManager assets;

    AssetFiles(AssetManager assets) {
        this.assets = assets;
    }

    @Override
    public InputStream open(String name) throws IOException {
        return assets.open(FOLDER + name);
    }

    @Override
    public boolean has(String name) {
        try (InputStream input = open(name)) {
            return true;
        } catch (IOException error) {
            return false;
        }
    }
}
