package cxredge.demo;

import android.content.ContentProvider;
import android.content.ContentValues;
import android.content.Context;
import android.database.Cursor;
import android.net.Uri;
import android.os.ParcelFileDescriptor;
import java.io.File;
import java.io.FileNotFoundException;

/** One file, into which the camera app writes the photograph that it was asked for. */
public final class PhotoProvider extends ContentProvider {
    static final Uri URI = Uri.parse("content://cxredge.demo.photo/photo.jpg");

    static File fileIn(Context context) {
        return new File(context.getCacheDir(), "photo.jpg");
    }

    @Override
    public boolean onCreate() {
        return true;
    }

    @Override
    public ParcelFileDescriptor openFile(Uri uri, String mode) throws FileNotFoundException {
        if (!URI.equals(uri)) {
            throw new FileNotFoundException(uri + " is not the photograph");
        }
        return ParcelFileDescriptor.open(fileIn(getContext()), ParcelFileDescriptor.parseMode(mode));
    }

    @Override
    public String getType(Uri uri) {
        return "image/jpeg";
    }

    @Override
    public Cursor query(Uri uri, String[] columns, String where, String[] values, String order) {
        return null;
    }

    @Override
    public Uri insert(Uri uri, ContentValues values) {
        throw new UnsupportedOperationException("the photograph is all there is");
    }

    @Override
    public int update(Uri uri, ContentValues values, String where, String[] arguments) {
        throw new UnsupportedOperationException("the photograph is all there is");
    }

    @Override
    public int delete(Uri uri, String where, String[] arguments) {
        throw new UnsupportedOperationException("the photograph is all there is");
    }
}
