package cxredge.core;

/**
 * Changes the size of pictures with the antialiased filters of Pillow, bit for bit.
 *
 * Two passes, one over the rows, one over the columns. A pixel of 8 bits is summed with weights in fixed point of 22
 * bits and rounded after each pass; a map of floats is summed in double precision.
 */
public final class Resampler {
    private static final int PRECISION_BITS = 22;
    private static final int HALF = 1 << (PRECISION_BITS - 1);

    /** A filter by its reach, in pixels of the smaller picture, and its weight at a distance. */
    private enum Filter {
        BILINEAR(1.0) {
            @Override
            double weigh(double distance) {
                double x = Math.abs(distance);
                return x < 1.0 ? 1.0 - x : 0.0;
            }
        },
        BICUBIC(2.0) {
            @Override
            double weigh(double distance) {
                double x = Math.abs(distance);
                if (x < 1.0) {
                    return ((A + 2.0) * x - (A + 3.0)) * x * x + 1;
                }
                return x < 2.0 ? (((x - 5) * x + 8) * x - 4) * A : 0.0;
            }
        };

        // Catmull-Rom.
        private static final double A = -0.5;

        final double support;

        Filter(double support) {
            this.support = support;
        }

        abstract double weigh(double distance);
    }

    private Resampler() {}

    /** Returns the contract's pixels of a picture: squashed to 224 x 224, rows before columns, RGB by rows. */
    public static byte[] toContract(Picture picture) {
        return resizeColumns(resizeRows(picture, Contract.SIDE_PX), Contract.SIDE_PX).rgb;
    }

    /** Returns the picture at another size, bilinear. */
    public static Picture resize(Picture picture, int width, int height) {
        if (columnsFirst(picture.width, picture.height, width, height)) {
            return resizeRows(resizeColumns(picture, height), width);
        }
        return resizeColumns(resizeRows(picture, width), height);
    }

    /**
     * Whether the columns are resized before the rows, as Pillow does from 13.0 on where it saves more that way.
     *
     * Each pass rounds, so the order shows in what is drawn; the contract's pixels have an order of their own. The rule was found by trying sizes, and is tested with many.
     */
    private static boolean columnsFirst(int width, int height, int newWidth, int newHeight) {
        return (long) height - newHeight > 2L * Math.max(0, width - newWidth);
    }

    private static Picture resizeRows(Picture picture, int width) {
        if (width == picture.width) {
            return picture;
        }
        Weights weights = new Weights(picture.width, width, Filter.BILINEAR);
        byte[] rgb = new byte[width * picture.height * Contract.CHANNELS];
        int before = picture.width * Contract.CHANNELS;
        int after = width * Contract.CHANNELS;
        for (int y = 0; y < picture.height; y++) {
            sum(picture.rgb, y * before, Contract.CHANNELS, rgb, y * after, Contract.CHANNELS, weights);
        }
        return new Picture(width, picture.height, rgb);
    }

    private static Picture resizeColumns(Picture picture, int height) {
        if (height == picture.height) {
            return picture;
        }
        Weights weights = new Weights(picture.height, height, Filter.BILINEAR);
        int step = picture.width * Contract.CHANNELS;
        byte[] rgb = new byte[height * step];
        for (int at = 0; at < step; at += Contract.CHANNELS) {
            sum(picture.rgb, at, step, rgb, at, step, weights);
        }
        return new Picture(picture.width, height, rgb);
    }

    /** Returns a square map of `side` x `side` floats at another size, bicubic. */
    static float[] enlarge(float[] map, int side, int width, int height) {
        if (columnsFirst(side, side, width, height)) {
            return enlargeRows(enlargeColumns(map, side, side, height), side, height, width);
        }
        return enlargeColumns(enlargeRows(map, side, side, width), width, side, height);
    }

    private static float[] enlargeRows(float[] map, int width, int height, int newWidth) {
        if (newWidth == width) {
            return map;
        }
        Weights weights = new Weights(width, newWidth, Filter.BICUBIC);
        float[] found = new float[newWidth * height];
        for (int y = 0; y < height; y++) {
            sum(map, y * width, 1, found, y * newWidth, 1, weights);
        }
        return found;
    }

    private static float[] enlargeColumns(float[] map, int width, int height, int newHeight) {
        if (newHeight == height) {
            return map;
        }
        Weights weights = new Weights(height, newHeight, Filter.BICUBIC);
        float[] found = new float[width * newHeight];
        for (int x = 0; x < width; x++) {
            sum(map, x, width, found, x, width, weights);
        }
        return found;
    }

    private static void sum(byte[] from, int start, int step, byte[] to, int place, int stride, Weights weights) {
        for (int index = 0; index < weights.first.length; index++) {
            int[] fixed = weights.fixed[index];
            int at = start + weights.first[index] * step;
            int red = HALF;
            int green = HALF;
            int blue = HALF;
            for (int weight : fixed) {
                red += (from[at] & 255) * weight;
                green += (from[at + 1] & 255) * weight;
                blue += (from[at + 2] & 255) * weight;
                at += step;
            }
            int target = place + index * stride;
            to[target] = clip(red);
            to[target + 1] = clip(green);
            to[target + 2] = clip(blue);
        }
    }

    private static void sum(float[] from, int start, int step, float[] to, int place, int stride, Weights weights) {
        for (int index = 0; index < weights.first.length; index++) {
            double total = 0.0;
            int at = start + weights.first[index] * step;
            for (double weight : weights.exact[index]) {
                total += from[at] * weight;
                at += step;
            }
            to[place + index * stride] = (float) total;
        }
    }

    private static byte clip(int sum) {
        return (byte) Math.max(0, Math.min(255, sum >> PRECISION_BITS));
    }

    /** For each pixel of a line: where its sum begins, and the weights, which add up to 1. */
    private static final class Weights {
        final int[] first;
        final double[][] exact;
        final int[][] fixed;

        Weights(int before, int after, Filter filter) {
            first = new int[after];
            exact = new double[after][];
            fixed = new int[after][];
            double scale = (double) before / after;
            // Enlarging has nothing to average over.
            double width = Math.max(scale, 1.0);
            double support = filter.support * width;
            double inverse = 1.0 / width;
            for (int index = 0; index < after; index++) {
                double center = (index + 0.5) * scale;
                int low = Math.max(0, (int) (center - support + 0.5));
                int high = Math.min(before, (int) (center + support + 0.5));
                double[] weights = new double[high - low];
                double total = 0.0;
                for (int at = 0; at < weights.length; at++) {
                    weights[at] = filter.weigh((at + low - center + 0.5) * inverse);
                    total += weights[at];
                }
                first[index] = low;
                exact[index] = weights;
                fixed[index] = new int[weights.length];
                for (int at = 0; at < weights.length; at++) {
                    weights[at] = total == 0.0 ? weights[at] : weights[at] / total;
                    double shifted = weights[at] * (1 << PRECISION_BITS);
                    fixed[index][at] = (int) (shifted < 0 ? shifted - 0.5 : shifted + 0.5);
                }
            }
        }
    }
}
