package cxredge.core;

/**
 * Changes the size of pictures with the antialiased filters of Pillow, bit for bit.
 *
 * Two passes, rows first, then columns. A pixel of 8 bits is summed with weights in fixed point of 22 bits and rounded
 * after each pass; a map of floats is summed in double precision.
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

    /** Returns the contract's pixels of a picture: squashed to 224 x 224, RGB by rows. */
    public static byte[] toContract(Picture picture) {
        return resize(picture, Contract.SIDE_PX, Contract.SIDE_PX).rgb;
    }

    /** Returns the picture at another size, bilinear. */
    public static Picture resize(Picture picture, int width, int height) {
        byte[] rgb = picture.rgb;
        int channels = Contract.CHANNELS;
        if (width != picture.width) {
            Weights across = new Weights(picture.width, width, Filter.BILINEAR);
            byte[] rows = new byte[width * picture.height * channels];
            for (int y = 0; y < picture.height; y++) {
                sum(rgb, y * picture.width * channels, channels, rows, y * width * channels, channels, across);
            }
            rgb = rows;
        }
        if (height != picture.height) {
            Weights down = new Weights(picture.height, height, Filter.BILINEAR);
            byte[] columns = new byte[width * height * channels];
            for (int x = 0; x < width; x++) {
                sum(rgb, x * channels, width * channels, columns, x * channels, width * channels, down);
            }
            rgb = columns;
        }
        return new Picture(width, height, rgb);
    }

    /** Returns a square map of `side` x `side` floats at another size, bicubic. */
    static float[] enlarge(float[] map, int side, int width, int height) {
        float[] rows = map;
        if (width != side) {
            Weights across = new Weights(side, width, Filter.BICUBIC);
            rows = new float[width * side];
            for (int y = 0; y < side; y++) {
                sum(map, y * side, 1, rows, y * width, 1, across);
            }
        }
        if (height == side) {
            return rows;
        }
        Weights down = new Weights(side, height, Filter.BICUBIC);
        float[] columns = new float[width * height];
        for (int x = 0; x < width; x++) {
            sum(rows, x, width, columns, x, width, down);
        }
        return columns;
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
