"""Android's interface as it is read, on a few lines of it."""

from __future__ import annotations

import pytest

from android_demo.apk.signatures import Api, read_api

TEXT = """\
// Signature format: 2.0
package a.b {

  public class Box<T extends a.b.Shape> implements a.b.Holder<T> {
    ctor public Box(@NonNull T, @IntRange(from=0, to=10) int...);
    method @Nullable public <E extends Exception> T get(java.util.Map<T,? super T>) throws java.io.IOException;
    method protected final java.util.List<T[]>[] list(char);
    field public static final String NAME = "a;b";
    field public static final char MARK = 59; // 0x003b ';'
    field public static final long BIG = -9223372036854775808L; // 0x8000000000000000L
    field public static final float NONE = (0.0f/0.0f);
  }

  public static interface Box.Listener {
    method public void done(a.b.Box.Kind);
    method public default boolean again();
  }

  public enum Box.Kind {
    enum_constant public static final a.b.Box.Kind ROUND;
  }

  public interface Holder<T> {
    method public void close() throws java.io.IOException;
  }

  public abstract class Shape {
    method public abstract double area();
  }

  @java.lang.annotation.Target({java.lang.annotation.ElementType.TYPE}) public @interface Mark {
  }

}

package java.lang {

  public class Object {
    ctor public Object();
    method public int hashCode();
  }

  public final class String {
  }

  public class Exception {
  }

}
"""


@pytest.fixture(scope="module")
def api() -> Api:
    return read_api(TEXT)


def test_types_are_erased_to_the_first_bound(api: Api) -> None:
    assert api.has_method("a/b/Box", "<init>", "(La/b/Shape;[I)V")
    assert api.has_method("a/b/Box", "get", "(Ljava/util/Map;)La/b/Shape;")
    assert api.has_method("a/b/Box", "list", "(C)[Ljava/util/List;")


def test_nested_classes_have_binary_names(api: Api) -> None:
    assert api.has_method("a/b/Box$Listener", "done", "(La/b/Box$Kind;)V")
    assert api.has_field("a/b/Box$Kind", "ROUND", "La/b/Box$Kind;")
    assert api.has_method("a/b/Box$Kind", "values", "()[La/b/Box$Kind;")


def test_inherited_methods_are_found_and_constructors_are_not(api: Api) -> None:
    assert api.has_method("a/b/Box", "close", "()V")
    assert api.has_method("a/b/Holder", "hashCode", "()I")
    assert not api.has_method("a/b/Shape", "<init>", "()V")
    assert not api.has_method("a/b/Box", "close", "()I")


def test_fields_have_the_type_that_stands_before_their_name(api: Api) -> None:
    for name, descriptor in (("NAME", "Ljava/lang/String;"), ("MARK", "C"), ("BIG", "J"), ("NONE", "F")):
        assert api.has_field("a/b/Box", name, descriptor)
