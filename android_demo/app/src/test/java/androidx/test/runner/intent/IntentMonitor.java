package androidx.test.runner.intent;

/** Stands in for a class that Robolectric names and these tests do not use. */
public interface IntentMonitor {}
