package cxredge.demo;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;
import static org.robolectric.Shadows.shadowOf;

import android.app.Activity;
import android.content.Intent;
import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.net.Uri;
import android.os.Bundle;
import android.provider.MediaStore;
import android.view.View;
import android.widget.RadioButton;
import android.widget.RadioGroup;
import android.widget.TextView;
import cxredge.core.CoreException;
import cxredge.core.Film;
import cxredge.core.FilmReader;
import cxredge.core.Reason;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.Test;
import org.junit.runner.RunWith;
import org.robolectric.Robolectric;
import org.robolectric.RobolectricTestRunner;
import org.robolectric.android.controller.ActivityController;
import org.robolectric.annotation.Config;
import org.robolectric.annotation.GraphicsMode;
import org.robolectric.shadows.ShadowLooper;

/** The screen on Android 10's own code, which Robolectric runs on the JVM, with the real models. Still no phone. */
@RunWith(RobolectricTestRunner.class)
@Config(sdk = 29, qualifiers = "w411dp-h1500dp-420dpi")
@GraphicsMode(GraphicsMode.Mode.NATIVE)
public class ScreenTest {
    private static final Path CASES = Paths.get(System.getProperty("cxredge.cases"));
    private static final int TIMEOUT_MS = 60_000;

    private ActivityController<MainActivity> controller;

    private MainActivity start(Intent intent) throws Exception {
        controller = Robolectric.buildActivity(MainActivity.class, intent).setup();
        settle();
        return controller.get();
    }

    private void settle() throws Exception {
        Workspace workspace = ((DemoApplication) controller.get().getApplication()).workspace();
        long end = System.currentTimeMillis() + TIMEOUT_MS;
        do {
            Thread.sleep(20);
            ShadowLooper.idleMainLooper();
        } while (workspace.isBusy() && System.currentTimeMillis() < end);
        assertFalse("still working", workspace.isBusy());
    }

    private String text(int id) {
        return ((TextView) controller.get().findViewById(id)).getText().toString();
    }

    private Uri offer(String name, byte[] content) {
        Uri uri = Uri.parse("content://other.app/" + name);
        shadowOf(controller.get().getContentResolver()).registerInputStream(uri, new ByteArrayInputStream(content));
        return uri;
    }

    private void pick(int button, Uri uri) throws Exception {
        controller.get().findViewById(button).performClick();
        Intent asked = shadowOf(controller.get()).getNextStartedActivityForResult().intent;
        assertEquals(Intent.ACTION_OPEN_DOCUMENT, asked.getAction());
        shadowOf(controller.get()).receiveResult(asked, Activity.RESULT_OK, new Intent().setData(uri));
        settle();
    }

    private RadioButton choice(int group, String name) {
        RadioGroup found = controller.get().findViewById(group);
        for (int index = 0; index < found.getChildCount(); index++) {
            RadioButton button = (RadioButton) found.getChildAt(index);
            if (button.getText().toString().equals(name)) {
                return button;
            }
        }
        throw new AssertionError("no choice " + name);
    }

    private void choose(int group, String name) throws Exception {
        choice(group, name).performClick();
        settle();
    }

    private static byte[] read(String name) throws IOException {
        return Files.readAllBytes(CASES.resolve(name));
    }

    private void openFilm() throws Exception {
        start(null);
        choose(R.id.artifacts, "model_int8.onnx");
        pick(R.id.open_film, offer("film.png", read("screen/film.png")));
    }

    @Test
    public void firstRunTestsItselfAndTheResearchLineStands() throws Exception {
        start(null);
        assertTrue(text(R.id.self_test), text(R.id.self_test).contains("8 films"));
        choose(R.id.artifacts, "model_int8.onnx");
        assertTrue(text(R.id.self_test), text(R.id.self_test).startsWith("Self-test passed: 8 films"));
        assertTrue(text(R.id.research).startsWith("For research only"));
        assertEquals(View.VISIBLE, controller.get().findViewById(R.id.research).getVisibility());
    }

