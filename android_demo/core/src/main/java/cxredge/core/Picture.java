package cxredge.core;

/** An upright picture at full size, 8-bit RGB by rows; what is transparent lies over black. */
public final class Picture {
    static final int MAX_PIXELS = 40_000_000;

    public final int width;
    public final int height;
    /** width x height x 3 bytes. */
    public final byte[] rgb;

    public Picture(int width, int height, byte[] rgb) {
        this.width = width;
        this.height = height;
        this.rgb = rgb;
    }

    /** Turns pixels upright as they come in, by one of the eight orientations of EXIF. */
    static final class Upright implements PixelSink {
        private final int orientation;
        private int rawWidth;
        private int rawHeight;
        private byte[] rgb;

        Upright(int orientation) {
            this.orientation = orientation;
        }

        @Override
        public void start(int width, int height) throws CoreException {
            if ((long) width * height > MAX_PIXELS) {
                throw new CoreException(Reason.FILM_TOO_LARGE, width, height, MAX_PIXELS / 1_000_000);
            }
            rawWidth = width;
            rawHeight = height;
            rgb = new byte[width * height * Contract.CHANNELS];
        }

        @Override
        public void put(int x, int y, int argb) {
            int right = rawWidth - 1 - x;
            int below = rawHeight - 1 - y;
            int at;
            switch (orientation) {
                case 2:
                    at = y * rawWidth + right;
                    break;
                case 3:
                    at = below * rawWidth + right;
                    break;
                case 4:
                    at = below * rawWidth + x;
                    break;
                case 5:
                    at = x * rawHeight + y;
                    break;
                case 6:
                    at = x * rawHeight + below;
                    break;
                case 7:
                    at = right * rawHeight + below;
                    break;
                case 8:
                    at = right * rawHeight + y;
                    break;
                default:
                    at = y * rawWidth + x;
            }
            int alpha = argb >>> 24;
            for (int channel = 0; channel < Contract.CHANNELS; channel++) {
                int value = argb >> (16 - 8 * channel) & 255;
                rgb[at * Contract.CHANNELS + channel] = (byte) blend(alpha, 0, value);
            }
        }

        Picture toPicture() {
            boolean turned = orientation >= 5 && orientation <= 8;
            return new Picture(turned ? rawHeight : rawWidth, turned ? rawWidth : rawHeight, rgb);
        }
    }

    /** Returns `over` laid over `under` with an opacity of `mask` / 255, rounded as Pillow rounds it. */
    static int blend(int mask, int under, int over) {
        int sum = under * (255 - mask) + over * mask + 128;
        return (sum >> 8) + sum >> 8;
    }
}
