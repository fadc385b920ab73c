package cxredge.demo;

import android.app.Activity;
import android.content.ActivityNotFoundException;
import android.content.ClipData;
import android.content.Intent;
import android.net.Uri;
import android.os.Bundle;
import android.provider.MediaStore;
import android.widget.Button;
import android.widget.Toast;

/** The one screen: what to classify comes in here, from the picker, the camera app or another app. */
public final class MainActivity extends Activity {
    private static final int PICK_FILM = 1;
    private static final int PICK_BUNDLE = 2;
    private static final int TAKE_PHOTO = 3;
    private static final String HAS_FILM = "film";

    private Workspace workspace;
    private Screen screen;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.main);
        workspace = ((DemoApplication) getApplication()).workspace();
        screen = new Screen(this, workspace);
        connect();
        if (saved == null) {
            if (workspace.film == null && !workspace.isReading()) {
                // What an earlier process left behind when it was killed.
                workspace.closeFilm();
            }
            takeShared(getIntent());
        } else if (saved.getBoolean(HAS_FILM) && workspace.film == null && !workspace.isReading()) {
            workspace.reopenFilm();
        }
    }

    @Override
    protected void onStart() {
        super.onStart();
        workspace.setListener(screen::show);
        screen.show();
    }

    @Override
    protected void onStop() {
        workspace.setListener(() -> {});
        super.onStop();
    }

    @Override
    protected void onDestroy() {
        if (isFinishing()) {
            // The user is done with it; what a rotation or the system destroys comes back.
            workspace.closeFilm();
        }
        super.onDestroy();
    }

    @Override
    protected void onSaveInstanceState(Bundle out) {
        super.onSaveInstanceState(out);
        out.putBoolean(HAS_FILM, workspace.film != null || workspace.isReading());
    }

    @Override
    protected void onNewIntent(Intent intent) {
        super.onNewIntent(intent);
        setIntent(intent);
        takeShared(intent);
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (result != RESULT_OK) {
            return;
        }
        Uri picked = data == null ? null : data.getData();
        if (request == TAKE_PHOTO) {
            workspace.openFilm(PhotoProvider.URI);
        } else if (request == PICK_FILM && picked != null) {
            workspace.openFilm(picked);
        } else if (request == PICK_BUNDLE && picked != null) {
            workspace.openBundle(picked);
        }
    }

    private void connect() {
        ((Button) findViewById(R.id.open_film)).setOnClickListener(view -> pick("image/*", PICK_FILM));
        ((Button) findViewById(R.id.open_bundle)).setOnClickListener(view -> pick("*/*", PICK_BUNDLE));
        ((Button) findViewById(R.id.own_bundle)).setOnClickListener(view -> workspace.openOwnBundle());
        ((Button) findViewById(R.id.take_photo)).setOnClickListener(view -> takePhoto());
        ((Button) findViewById(R.id.measure)).setOnClickListener(view -> workspace.measure());
        ((Button) findViewById(R.id.run_self_test)).setOnClickListener(view -> workspace.test());
    }

    private void takeShared(Intent intent) {
        boolean old = (intent.getFlags() & Intent.FLAG_ACTIVITY_LAUNCHED_FROM_HISTORY) != 0;
        if (Intent.ACTION_SEND.equals(intent.getAction()) && !old) {
            Object stream = intent.getParcelableExtra(Intent.EXTRA_STREAM);
            if (stream instanceof Uri) {
                workspace.openFilm((Uri) stream);
            }
        }
    }

    private void pick(String type, int request) {
        Intent intent = new Intent(Intent.ACTION_OPEN_DOCUMENT);
        intent.addCategory(Intent.CATEGORY_OPENABLE);
        intent.setType(type);
        start(intent, request, R.string.no_picker);
    }

    private void takePhoto() {
        // A camera app that writes nothing and says it did would otherwise bring back the photograph before.
        PhotoProvider.fileIn(this).delete();
        Intent intent = new Intent(MediaStore.ACTION_IMAGE_CAPTURE);
        intent.putExtra(MediaStore.EXTRA_OUTPUT, PhotoProvider.URI);
        // The grant goes by the clip, which older camera apps need as well.
        intent.setClipData(ClipData.newRawUri(null, PhotoProvider.URI));
        intent.addFlags(Intent.FLAG_GRANT_WRITE_URI_PERMISSION | Intent.FLAG_GRANT_READ_URI_PERMISSION);
        start(intent, TAKE_PHOTO, R.string.no_camera);
    }

    private void start(Intent intent, int request, int absent) {
        try {
            startActivityForResult(intent, request);
        } catch (ActivityNotFoundException error) {
            Toast.makeText(this, absent, Toast.LENGTH_LONG).show();
        }
    }
}
