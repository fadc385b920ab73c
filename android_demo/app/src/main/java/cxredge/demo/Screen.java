package cxredge.demo;

import android.app.Activity;
import android.graphics.Bitmap;
import android.view.View;
import android.widget.CheckBox;
import android.widget.ImageView;
import android.widget.RadioButton;
import android.widget.RadioGroup;
import android.widget.TextView;
import cxredge.core.Artifact;
import java.util.ArrayList;
import java.util.List;

/** Puts the state of the work into the views. */
final class Screen {
    private static final int[] THREADS = {1, 2, 4};

    private final Activity activity;
    private final Workspace workspace;
    private final Texts texts;
    private List<String> shownArtifacts = new ArrayList<>();

    Screen(Activity activity, Workspace workspace) {
        this.activity = activity;
        this.workspace = workspace;
        texts = new Texts(activity.getResources());
        ((CheckBox) find(R.id.show_map)).setOnCheckedChangeListener((view, checked) -> showFilm());
        RadioGroup group = (RadioGroup) find(R.id.threads);
        for (int threads : THREADS) {
            group.addView(choice(Integer.toString(threads), view -> workspace.chooseThreads(threads)));
        }
    }

    void show() {
        find(R.id.busy).setVisibility(workspace.isBusy() ? View.VISIBLE : View.INVISIBLE);
        setText(R.id.message, workspace.failure == null ? "" : texts.describe(workspace.failure));
        find(R.id.message).setVisibility(workspace.failure == null ? View.GONE : View.VISIBLE);
        showFilm();
        showChoices();
        boolean ready = workspace.bundle != null && !workspace.isBusy();
        find(R.id.measure).setEnabled(ready && workspace.film != null);
        find(R.id.run_self_test).setEnabled(ready);
        find(R.id.open_bundle).setEnabled(!workspace.isBusy());
        find(R.id.own_bundle).setEnabled(!workspace.isBusy());
        find(R.id.own_bundle).setVisibility(workspace.fromFiles ? View.VISIBLE : View.GONE);
        setText(R.id.latency, workspace.inference == null ? "" : texts.describeLatency(workspace));
        if (workspace.bundle != null) {
            setText(R.id.bundle, texts.describeBundle(workspace.bundle.manifest, workspace.fromFiles));
            setText(R.id.self_test, texts.describeSelfTest(workspace));
        }
    }

    private void showFilm() {
        ImageView view = (ImageView) find(R.id.film);
        CheckBox box = (CheckBox) find(R.id.show_map);
        ShownFilm film = workspace.film;
        Bitmap marked = film == null || film.verdict == null ? null : film.verdict.marked;
        boolean showsMap = marked != null && box.isChecked();
        view.setVisibility(film == null ? View.GONE : View.VISIBLE);
        box.setVisibility(marked == null ? View.GONE : View.VISIBLE);
        view.setImageBitmap(film == null ? null : showsMap ? marked : film.plain);
        view.setContentDescription(film == null ? activity.getString(R.string.no_film) : texts.describePicture(film, showsMap));
        setText(R.id.result, texts.describeResult(workspace));
    }

    private void showChoices() {
        RadioGroup group = (RadioGroup) find(R.id.artifacts);
        List<Artifact> artifacts = workspace.bundle == null ? new ArrayList<>() : workspace.bundle.artifacts();
        List<String> names = new ArrayList<>();
        for (Artifact artifact : artifacts) {
            names.add(artifact.name);
        }
        if (!names.equals(shownArtifacts)) {
            shownArtifacts = names;
            group.removeAllViews();
            for (Artifact artifact : artifacts) {
                group.addView(choice(artifact.name, view -> workspace.chooseArtifact(artifact)));
            }
        }
        if (workspace.artifact != null) {
            check(group, names.indexOf(workspace.artifact.name));
        }
        RadioGroup threads = (RadioGroup) find(R.id.threads);
        for (int index = 0; index < THREADS.length; index++) {
            if (THREADS[index] == workspace.settings.threads()) {
                check(threads, index);
            }
        }
    }

    private static void check(RadioGroup group, int index) {
        View button = group.getChildAt(index);
        if (button != null) {
            group.check(button.getId());
        }
    }

    private RadioButton choice(String text, View.OnClickListener chosen) {
        RadioButton button = new RadioButton(activity);
        button.setId(View.generateViewId());
        // Its id changes with every activity, so nothing may be restored by it.
        button.setSaveEnabled(false);
        button.setText(text);
        button.setMinHeight(Math.round(48 * activity.getResources().getDisplayMetrics().density));
        button.setOnClickListener(chosen);
        return button;
    }

    private View find(int id) {
        return activity.findViewById(id);
    }

    private void setText(int id, String text) {
        TextView view = (TextView) find(id);
        // TalkBack reads a live region again whenever it is set, changed or not.
        if (!text.contentEquals(view.getText())) {
            view.setText(text);
        }
    }
}
