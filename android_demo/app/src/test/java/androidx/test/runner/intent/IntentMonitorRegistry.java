package androidx.test.runner.intent;

/** Stands in for a class that Robolectric names and these tests do not use. */
public final class IntentMonitorRegistry {
    private IntentMonitorRegistry() {}

    public static void registerInstance(IntentMonitor monitor) {}
}
