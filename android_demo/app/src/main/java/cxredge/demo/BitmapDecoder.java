package cxredge.demo;

import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import cxredge.core.CoreException;
import cxredge.core.PictureDecoder;
import cxredge.core.PixelSink;
import java.io.IOException;

/** JPEG and WebP by Android's own decoders. */
final class BitmapDecoder implements PictureDecoder {
    @Override
    public void decode(byte[] content, PixelSink sink) throws IOException, CoreException {
        BitmapFactory.Options options = new BitmapFactory.Options();
        options.inJustDecodeBounds = true;
        BitmapFactory.decodeByteArray(content, 0, content.length, options);
        if (options.outWidth <= 0 || options.outHeight <= 0) {
            throw new IOException("the header cannot be read");
        }
        sink.start(options.outWidth, options.outHeight);
        options.inJustDecodeBounds = false;
        // The file's own pixels: not scaled to the screen, and not multiplied by their alpha.
        options.inScaled = false;
        options.inPremultiplied = false;
        options.inPreferredConfig = Bitmap.Config.ARGB_8888;
        Bitmap bitmap = BitmapFactory.decodeByteArray(content, 0, content.length, options);
        if (bitmap == null) {
            throw new IOException("the pixels cannot be decoded");
        }
        int[] row = new int[bitmap.getWidth()];
        for (int y = 0; y < bitmap.getHeight(); y++) {
            bitmap.getPixels(row, 0, row.length, 0, y, row.length, 1);
            for (int x = 0; x < row.length; x++) {
                sink.put(x, y, row[x]);
            }
        }
        bitmap.recycle();
    }
}
