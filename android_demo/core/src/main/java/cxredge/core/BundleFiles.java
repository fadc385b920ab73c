package cxredge.core;

import java.io.IOException;
import java.io.InputStream;

/** Where a bundle's files come from: the app's assets, a folder of the phone. */
public interface BundleFiles {
    /** Opens a file by its plain name. Throws FileNotFoundException where there is none. */
    InputStream open(String name) throws IOException;

    /** Whether there is such a file. */
    boolean has(String name);
}
