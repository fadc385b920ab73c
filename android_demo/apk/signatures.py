"""Android's public interface, from the text file `api/current.txt` in which the platform itself states it.

Types come out erased and in the JVM's spelling, as bytecode names them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

__all__ = ["Api", "ApiClass", "Member", "read_api"]

_ANNOTATION = re.compile(r'@[\w.]+(?:\((?:[^()"]|"(?:[^"\\]|\\.)*"|\([^()]*\))*\))?\s*(?=\S)')
_PRIMITIVES = {"void": "V", "boolean": "Z", "byte": "B", "char": "C", "short": "S"}
_PRIMITIVES |= {"int": "I", "long": "J", "float": "F", "double": "D"}
_MODIFIERS = {"public", "protected", "static", "final", "abstract", "default", "native", "synchronized", "strictfp"}
_MODIFIERS |= {"transient", "volatile", "deprecated", "sealed", "non-sealed"}
_KINDS = {"class", "interface", "enum", "@interface"}
_OBJECT = "java/lang/Object"


@dataclass(frozen=True)
class Member:
    """A method (constructors are called <init>) or field: its name and JVM descriptor."""

    name: str
    descriptor: str


@dataclass
class ApiClass:
    """A class or interface. Names are binary, as in android/view/View$OnClickListener."""

    name: str
    kind: str
    superclass: str | None = _OBJECT
    interfaces: tuple[str, ...] = ()
    methods: list[Member] = field(default_factory=list)
    fields: list[Member] = field(default_factory=list)


class Api:
    """All classes by their names, with look-ups that follow inheritance as the machine does."""

    def __init__(self, classes: Mapping[str, ApiClass]) -> None:
        self.classes = classes

    def has_method(self, owner: str, name: str, descriptor: str) -> bool:
        """Whether a call of this method would be resolved. Constructors are not inherited."""
        lineage = [self.classes[owner]] if name == "<init>" else self._lineage(owner)
        return any(item.name == name and item.descriptor == descriptor for own in lineage for item in own.methods)

    def has_field(self, owner: str, name: str, descriptor: str) -> bool:
        """Whether an access of this field would be resolved."""
        found = (item for own in self._lineage(owner) for item in own.fields)
        return any(item.name == name and item.descriptor == descriptor for item in found)

    def _lineage(self, name: str) -> Iterator[ApiClass]:
        waiting, seen = [name, _OBJECT], set[str]()
        while waiting:
            own = self.classes.get(waiting.pop())
            if own is not None and own.name not in seen:
                seen.add(own.name)
                yield own
                waiting += [parent for parent in (own.superclass, *own.interfaces) if parent]


def read_api(text: str) -> Api:
    """Read signature format 2.0."""
    return Api(_Reader(text).read())


class _Reader:
    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._names: dict[str, str] = {}
        self._variables: dict[str, dict[str, str]] = {}

    def read(self) -> dict[str, ApiClass]:
        # Two rounds: a nested class is told from a package only by knowing every class.
        for _, header in self._headers():
            dotted = f"{header[0]}.{header[1]}"
            self._names[dotted] = f"{header[0].replace('.', '/')}/{header[1].replace('.', '$')}"
        classes: dict[str, ApiClass] = {}
        for number, (package, name, line) in self._headers():
            own = self._read_class(self._names[f"{package}.{name}"], line)
            classes[own.name] = own
            self._read_members(own, number + 1)
        return classes

    def _headers(self) -> Iterator[tuple[int, tuple[str, str, str]]]:
        package = ""
        for number, raw in enumerate(self._lines):
            if raw.startswith("package "):
                package = raw.split()[1]
            elif raw.startswith("  ") and raw[2] not in " }" and raw.endswith("{"):
                line = _ANNOTATION.sub("", raw.strip()) if "interface" not in raw else _strip_header(raw.strip())
                words = _without_generics(line).split()
                at = next(index for index, word in enumerate(words) if word in _KINDS)
                yield number, (package, words[at + 1], line)

    def _read_class(self, name: str, line: str) -> ApiClass:
        start = line.find("<")
        plain = _without_generics(line)
        words = plain.rstrip("{ ").split()
        kind = next(word for word in words if word in _KINDS)
        own_name = words[words.index(kind) + 1]
        if 0 <= start == line.find(f"{own_name}<") + len(own_name):
            self._variables[name] = self._read_variables(line[start:], self._scope(name))
        extends, implements = _clauses(words)
        scope = self._scope(name)
        supers = [self._erase(item, scope)[1:-1] for item in extends]
        interfaces = [self._erase(item, scope)[1:-1] for item in implements]
        if kind == "interface":
            return ApiClass(name, kind, _OBJECT, (*supers, *interfaces))
        if kind == "@interface":
            return ApiClass(name, kind, _OBJECT, ("java/lang/annotation/Annotation",))
        root = None if name == _OBJECT else "java/lang/Enum" if kind == "enum" else _OBJECT
        return ApiClass(name, kind, supers[0] if supers else root, tuple(interfaces))

    def _read_members(self, own: ApiClass, number: int) -> None:
        while (raw := self._lines[number].strip()) != "}":
            number += 1
            keyword, _, rest = raw.partition(" ")
            rest = _ANNOTATION.sub("", rest)
            if keyword in ("ctor", "method"):
                own.methods.append(self._read_method(own, keyword, rest))
            elif keyword in ("field", "enum_constant"):
                own.fields.append(self._read_field(own, rest))
        if own.kind == "enum":
            own.methods += _enum_methods(own)

    def _read_method(self, own: ApiClass, keyword: str, text: str) -> Member:
        head, _, tail = text.partition("(")
        scope = self._scope(own.name)
        if (start := head.find("<")) >= 0 and set(head[:start].split()) <= _MODIFIERS:
            scope = scope | self._read_variables(head[start:], scope)
            head = head[:start] + _after_generics(head[start:])
        parameters = _without_generics(tail).partition(")")[0]
        joined = "".join(self._erase(_type_of(part), scope) for part in parameters.split(","))
        if keyword == "ctor":
            return Member("<init>", f"({joined})V")
        *_, returned, name = _without_generics(head).split()
        return Member(name, f"({joined}){self._erase(returned, scope)}")

    def _read_field(self, own: ApiClass, text: str) -> Member:
        declared = text.partition(" = ")[0].rstrip(";")
        *_, kind, name = _without_generics(declared).split()
        return Member(name, self._erase(kind, self._scope(own.name)))

    def _scope(self, name: str) -> dict[str, str]:
        """Return the erasures of the type variables that hold in a class, its outer ones' included."""
        found: dict[str, str] = {}
        parts = name.split("$")
        for count in range(1, len(parts) + 1):
            found |= self._variables.get("$".join(parts[:count]), {})
        return found

    def _read_variables(self, text: str, scope: Mapping[str, str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for variable in _split_top(_inside(text)):
            name, _, bound = variable.strip().partition(" extends ")
            first = _without_generics(_split_top(bound, "&")[0]).strip() if bound else "java.lang.Object"
            found[name] = self._erase(first, {**scope, **found})
        return found

    def _erase(self, text: str, scope: Mapping[str, str]) -> str:
        text = text.strip().replace("...", "[]")
        if not text:
            return ""
        base, dimensions = text.rstrip("[]"), text.count("[]")
        if base in _PRIMITIVES:
            return "[" * dimensions + _PRIMITIVES[base]
        if base in scope:
            return "[" * dimensions + scope[base]
        known = self._names.get(base) or self._names.get(f"java.lang.{base}") or base.replace(".", "/")
        return "[" * dimensions + f"L{known};"


def _strip_header(line: str) -> str:
    # @interface is a kind, not an annotation.
    return _ANNOTATION.sub("", line.replace("@interface", "\0")).replace("\0", "@interface")


def _clauses(words: list[str]) -> tuple[list[str], list[str]]:
    found: dict[str, list[str]] = {"extends": [], "implements": []}
    current = ""
    for word in words:
        if word in found:
            current = word
        elif current:
            found[current].append(word)
    return found["extends"], found["implements"]


def _type_of(argument: str) -> str:
    """Return the type of a parameter, which may have modifiers, a name and a default behind it."""
    words = [word for word in argument.split() if word not in _MODIFIERS]
    return words[0] if words else ""


@cache
def _without_generics(text: str) -> str:
    while (shorter := re.sub(r"<[^<>]*>", "", text)) != text:
        text = shorter
    return text


def _inside(text: str) -> str:
    return text[1 : len(text) - len(_after_generics(text)) - 1]


def _after_generics(text: str) -> str:
    """Return what follows the bracket that closes the one that `text` begins with."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "<") - (letter == ">")
        if depth == 0:
            return text[index + 1 :]
    return ""


def _split_top(text: str, separator: str = ",") -> list[str]:
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "<") - (letter == ">")
        if letter == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _enum_methods(own: ApiClass) -> list[Member]:
    known = {(item.name, item.descriptor) for item in own.methods}
    wanted = [("values", f"()[L{own.name};"), ("valueOf", f"(Ljava/lang/String;)L{own.name};")]
    return [Member(name, descriptor) for name, descriptor in wanted if (name, descriptor) not in known]
