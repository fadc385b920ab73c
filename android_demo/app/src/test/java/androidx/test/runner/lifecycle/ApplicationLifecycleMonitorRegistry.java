package androidx.test.runner.lifecycle;

/** Stands in for a class that Robolectric names and these tests do not use. */
public final class ApplicationLifecycleMonitorRegistry {
    private ApplicationLifecycleMonitorRegistry() {}

    public static void registerInstance(ApplicationLifecycleMonitor monitor) {}
}