    @Test
    public void pickedFilmGetsTheAnswerOfPython() throws Exception {
        openFilm();
        String wanted = new String(read("screen/expected.txt")).trim();
        assertTrue(text(R.id.result), text(R.id.result).startsWith(wanted));
        assertEquals("", text(R.id.message));
        String spoken = controller.get().findViewById(R.id.film).getContentDescription().toString();
        assertTrue(spoken, spoken.contains("coloured where it spoke for"));
        draw("screen.png");
    }

    @Test
    public void bothEnginesAndAllThreadsCanBeChosen() throws Exception {
        openFilm();
        choose(R.id.artifacts, "model_int8.tflite");
        assertTrue(text(R.id.result), text(R.id.result).contains("TensorFlow Lite 2.16.1 x1"));
        choose(R.id.threads, "4");
        assertTrue(text(R.id.result), text(R.id.result).contains("TensorFlow Lite 2.16.1 x4"));
        choose(R.id.artifacts, "model_int8.onnx");
        assertTrue(text(R.id.result), text(R.id.result).contains("ONNX Runtime 1.26.0 x4"));
        assertTrue(choice(R.id.artifacts, "model_int8.onnx").isChecked());
    }

    @Test
    public void measuringTimesPreprocessingAndInferenceApart() throws Exception {
        openFilm();
        controller.get().findViewById(R.id.measure).performClick();
        settle();
        assertTrue(text(R.id.latency), text(R.id.latency).matches("(?s)Preprocessing: median .*Inference: median .*20 runs.*"));
    }

    @Test
    public void resultSurvivesARotation() throws Exception {
        openFilm();
        String before = text(R.id.result);
        controller.recreate();
        settle();
        assertEquals(before, text(R.id.result));
    }

    @Test
    public void filmSurvivesTheEndOfTheProcess() throws Exception {
        openFilm();
        Bundle saved = new Bundle();
        controller.saveInstanceState(saved);
        byte[] kept = Files.readAllBytes(new File(controller.get().getCacheDir(), "film").toPath());
        assertArrayEquals(read("screen/film.png"), kept);
        // A new process has the saved state and the files, and an application that knows nothing.
        ((DemoApplication) controller.get().getApplication()).onCreate();
        controller = Robolectric.buildActivity(MainActivity.class).create(saved).start().resume();
        settle();
        assertTrue(text(R.id.result), text(R.id.result).startsWith(new String(read("screen/expected.txt")).trim()));
    }

    @Test
    public void filmIsForgottenWhenTheAppIsClosed() throws Exception {
        openFilm();
        File kept = new File(controller.get().getCacheDir(), "film");
        assertTrue(kept.exists());
        controller.get().finish();
        controller.pause().stop().destroy();
        settle();
        assertFalse(kept.exists());
    }

    @Test
    public void sharedFilmIsOpened() throws Exception {
        controller = Robolectric.buildActivity(MainActivity.class);
        Uri uri = offer("shared.jpg", read("screen/film.jpg"));
        start(new Intent(Intent.ACTION_SEND).setType("image/jpeg").putExtra(Intent.EXTRA_STREAM, uri));
        assertTrue(text(R.id.result), text(R.id.result).contains("P("));
    }

    @Test
    public void cameraWritesIntoTheAppsOwnProvider() throws Exception {
        start(null);
        controller.get().findViewById(R.id.take_photo).performClick();
        Intent asked = shadowOf(controller.get()).getNextStartedActivityForResult().intent;
        Uri place = (Uri) asked.getExtras().get(MediaStore.EXTRA_OUTPUT);
        assertEquals(MediaStore.ACTION_IMAGE_CAPTURE, asked.getAction());
        assertTrue((asked.getFlags() & Intent.FLAG_GRANT_WRITE_URI_PERMISSION) != 0);
        PhotoProvider provider = Robolectric.setupContentProvider(PhotoProvider.class, "cxredge.demo.photo");
        try (OutputStream camera = new android.os.ParcelFileDescriptor.AutoCloseOutputStream(provider.openFile(place, "w"))) {
            camera.write(read("screen/film.jpg"));
        }
        shadowOf(controller.get()).receiveResult(asked, Activity.RESULT_OK, null);
        settle();
        assertTrue(text(R.id.result) + text(R.id.message), text(R.id.result).contains("P("));
    }

