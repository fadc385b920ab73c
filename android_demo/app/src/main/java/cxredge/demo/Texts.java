package cxredge.demo;

import android.content.res.Resources;
import cxredge.core.CoreException;
import cxredge.core.Film;
import cxredge.core.Latency;
import cxredge.core.Manifest;
import cxredge.core.Prediction;
import java.util.Locale;

/** The state in words, in the language of the phone. */
final class Texts {
    private final Resources resources;
    private final Locale locale;

    Texts(Resources resources) {
        this.resources = resources;
        locale = resources.getConfiguration().getLocales().get(0);
    }

    String describe(Exception failure) {
        if (failure instanceof CoreException) {
            CoreException refused = (CoreException) failure;
            return say("error_" + refused.reason().name(), refused.facts());
        }
        String said = failure.getMessage() == null ? failure.getClass().getSimpleName() : failure.getMessage();
        return resources.getString(R.string.unreadable, said);
    }

    String describePicture(ShownFilm film, boolean showsMap) {
        if (!showsMap) {
            return resources.getString(R.string.film_plain, film.width, film.height);
        }
        return resources.getString(R.string.film_marked, film.width, film.height, film.verdict.prediction.explained);
    }

    String describeResult(Workspace workspace) {
        ShownFilm film = workspace.film;
        if (film == null) {
            return resources.getString(workspace.isBusy() ? R.string.busy : R.string.no_film);
        }
        StringBuilder text = new StringBuilder();
        if (film.verdict != null) {
            describeVerdict(text, film, workspace.bundle.manifest);
        } else if (workspace.isBusy()) {
            addLine(text, resources.getString(R.string.busy));
        }
        for (Film.Warning warning : film.warnings) {
            addLine(text, say("warning_" + warning.name()));
        }
        return text.toString();
    }

    private void describeVerdict(StringBuilder text, ShownFilm film, Manifest manifest) {
        ShownFilm.Verdict verdict = film.verdict;
        Prediction prediction = verdict.prediction;
        addLine(text, resources.getString(R.string.result_label, prediction.label, manifest.positive,
                number("%.3f", prediction.probability), number("%.3f", manifest.threshold)));
        if (Boolean.TRUE.equals(prediction.untypical)) {
            addLine(text, resources.getString(R.string.result_untypical));
        } else if (Boolean.FALSE.equals(prediction.untypical)) {
            addLine(text, resources.getString(R.string.result_typical,
                    number("%.2f", prediction.outputs.typicality), number("%.2f", manifest.typicalityLimit)));
        }
        if (verdict.marked != null) {
            addLine(text, resources.getString(R.string.result_explained, prediction.explained));
        }
        addLine(text, resources.getString(R.string.result_times, number("%.1f", film.preprocessingMs),
                number("%.1f", verdict.inferenceMs), verdict.engine));
    }

    String describeLatency(Workspace workspace) {
        StringBuilder text = new StringBuilder();
        addLine(text, describeTimes(R.string.latency_preprocessing, workspace.preprocessing));
        addLine(text, describeTimes(R.string.latency_inference, workspace.inference));
        Latency latency = workspace.inference;
        addLine(text, resources.getString(R.string.latency_runs, latency.runs, latency.warmUps, workspace.measuredWith));
        return text.toString();
    }

    private String describeTimes(int id, Latency latency) {
        return resources.getString(id, number("%.1f", latency.medianMs), number("%.1f", latency.leastMs),
                number("%.1f", latency.greatestMs));
    }

    String describeBundle(Manifest manifest, boolean fromFiles) {
        String origin = resources.getString(fromFiles ? R.string.from_files : R.string.from_app);
        return resources.getString(
                R.string.bundle_text, manifest.name, manifest.architecture, String.join(", ", manifest.labels), origin);
    }

    String describeSelfTest(Workspace workspace) {
        Settings.TestRecord record = workspace.selfTest;
        String artifact = workspace.artifact.name;
        if (record == null) {
            return workspace.isBusy() ? "" : resources.getString(R.string.self_test_none, artifact);
        }
        return resources.getString(record.passed ? R.string.self_test_passed : R.string.self_test_failed,
                record.films, record.differences, record.limit, artifact);
    }

    /** Returns the text of a name that the core made: of a reason or a warning. */
    private String say(String name, Object... facts) {
        String key = name.toLowerCase(Locale.ROOT);
        return resources.getString(resources.getIdentifier(key, "string", "cxredge.demo"), facts);
    }

    private String number(String format, double value) {
        return String.format(locale, format, value);
    }

    private static void addLine(StringBuilder text, String line) {
        text.append(text.length() == 0 ? "" : "\n").append(line);
    }
}
