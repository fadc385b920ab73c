package cxredge.demo;

import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.graphics.ImageDecoder;
import cxredge.core.CoreException;
import cxredge.core.PictureDecoder;
import cxredge.core.PixelSink;
import java.io.IOException;
import java.nio.ByteBuffer;

/** JPEG and WebP by Android's own decoders. */
final class BitmapDecoder implements PictureDecoder {
    @Override
    public void decode(byte[] content, PixelSink sink) throws IOException, CoreException {
        BitmapFactory.Options header = new BitmapFactory.Options();
        header.inJustDecodeBounds = true;
        BitmapFactory.decodeByteArray(content, 0, content.length, header);
        if (header.outWidth <= 0 || header.outHeight <= 0) {
            throw new IOException("the header cannot be read");
        }
        sink.start(header.outWidth, header.outHeight);
        // Unlike BitmapFactory it throws for data that are cut short, which would otherwise become a grey part.
        Bitmap bitmap = ImageDecoder.decodeBitmap(
                ImageDecoder.createSource(ByteBuffer.wrap(content)), (decoder, info, source) -> {
                    decoder.setAllocator(ImageDecoder.ALLOCATOR_SOFTWARE);
                    // The file's own colours, not multiplied by their alpha.
                    decoder.setUnpremultipliedRequired(true);
                });
        if (bitmap.getWidth() != header.outWidth || bitmap.getHeight() != header.outHeight) {
            throw new IOException("the picture has another size than its header says");
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
