package androidx.test.runner.lifecycle;

/** Stands in for a class that Robolectric names and these tests do not use. */
public final class ActivityLifecycleMonitorRegistry {
    private ActivityLifecycleMonitorRegistry() {}

    public static void registerInstance(ActivityLifecycleMonitor monitor) {}
}
