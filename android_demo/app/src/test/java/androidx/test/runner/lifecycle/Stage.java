package androidx.test.runner.lifecycle;

/** Stands in for a class that Robolectric names and these tests do not use. */
public enum Stage {
    PRE_ON_CREATE,
    CREATED,
    STARTED,
    RESUMED,
    PAUSED,
    STOPPED,
    RESTARTED,
    DESTROYED
}
