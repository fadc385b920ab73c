"""Android's interface as it is read, and the stubs that are compiled against, on a few lines of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from android_demo.apk.signatures import Api, read_api
from android_demo.apk.stubs import write_stubs
from android_demo.apk.tools import BuildError, run

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


def test_javac_compiles_against_the_stubs(api: Api, toolchain: object, tmp_path: Path) -> None:
    write_stubs(api, tmp_path / "stubs.jar")
    source = tmp_path / "User.java"
    source.write_text(
        "class User implements a.b.Box.Listener {\n"
        "  public void done(a.b.Box.Kind kind) {}\n"
        "  static void use(a.b.Shape shape) throws java.io.IOException {\n"
        "    new a.b.Box(shape, 1, 2).get(null);\n"
        "    switch (';') { case a.b.Box.MARK: break; }\n"
        "    final String text = a.b.Box.NAME + a.b.Box.BIG;\n"
        "  }\n"
        "}\n"
    )
    run("javac", "--release", "11", "-cp", tmp_path / "stubs.jar", "-d", tmp_path, source)
    constants = run("javap", "-constants", "-cp", tmp_path / "stubs.jar", "a.b.Box")
    assert 'NAME = "a;b"' in constants
    assert "MARK = ';'" in constants
    assert "BIG = -9223372036854775808l" in constants


def test_javac_refuses_what_the_stubs_do_not_have(api: Api, toolchain: object, tmp_path: Path) -> None:
    write_stubs(api, tmp_path / "stubs.jar")
    source = tmp_path / "User.java"
    source.write_text("class User { void use(a.b.Box box) { box.missing(); } }\n")
    with pytest.raises(BuildError, match="cannot find symbol"):
        run("javac", "--release", "11", "-cp", tmp_path / "stubs.jar", "-d", tmp_path, source)
