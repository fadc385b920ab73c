package androidx.test.runner.intent;

/** Stands in for a class that Robolectric names and these tests do not use. */
public final class IntentStubberRegistry {
    private IntentStubberRegistry() {}

    public static boolean isLoaded() {
        return false;
    }
}
