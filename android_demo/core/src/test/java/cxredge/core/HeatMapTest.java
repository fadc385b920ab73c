package cxredge.core;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The overlay is that of cxr_edge/inference/explain.py, bit for bit. */
class HeatMapTest {
    @TestFactory
    Stream<DynamicTest> overlayIsThatOfPython() {
        return Cases.files("overlays", ".map").stream().map(path -> DynamicTest.dynamicTest(path.getFileName().toString(), () -> {
            ByteBuffer film = ByteBuffer.wrap(Cases.read(Cases.sibling(path, ".film")));
            int width = film.getInt();
            int height = film.getInt();
            byte[] rgb = new byte[film.remaining()];
            film.get(rgb);
            float[] map = new float[49];
            ByteBuffer.wrap(Cases.read(path)).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(map);
            Picture marked = HeatMap.overlay(new Picture(width, height, rgb), map);
            assertArrayEquals(Cases.read(Cases.sibling(path, ".overlay")), marked.rgb);
        }));
    }

    @Test
    void filmShowsThroughUntouchedWhereTheMapIsZero() {
        byte[] rgb = new byte[14 * 14 * 3];
        Arrays.fill(rgb, (byte) 77);
        assertArrayEquals(rgb, HeatMap.overlay(new Picture(14, 14, rgb), new float[49]).rgb);
    }

    @Test
    void rampGoesFromVioletToYellow() {
        int[][] ramp = HeatMap.ramp();
        assertArrayEquals(new int[] {40, 10, 90}, ramp[0]);
        assertArrayEquals(new int[] {252, 228, 90}, ramp[255]);
        assertEquals(256, ramp.length);
    }
}
