package cxredge.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class JsonTest {
    @Test
    void readsEveryKindOfValue() {
        String text = " {\"a\": [1, -2.5e3, true, false, null], \"b\\u00e9\\n\": {\"c\": \"\\\\ \\\"\"}, \"d\": {}, \"e\": []} ";
        assertEquals("{a=[1.0, -2500.0, true, false, null], b\u00e9\n={c=\\ \"}, d={}, e=[]}", Json.read(text).toString());
    }

    /** The last eight are valid for the org.json of Android 10, and the deepest overflows its stack. */
    @TestFactory
    Stream<DynamicTest> refusesWhatIsNoJson() {
        return Stream.of(
                "", "{", "{\"a\" 1}", "1 2", "NaN", "1e999", "tru", "\"a\nb\"", nested(65), nested(100_000),
                "[1,]", "{a: 1}", "01", "0x1", "'a'", "\"\\x\"", "{\"a\" = 1; \"b\" => 2}", "{\"a\": 1} # more")
                .map(text -> DynamicTest.dynamicTest(
                        "'" + text.replace('\n', ' ').substring(0, Math.min(text.length(), 30)) + "'",
                        () -> assertThrows(IllegalArgumentException.class, () -> Json.read(text))));
    }

    @Test
    void readsNoDeeperThanALimit() {
        assertEquals(nested(64), Json.read(nested(64)).toString());
    }

    @Test
    void saysWhereTheTextIsNotValid() {
        String text = "{\"artifacts\": {\"model.onnx\": {\"outputs\": [\"a\", b]}}}";
        String message = assertThrows(IllegalArgumentException.class, () -> Json.read(text)).getMessage();
        assertEquals("not valid JSON at $.artifacts.model.onnx.outputs[1]", message);
    }

    private static String nested(int depth) {
        return new String(new char[depth]).replace("\0", "[") + new String(new char[depth]).replace("\0", "]");
    }
}
