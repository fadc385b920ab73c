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

    @TestFactory
    Stream<DynamicTest> refusesWhatIsNoJson() {
        String deep = new String(new char[500]).replace("\0", "[");
        return Stream.of("", "{", "[1,]", "{\"a\" 1}", "{a: 1}", "01", "1 2", "NaN", "'a'", "\"a\nb\"", "\"\\x\"", "tru", deep)
                .map(text -> DynamicTest.dynamicTest(
                        "'" + text.replace('\n', ' ') + "'",
                        () -> assertThrows(IllegalArgumentException.class, () -> Json.read(text))));
    }
}
