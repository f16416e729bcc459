"""What pydantic found wrong, in the words of the file."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Tag
from pydantic_core import ErrorDetails

from toolkit.environment.document import Document
from toolkit.environment.environment import Environment
from toolkit.environment.model import Model
from toolkit.environment.problems import MISSING, KeyPath, Problem, closest, did_you_mean
from toolkit.environment.section import Section
from toolkit.environment.sources import KINDS

# Below these keys pydantic names the alternative it chose in an error's place.
_ALTERNATIVES = ("source", "serving")


@dataclass(frozen=True)
class _Error:
    """One of pydantic's errors.

    Attributes:
        location: where pydantic sees it.
        path: the key's path in the file.
        given: the value.
        context: what pydantic says of it.
        source: the value as it stands in the file.
    """

    location: tuple[int | str, ...]
    path: KeyPath
    given: Any
    context: Mapping[str, Any]
    source: str


def problem(error: ErrorDetails, document: Document) -> Problem:
    """One of pydantic's errors as a mistake in the file."""
    path = _key_path(error["loc"])
    source = document.sources.get(path, "")
    explanation = _EXPLANATIONS.get(error["type"])
    if explanation is None:
        # Nothing here foresaw it: pydantic's own words are better than none.
        return Problem(path, error["msg"], "correct the value")
    return explanation(_Error(error["loc"], path, error["input"], error.get("ctx", {}), source))


def _key_path(location: tuple[int | str, ...]) -> KeyPath:
    path = list(location)
    if path and path[-1] == "[key]":
        path.pop()
    if len(path) > 3 and path[0] == "models" and path[2] in _ALTERNATIVES:
        del path[3]
    return tuple(path)


def _mistake(error: _Error) -> Problem:
    return Problem(error.path, error.context["wrong"], error.context["right"])


def _missing(error: _Error) -> Problem:
    section = _section_at(error.location[:-1])
    field = section.model_fields.get(str(error.path[-1])) if section is not None else None
    examples = field.examples if field is not None else None
    right = f"add it, as in {error.path[-1]}: {examples[0]}" if examples else "add it"
    return Problem(error.path, MISSING, right)


def _unknown_key(error: _Error) -> Problem:
    section = _section_at(error.location[:-1])
    known = sorted(section.model_fields) if section is not None else []
    key = error.path[-1]
    right = did_you_mean(key, known) or f"known keys here: {', '.join(known)}"
    return Problem(error.path, "unknown key", right, meant=tuple(closest(key, known)))


def _wrong_type(expected: str) -> Callable[[_Error], Problem]:
    def explain(error: _Error) -> Problem:
        given, source = error.given, error.source
        if given is None:
            return Problem(error.path, "is empty", f"it must be {expected}")
        if expected == "a string" and isinstance(given, int | float):
            return Problem(error.path, f"{source} is {_kind(given)}, not a string", f'quote it: "{source}"')
        wrong = f"{source} is {_kind(given)}, not {expected}".strip()
        if isinstance(given, str) and expected in ("a whole number", "a number"):
            return Problem(error.path, wrong, f"write {expected} without quotes")
        if isinstance(given, str) and expected == "true or false":
            return Problem(error.path, wrong, "write true or false, without quotes; yes and no are words")
        return Problem(error.path, wrong, f"it must be {expected}")

    return explain


def _out_of_range(limit: str, words: str) -> Callable[[_Error], Problem]:
    def explain(error: _Error) -> Problem:
        return Problem(error.path, f"{error.source} is out of range", f"use {words} {error.context[limit]:g}")

    return explain


def _no_choice(error: _Error) -> Problem:
    expected = error.context["expected"]
    hint = did_you_mean(error.given, _words(expected)) if isinstance(error.given, str) else None
    right = _join(hint, f"use {expected}")
    return Problem(error.path, f"{error.source} is not possible", right)


def _too_long(error: _Error) -> Problem:
    unit = "characters" if isinstance(error.given, str) else "entries"
    return Problem(error.path, f"has {len(error.given)} {unit}", f"at most {error.context['max_length']}")


