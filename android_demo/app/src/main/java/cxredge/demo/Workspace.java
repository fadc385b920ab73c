package cxredge.demo;

import android.content.Context;
import android.net.Uri;
import android.os.Handler;
import android.os.Looper;
import cxredge.core.Artifact;
import cxredge.core.Bundle;
import cxredge.core.Classifier;
import cxredge.core.CoreException;
import cxredge.core.Engines;
import cxredge.core.Film;
import cxredge.core.FilmReader;
import cxredge.core.Latency;
import cxredge.core.Outputs;
import cxredge.core.Prediction;
import cxredge.core.Reason;
import cxredge.core.SelfTest;
import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The state that the screen shows, and the work that changes it.
 *
 * State is touched on the main thread alone; jobs run one after the other on a thread of their own and hand back what
 * to change. The loaded model belongs to that thread.
 */
final class Workspace {
    static final int WARM_UPS = 3;
    static final int RUNS = 20;

    final Storage storage;
    final Settings settings;

    Bundle bundle;
    Artifact artifact;
    /** Whether the bundle is one that was opened from the phone's files. */
    boolean fromFiles;
    ShownFilm film;
    Settings.TestRecord selfTest;
    Latency preprocessing;
    Latency inference;
    String measuredWith;
    /** What went wrong last, or null. */
    Exception failure;

    private final ExecutorService worker = Executors.newSingleThreadExecutor();
    private final Handler main = new Handler(Looper.getMainLooper());
    private final FilmReader reader = new FilmReader(new BitmapDecoder());
    private Runnable listener = () -> {};
    private int jobs;
    private int readings;

    // Of the worker's thread.
    private Classifier classifier;
    private String loaded = "";

    /** Work for the worker; what it returns is run on the main thread. */
    private interface Job {
        Runnable run() throws IOException, CoreException;
    }

    Workspace(Context context) {
        storage = new Storage(context);
        settings = new Settings(context);
        openBundle(() -> {});
    }

    void setListener(Runnable listener) {
        this.listener = listener;
    }

    boolean isBusy() {
        return jobs > 0;
    }

    /** Whether a film is on its way, which a new activity must not fetch again. */
    boolean isReading() {
        return readings > 0;
    }

    void openFilm(Uri uri) {
        readFilm(() -> storage.keepFilm(uri));
    }

    /** Reads the film again that was on the screen before the process was killed. */
    void reopenFilm() {
        readFilm(storage::film);
    }

    void closeFilm() {
        film = null;
        start(() -> {
            storage.forgetFilm();
            return () -> {};
        });
    }

    void chooseArtifact(Artifact chosen) {
        artifact = chosen;
        settings.setArtifact(chosen.name);
        selfTest = settings.selfTest(chosen);
        classifyAgain();
        testFirstTime();
    }

    void chooseThreads(int threads) {
        settings.setThreads(threads);
        classifyAgain();
    }

    void openBundle(Uri uri) {
        openBundle(() -> storage.keepBundle(uri));
    }

    void openOwnBundle() {
        openBundle(storage::forgetBundle);
    }

    /** Times preprocessing, from the file's bytes, and inference, each by itself. */
    void measure() {
        Artifact chosen = artifact;
        int threads = settings.threads();
        byte[] pixels = film.pixels;
        start(() -> {
            byte[] content = storage.film();
            Classifier model = load(chosen, threads);
            Latency reading = Latency.measure(() -> reader.read(content), WARM_UPS, RUNS);
            Latency running = Latency.measure(() -> model.run(pixels), WARM_UPS, RUNS);
            String engine = model.describe();
            return () -> {
                preprocessing = reading;
                inference = running;
                measuredWith = chosen.name + ", " + engine;
            };
        });
    }

    void test() {
        Artifact chosen = artifact;
        Bundle own = bundle;
        int threads = settings.threads();
        start(() -> {
            SelfTest test = SelfTest.run(chosen, load(chosen, threads), own.vectors());
            if (test == null) {
                return () -> {};
            }
            Settings.TestRecord record = Settings.TestRecord.of(test);
            settings.setSelfTest(chosen, record);
            return () -> selfTest = record;
        });
    }

    private interface Source {
        byte[] read() throws IOException, CoreException;
    }

    private interface Step {
        void run() throws IOException, CoreException;
    }

    private void readFilm(Source source) {
        film = null;
        forgetTimes();
        readings++;
        start(() -> {
            ShownFilm shown = read(source);
            return () -> {
                film = shown;
                classifyAgain();
            };
        }, () -> readings--);
    }

    private ShownFilm read(Source source) throws IOException, CoreException {
        try {
            byte[] content = source.read();
            long start = System.nanoTime();
            Film decoded = reader.read(content);
            return new ShownFilm(decoded, (System.nanoTime() - start) / 1e6);
        } catch (OutOfMemoryError error) {
            // The one error here that says something about the film: its size is up to whoever sent it.
            throw new CoreException(error, Reason.FILM_MEMORY);
        }
    }

    private void classifyAgain() {
        if (film == null || artifact == null) {
            return;
        }
        ShownFilm shown = film;
        shown.verdict = null;
        forgetTimes();
        Bundle own = bundle;
        Artifact chosen = artifact;
        int threads = settings.threads();
        start(() -> {
            ShownFilm.Verdict verdict = classify(shown, own, load(chosen, threads));
            return () -> shown.verdict = verdict;
        });
    }

    private static ShownFilm.Verdict classify(ShownFilm shown, Bundle own, Classifier model) throws CoreException {
        long start = System.nanoTime();
        Outputs outputs = model.run(shown.pixels);
        double inferenceMs = (System.nanoTime() - start) / 1e6;
        Prediction prediction = Prediction.of(outputs, own.manifest);
        return new ShownFilm.Verdict(prediction, inferenceMs, model.describe(), shown.mark(outputs.heatmap));
    }

    private void openBundle(Step before) {
        start(() -> {
            before.run();
            Bundle opened = Bundle.open(storage.bundle());
            boolean own = !storage.hasOpenedBundle();
            return () -> {
                bundle = opened;
                fromFiles = !own;
                Artifact remembered = opened.manifest.artifacts.get(settings.artifact());
                boolean there = remembered != null && opened.artifacts().contains(remembered);
                chooseArtifact(there ? remembered : opened.defaultArtifact());
            };
        });
    }

    private void testFirstTime() {
        if (selfTest == null) {
            test();
        }
    }

    private void forgetTimes() {
        preprocessing = null;
        inference = null;
    }

    private Classifier load(Artifact chosen, int threads) throws IOException, CoreException {
        String wanted = chosen.sha256 + " x" + threads;
        if (!loaded.equals(wanted)) {
            if (classifier != null) {
                classifier.close();
                classifier = null;
                loaded = "";
            }
            byte[] content = Bundle.open(storage.bundle()).read(chosen);
            classifier = Engines.open(chosen, content, threads);
            loaded = wanted;
        }
        return classifier;
    }

    private void start(Job job) {
        start(job, () -> {});
    }

    /** `after` is run on the main thread however the job ends. */
    private void start(Job job, Runnable after) {
        jobs++;
        failure = null;
        listener.run();
        worker.execute(() -> {
            Runnable change;
            try {
                change = job.run();
            } catch (IOException | CoreException error) {
                change = () -> failure = error;
            }
            Runnable done = change;
            main.post(() -> {
                jobs--;
                after.run();
                done.run();
                listener.run();
            });
        });
    }
}