    @Test
    public void whatIsNoFilmIsRefusedWithTheReason() throws Exception {
        start(null);
        pick(R.id.open_film, offer("text", "no film".getBytes()));
        assertEquals("Not an image of a known format. Give the film as PNG, JPEG or WebP.", text(R.id.message));
        assertTrue(text(R.id.result).startsWith("No film yet"));
    }

    @Test
    public void anotherBundleIsOpenedAndADamagedOneIsRefused() throws Exception {
        start(null);
        pick(R.id.open_bundle, offer("good.zip", read("screen/good.zip")));
        assertEquals("", text(R.id.message));
        assertTrue(text(R.id.bundle), text(R.id.bundle).endsWith("the phone's files"));
        pick(R.id.open_bundle, offer("bad.zip", read("screen/bad.zip")));
        assertTrue(text(R.id.message), text(R.id.message).startsWith("The SHA-256 of model_int8.onnx differs"));
        controller.get().findViewById(R.id.own_bundle).performClick();
        settle();
        assertTrue(text(R.id.bundle), text(R.id.bundle).endsWith("this app"));
    }

    @Test
    @Config(qualifiers = "de-w411dp-h1500dp-night-420dpi", fontScale = 1.3f)
    public void germanDarkAndLarge() throws Exception {
        start(null);
        assertEquals("Nur für die Forschung, nicht zur Diagnose.", text(R.id.research));
        draw("dark.png");
    }

    @Test
    public void everyControlHasAWordForTalkBack() throws Exception {
        openFilm();
        for (int id : new int[] {R.id.open_film, R.id.take_photo, R.id.measure, R.id.run_self_test, R.id.open_bundle}) {
            assertFalse(text(id).isEmpty());
        }
        assertTrue(controller.get().findViewById(R.id.busy).getContentDescription().length() > 0);
        assertNull(controller.get().findViewById(R.id.result).getContentDescription());
    }

    /** By Android's own decoders, which on the JVM are those of Skia for Linux. */
    @Test
    public void decodedFilmsHaveThePixelsOfPython() throws Exception {
        List<Path> paths;
        try (Stream<Path> found = Stream.concat(Files.list(CASES.resolve("films")), Files.list(CASES.resolve("grey")))) {
            paths = found.filter(path -> path.toString().matches(".*\\.(jpg|webp)")).sorted().collect(Collectors.toList());
        }
        int same = 0;
        StringBuilder others = new StringBuilder();
        for (Path path : paths) {
            String name = path.getFileName().toString();
            Film film = new FilmReader(new BitmapDecoder()).read(Files.readAllBytes(path));
            byte[] wanted = Files.readAllBytes(path.resolveSibling(name.replaceFirst("\\.[a-z]+$", ".pixels")));
            int largest = 0;
            for (int at = 0; at < wanted.length; at++) {
                largest = Math.max(largest, Math.abs((wanted[at] & 255) - (film.pixels[at] & 255)));
            }
            same += largest == 0 ? 1 : 0;
            others.append(largest == 0 ? "" : " " + name + " by " + largest);
        }
        System.out.println("decoded: " + same + " of " + paths.size() + " equal; others differ at most:" + others);
        assertEquals(others.toString(), paths.size(), same);
        assertTrue(paths.size() > 25);
    }

    @Test
    public void cutFilmsAreRefused() throws Exception {
        byte[] whole = read("screen/film.jpg");
        byte[] cut = java.util.Arrays.copyOf(whole, whole.length / 2);
        CoreException error = assertThrows(CoreException.class, () -> new FilmReader(new BitmapDecoder()).read(cut));
        assertEquals(Reason.FILM_DAMAGED, error.reason());
    }

    private void draw(String name) throws IOException {
        View view = controller.get().getWindow().getDecorView();
        view.jumpDrawablesToCurrentState();
        Bitmap bitmap = Bitmap.createBitmap(view.getWidth(), view.getHeight(), Bitmap.Config.ARGB_8888);
        view.draw(new Canvas(bitmap));
        try (OutputStream output = Files.newOutputStream(CASES.resolve("screen").resolve(name))) {
            bitmap.compress(Bitmap.CompressFormat.PNG, 90, output);
        }
    }
}
