package cxredge.core;

/** The heat map over its film: the colours and the opacity of cxr_edge/inference/explain.py, bit for bit. */
public final class HeatMap {
    private static final double OPACITY = 0.45;
    /** Position on the ramp, then red, green, blue. */
    private static final double[][] RAMP = {
        {0.00, 40, 10, 90}, {0.25, 120, 20, 130}, {0.50, 205, 55, 85}, {0.75, 245, 140, 35}, {1.00, 252, 228, 90}
    };

    private HeatMap() {}

    /** Returns the picture under the map of 49 values; where the map is zero, the film shows through untouched. */
    public static Picture overlay(Picture picture, float[] map) {
        float[] heat = Resampler.enlarge(map, Contract.MAP_SIDE, picture.width, picture.height);
        byte[] marked = new byte[picture.rgb.length];
        int[][] colors = ramp();
        for (int at = 0; at < heat.length; at++) {
            // Bicubic interpolation overshoots beside a steep edge.
            float clipped = Math.max(0f, Math.min(1f, heat[at]));
            int level = (int) Math.rint(clipped * 255f);
            int mask = (int) Math.rint(level * OPACITY);
            for (int channel = 0; channel < Contract.CHANNELS; channel++) {
                int place = at * Contract.CHANNELS + channel;
                marked[place] = (byte) Picture.blend(mask, picture.rgb[place] & 255, colors[level][channel]);
            }
        }
        return new Picture(picture.width, picture.height, marked);
    }

    /** Returns the colours of the map's values 0 to 255, each red, green, blue. */
    public static int[][] ramp() {
        int[][] colors = new int[256][Contract.CHANNELS];
        for (int level = 0; level < 256; level++) {
            double shade = level / 255.0;
            int piece = Math.min((int) (shade * 4), 3);
            double[] low = RAMP[piece];
            double[] high = RAMP[piece + 1];
            for (int channel = 0; channel < Contract.CHANNELS; channel++) {
                double slope = (high[channel + 1] - low[channel + 1]) / (high[0] - low[0]);
                colors[level][channel] = (int) Math.rint(slope * (shade - low[0]) + low[channel + 1]);
            }
        }
        return colors;
    }
}
