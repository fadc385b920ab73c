package cxredge.demo;

import android.content.Context;
import android.content.SharedPreferences;
import cxredge.core.Artifact;
import cxredge.core.SelfTest;
import java.util.Locale;

/** What is remembered from one start to the next: the choices, and how each self-test ended. */
final class Settings {
    private static final String ARTIFACT = "artifact";
    private static final String THREADS = "threads";

    private final SharedPreferences stored;

    Settings(Context context) {
        stored = context.getSharedPreferences("settings", Context.MODE_PRIVATE);
    }

    String artifact() {
        return stored.getString(ARTIFACT, "");
    }

    void setArtifact(String name) {
        stored.edit().putString(ARTIFACT, name).apply();
    }

    int threads() {
        return stored.getInt(THREADS, 1);
    }

    void setThreads(int threads) {
        stored.edit().putInt(THREADS, threads).apply();
    }

    TestRecord selfTest(Artifact artifact) {
        String key = artifact.sha256;
        if (!stored.contains(key)) {
            return null;
        }
        String[] parts = stored.getString(key, "").split("\n");
        return new TestRecord(parts[0].equals("passed"), Integer.parseInt(parts[1]), parts[2], parts[3]);
    }

    void setSelfTest(Artifact artifact, TestRecord record) {
        String verdict = record.passed ? "passed" : "failed";
        String text = verdict + "\n" + record.films + "\n" + record.differences + "\n" + record.limit;
        stored.edit().putString(artifact.sha256, text).apply();
    }

    /** How a self-test ended, as it is shown. */
    static final class TestRecord {
        final boolean passed;
        final int films;
        final String differences;
        final String limit;

        private TestRecord(boolean passed, int films, String differences, String limit) {
            this.passed = passed;
            this.films = films;
            this.differences = differences;
            this.limit = limit;
        }

        static TestRecord of(SelfTest test) {
            StringBuilder text = new StringBuilder();
            for (String output : test.differences.keySet()) {
                text.append(text.length() == 0 ? "" : ", ").append(output);
                text.append(String.format(Locale.ROOT, " %.1e", test.differences.get(output)));
            }
            return new TestRecord(test.passed, test.films, text.toString(), String.format(Locale.ROOT, "%.1e", test.tolerance));
        }
    }
}