def _too_short(error: _Error) -> Problem:
    return Problem(error.path, "is empty", f"give at least {error.context['min_length']}")


def _no_alternative(error: _Error) -> Problem:
    """A source that is not of one kind, or a way of serving without an engine."""
    if not isinstance(error.given, Mapping):
        return _wrong_type("a mapping")(error)
    if error.path[-1] != "source":
        return Problem((*error.path, "engine"), MISSING, f"add one of {', '.join(_engines())}")
    found = [kind for kind in KINDS if kind in error.given]
    if found:
        right = "weights come from one place: keep one of them"
        return Problem(error.path, f"{' and '.join(found)} are given", right)
    hints = (did_you_mean(key, KINDS) for key in error.given)
    right = _join(*hints, f"give exactly one of {', '.join(KINDS)}")
    return Problem(error.path, "does not say where the weights come from", right)


def _unknown_engine(error: _Error) -> Problem:
    tag = error.context["tag"]
    right = _join(did_you_mean(tag, _engines()), f"known: {', '.join(_engines())}")
    return Problem((*error.path, "engine"), f"there is no engine {tag}", right)


_EXPLANATIONS: dict[str, Callable[[_Error], Problem]] = {
    "mistake": _mistake,
    "missing": _missing,
    "extra_forbidden": _unknown_key,
    "string_type": _wrong_type("a string"),
    "int_type": _wrong_type("a whole number"),
    "float_type": _wrong_type("a number"),
    "bool_type": _wrong_type("true or false"),
    "dict_type": _wrong_type("a mapping"),
    "model_type": _wrong_type("a mapping"),
    "tuple_type": _wrong_type("a list"),
    "literal_error": _no_choice,
    "greater_than": _out_of_range("gt", "more than"),
    "greater_than_equal": _out_of_range("ge", "at least"),
    "less_than": _out_of_range("lt", "less than"),
    "less_than_equal": _out_of_range("le", "at most"),
    "too_long": _too_long,
    "string_too_long": _too_long,
    "too_short": _too_short,
    "union_tag_not_found": _no_alternative,
    "union_tag_invalid": _unknown_engine,
}


def _section_at(location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model of the mapping at an error's place."""
    found: Any = Environment
    for part in location:
        if _is_section(found):
            field = found.model_fields.get(str(part))
            found = None if field is None else field.annotation
        else:
            found = _inside(found, part)
    return next((item for item in (found, *_alternatives(found)) if _is_section(item)), None)


def _inside(annotation: Any, part: int | str) -> Any:
    """In a mapping the type of its values, in a choice the alternative that pydantic calls `part`."""
    if typing.get_origin(annotation) is dict:
        return typing.get_args(annotation)[1]
    for option in _alternatives(annotation):
        bare = _bare(option)
        tags = [item.tag for item in getattr(option, "__metadata__", ()) if isinstance(item, Tag)]
        if part in (*tags, _engine(bare)):
            return bare
    return None


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    bare = _bare(annotation)
    return typing.get_args(bare) if typing.get_origin(bare) in (typing.Union, types.UnionType) else ()


def _bare(annotation: Any) -> Any:
    while hasattr(annotation, "__metadata__"):
        annotation = typing.get_args(annotation)[0]
    return annotation


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _engines() -> list[str]:
    """The engines that a file can name."""
    return [_engine(option) for option in _alternatives(Model.model_fields["serving"].annotation)]


def _engine(section: type[BaseModel]) -> str:
    """The engine that a section is about; empty if it is about none."""
    field = section.model_fields.get("engine")
    return "" if field is None else str(typing.get_args(field.annotation)[0])


def _kind(value: object) -> str:
    kinds = {dict: "a mapping", tuple: "a list", str: "a string", bool: "true or false", float: "a fraction"}
    return kinds.get(type(value), "a number")


def _words(listing: str) -> list[str]:
    """The items of pydantic's `'a', 'b' or 'c'`."""
    return [word.strip("' ") for word in listing.replace(" or ", ", ").split(",")]


def _join(*hints: str | None) -> str:
    return " ".join(filter(None, hints))
