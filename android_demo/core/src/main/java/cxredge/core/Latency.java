package cxredge.core;

import java.util.Arrays;

/** Times of repeated runs on one film, without the first ones, which are slower. */
public final class Latency {
    public final int warmUps;
    public final int runs;
    public final double medianMs;
    public final double leastMs;
    public final double greatestMs;

    private Latency(int warmUps, double[] timesMs) {
        this.warmUps = warmUps;
        runs = timesMs.length;
        double[] sorted = timesMs.clone();
        Arrays.sort(sorted);
        medianMs = (sorted[(runs - 1) / 2] + sorted[runs / 2]) / 2;
        leastMs = sorted[0];
        greatestMs = sorted[runs - 1];
    }

    /** A step that is timed. */
    public interface Step {
        void run() throws CoreException;
    }

    /** Runs `step` for warming up, then `runs` times, each timed by itself. */
    public static Latency measure(Step step, int warmUps, int runs) throws CoreException {
        for (int run = 0; run < warmUps; run++) {
            step.run();
        }
        double[] timesMs = new double[runs];
        for (int run = 0; run < runs; run++) {
            long start = System.nanoTime();
            step.run();
            timesMs[run] = (System.nanoTime() - start) / 1e6;
        }
        return new Latency(warmUps, timesMs);
    }

    static Latency of(int warmUps, double... timesMs) {
        return new Latency(warmUps, timesMs);
    }
}
