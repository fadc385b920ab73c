package cxredge.demo;

import android.graphics.Bitmap;
import cxredge.core.Film;
import cxredge.core.HeatMap;
import cxredge.core.Picture;
import cxredge.core.Prediction;
import cxredge.core.Resampler;
import java.util.List;

/** A film with its pictures for the screen and what was said of it. Its full size is not kept. */
final class ShownFilm {
    /** The map has 49 cells; a larger picture would show no more of it. */
    private static final int MAX_SIDE_PX = 1024;

    final byte[] pixels;
    final int width;
    final int height;
    final List<Film.Warning> warnings;
    final double preprocessingMs;
    final Bitmap plain;
    private final Picture small;

    /** Null until the model has run, and after it has failed. */
    Verdict verdict;

    /** What one artifact said of the film. */
    static final class Verdict {
        final Prediction prediction;
        final double inferenceMs;
        final String engine;
        /** Null where the model gives no map. */
        final Bitmap marked;

        Verdict(Prediction prediction, double inferenceMs, String engine, Bitmap marked) {
            this.prediction = prediction;
            this.inferenceMs = inferenceMs;
            this.engine = engine;
            this.marked = marked;
        }
    }

    ShownFilm(Film film, double preprocessingMs) {
        this.preprocessingMs = preprocessingMs;
        pixels = film.pixels;
        width = film.picture.width;
        height = film.picture.height;
        warnings = film.warnings;
        small = shrink(film.picture);
        plain = toBitmap(small);
    }

    Bitmap mark(float[] heatmap) {
        return heatmap == null ? null : toBitmap(HeatMap.overlay(small, heatmap));
    }

    private static Picture shrink(Picture picture) {
        double scale = Math.min(1.0, (double) MAX_SIDE_PX / Math.max(picture.width, picture.height));
        int width = (int) Math.max(1, Math.round(picture.width * scale));
        int height = (int) Math.max(1, Math.round(picture.height * scale));
        return Resampler.resize(picture, width, height);
    }

    private static Bitmap toBitmap(Picture picture) {
        int[] colors = new int[picture.width * picture.height];
        for (int at = 0; at < colors.length; at++) {
            int red = picture.rgb[3 * at] & 255;
            int green = picture.rgb[3 * at + 1] & 255;
            int blue = picture.rgb[3 * at + 2] & 255;
            colors[at] = 0xff000000 | red << 16 | green << 8 | blue;
        }
        return Bitmap.createBitmap(colors, picture.width, picture.height, Bitmap.Config.ARGB_8888);
    }
}
