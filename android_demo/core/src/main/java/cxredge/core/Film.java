package cxredge.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** One film under the input contract, its upright original, and what may spoil a prediction. */
public final class Film {
    /** What a picture warns of. The app has a sentence for each. */
    public enum Warning {
        FRAMES,
        DEEP_COLOR,
        LOW_RESOLUTION,
        COLOR,
        UNIFORM,
        INVERTED
    }

    // The limits of cxr_edge/imaging/decoder.py; of 1501 real films none is beyond any.
    private static final double UNIFORM_SPREAD = 8.0;
    private static final int COLOR_CHROMA = 8;
    private static final double COLOR_SHARE = 0.1;
    private static final double INVERTED_CONTRAST = -0.5;

    public final Picture picture;
    /** 224 x 224 RGB pixels by rows. */
    public final byte[] pixels;
    public final String format;
    public final List<Warning> warnings;

    Film(Picture picture, String format, List<Warning> notes) {
        this.picture = picture;
        this.format = format;
        pixels = Resampler.toContract(picture);
        List<Warning> all = new ArrayList<>(notes);
        all.addAll(warningsOf(pixels, picture.width, picture.height));
        warnings = Collections.unmodifiableList(all);
    }

    static List<Warning> warningsOf(byte[] pixels, int width, int height) {
        List<Warning> found = new ArrayList<>();
        if (Math.min(width, height) < Contract.SIDE_PX) {
            found.add(Warning.LOW_RESOLUTION);
        }
        int count = pixels.length / Contract.CHANNELS;
        int colored = 0;
        long sum = 0;
        long squares = 0;
        for (int at = 0; at < pixels.length; at += Contract.CHANNELS) {
            int red = pixels[at] & 255;
            int green = pixels[at + 1] & 255;
            int blue = pixels[at + 2] & 255;
            int chroma = Math.max(Math.max(red, green), blue) - Math.min(Math.min(red, green), blue);
            colored += chroma > COLOR_CHROMA ? 1 : 0;
            sum += green;
            squares += (long) green * green;
        }
        if ((double) colored / count > COLOR_SHARE) {
            found.add(Warning.COLOR);
        }
        double spread = Math.sqrt((double) (squares * count - sum * sum)) / count;
        if (spread < UNIFORM_SPREAD) {
            found.add(Warning.UNIFORM);
        } else if (mediastinumContrast(pixels) / spread < INVERTED_CONTRAST) {
            found.add(Warning.INVERTED);
        }
        return found;
    }

    /** Returns how much brighter heart and spine are than the lungs, by where they lie on a frontal film. */
    private static double mediastinumContrast(byte[] pixels) {
        double lungs = (mean(pixels, 56, 134, 45, 81) + mean(pixels, 56, 134, 143, 179)) / 2;
        return mean(pixels, 101, 190, 99, 130) - lungs;
    }

    private static double mean(byte[] pixels, int top, int bottom, int left, int right) {
        long sum = 0;
        for (int y = top; y < bottom; y++) {
            for (int x = left; x < right; x++) {
                sum += pixels[(y * Contract.SIDE_PX + x) * Contract.CHANNELS + 1] & 255;
            }
        }
        return (double) sum / ((bottom - top) * (right - left));
    }
}
