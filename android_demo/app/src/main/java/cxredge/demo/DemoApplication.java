package cxredge.demo;

import android.app.Application;

/** Keeps the work while the screen is turned: the activity goes, this stays. */
public final class DemoApplication extends Application {
    private Workspace workspace;

    @Override
    public void onCreate() {
        super.onCreate();
        workspace = new Workspace(this);
    }

    Workspace workspace() {
        return workspace;
    }
}
