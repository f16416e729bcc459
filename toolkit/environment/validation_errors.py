"""What pydantic found wrong, in the words of the file."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Tag
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from toolkit.environment.base import ConfigModel
from toolkit.environment.document import Document
from toolkit.environment.environment import Environment
from toolkit.environment.model import Model
from toolkit.environment.problems import MISSING, KeyPath, Problem, closest, did_you_mean
from toolkit.environment.sources import KINDS

# Below these keys of a model, the value of another key decides between kinds of mappings.
CHOSEN_BY = {"serving": "engine", "rollout": "strategy"}


def walk(location: tuple[int | str, ...]) -> tuple[KeyPath, Any]:
    """The key's path in the file, and the type of what stands there.

    Where pydantic had to choose between kinds of mappings, it names the one that it chose in the location.
    """
    path: list[int | str] = []
    found: Any = Environment
    for part in location:
        if part == "[key]":
            continue
        found = _bare(found)
        if _alternatives(found):
            found = next((option for option in _alternatives(found) if part in _tags_of(option)), None)
            continue
        path.append(part)
        if _is_section(found):
            field = fields(found).get(str(part))
            found = None if field is None else field.annotation
        elif typing.get_origin(found) in (dict, tuple):
            found = typing.get_args(found)[1 if typing.get_origin(found) is dict else 0]
        else:
            found = None
    return tuple(path), _bare(found)


def section_at(location: tuple[int | str, ...]) -> type[ConfigModel] | None:
    """The model of the mapping at an error's place."""
    _, found = walk(location)
    return next((_bare(item) for item in (found, *_alternatives(found)) if _is_section(_bare(item))), None)


def fields(section: type[ConfigModel] | None) -> dict[str, FieldInfo]:
    """A mapping's keys as they are called in the file."""
    fields = {} if section is None else section.model_fields
    return {field.alias or name: field for name, field in fields.items()}


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The kinds that a value can be of, if there are several."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return ()
    options = tuple(option for option in typing.get_args(annotation) if option is not type(None))
    return options if len(options) > 1 else ()


def _bare(annotation: Any) -> Any:
    """A type without its annotations, and without the None that stands for a key that is not given."""
    while True:
        if hasattr(annotation, "__metadata__"):
            annotation = typing.get_args(annotation)[0]
        elif typing.get_origin(annotation) in (typing.Union, types.UnionType) and not _alternatives(
            annotation
        ):
            annotation = next(item for item in typing.get_args(annotation) if item is not type(None))
        else:
            return annotation


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, ConfigModel)


def tags(key: str | int) -> list[str]:
    """The kinds of mapping that a model's key can be."""
    options = _alternatives(_bare(Model.model_fields[str(key)].annotation))
    return [tag for option in options for tag in _tags_of(option)]


def _tags_of(option: Any) -> list[str]:
    """What pydantic calls one kind of a choice: its tag, or the value of the key that decides."""
    tags = [item.tag for item in getattr(option, "__metadata__", ()) if isinstance(item, Tag)]
    bare = _bare(option)
    if not tags and _is_section(bare):
        deciding = (bare.model_fields.get(key) for key in CHOSEN_BY.values())
        tags = [str(typing.get_args(field.annotation)[0]) for field in deciding if field is not None]
    return tags


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


def problems(errors: Iterable[ErrorDetails], document: Document) -> list[Problem]:
    """Pydantic's errors as mistakes in the file."""
    # A list is also called too short when items in it are wrong.
    return [
        _problem(error, document)
        for error in errors
        if error["type"] != "too_short" or len(error["input"]) < error["ctx"]["min_length"]
    ]


def _problem(error: ErrorDetails, document: Document) -> Problem:
    path, _ = walk(error["loc"])
    source = document.sources.get(path, "")
    explanation = _EXPLANATIONS.get(error["type"])
    if explanation is None:
        # Nothing here foresaw it: pydantic's own words are better than none.
        return Problem(path, error["msg"], "correct the value")
    return explanation(_Error(error["loc"], path, error["input"], error.get("ctx", {}), source))


def _mistake(error: _Error) -> Problem:
    return Problem(error.path, error.context["reason"], error.context["remedy"])


def _missing(error: _Error) -> Problem:
    section = section_at(error.location[:-1])
    field = fields(section).get(str(error.path[-1]))
    examples = field.examples if field is not None else None
    remedy = f"add it, as in {error.path[-1]}: {examples[0]}" if examples else "add it"
    return Problem(error.path, MISSING, remedy)


def _unknown_key(error: _Error) -> Problem:
    section = section_at(error.location[:-1])
    known = sorted(fields(section))
    key = error.path[-1]
    remedy = did_you_mean(key, known) or f"known keys here: {', '.join(known)}"
    return Problem(error.path, "unknown key", remedy, meant=tuple(closest(key, known)))


def _wrong_type(expected: str) -> Callable[[_Error], Problem]:
    def explain(error: _Error) -> Problem:
        given, source = error.given, error.source
        if given is None:
            return Problem(error.path, "is empty", f"it must be {expected}")
        if expected == "a string" and isinstance(given, int | float):
            return Problem(error.path, f"{source} is {_kind(given)}, not a string", f'quote it: "{source}"')
        reason = f"{source} is {_kind(given)}, not {expected}".strip()
        if isinstance(given, str) and expected in ("a whole number", "a number"):
            return Problem(error.path, reason, f"write {expected} without quotes")
        if isinstance(given, str) and expected == "true or false":
            return Problem(error.path, reason, "write true or false, without quotes; yes and no are words")
        return Problem(error.path, reason, f"it must be {expected}")

    return explain


def _out_of_range(limit: str, words: str) -> Callable[[_Error], Problem]:
    def explain(error: _Error) -> Problem:
        return Problem(
            error.path, f"{error.source} is out of range", f"use {words} {error.context[limit]:.12g}"
        )

    return explain


def _no_choice(error: _Error) -> Problem:
    expected = error.context["expected"]
    hint = did_you_mean(error.given, _words(expected)) if isinstance(error.given, str) else None
    remedy = _join(hint, f"use {expected}")
    return Problem(error.path, f"{error.source} is not possible", remedy)


def _too_long(error: _Error) -> Problem:
    unit = "characters" if isinstance(error.given, str) else "entries"
    return Problem(error.path, f"has {len(error.given)} {unit}", f"at most {error.context['max_length']}")


def _too_short(error: _Error) -> Problem:
    return Problem(error.path, "is empty", f"give at least {error.context['min_length']}")


def _no_alternative(error: _Error) -> Problem:
    """A choice between several kinds of mapping, and this is none of them, or more than one."""
    if not isinstance(error.given, Mapping):
        return _wrong_type("a mapping")(error)
    by = CHOSEN_BY.get(str(error.path[-1]))
    if by is not None:
        return Problem((*error.path, by), MISSING, f"add one of {', '.join(tags(error.path[-1]))}")
    kinds, about = _KINDS[str(error.path[-1])]
    found = [kind for kind in kinds if kind in error.given]
    if found:
        return Problem(error.path, f"{' and '.join(found)} are given", f"{about}: keep one of them")
    hints = (did_you_mean(key, kinds) for key in error.given)
    remedy = _join(*hints, f"give exactly one of {', '.join(kinds)}")
    return Problem(error.path, "gives none of what it can be", remedy)


def _unknown_alternative(error: _Error) -> Problem:
    tag, by = error.context["tag"], CHOSEN_BY[str(error.path[-1])]
    known = tags(error.path[-1])
    remedy = _join(did_you_mean(tag, known), f"known: {', '.join(known)}")
    return Problem((*error.path, by), f"there is no {by} {tag}", remedy)


# Kinds of mappings that differ in which key they have.
_KINDS = {
    "source": (KINDS, "weights come from one place"),
    "endpoint": (("serverless", "async"), "an endpoint is of one kind"),
}

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
    "union_tag_invalid": _unknown_alternative,
}


def _kind(value: object) -> str:
    kinds = {dict: "a mapping", tuple: "a list", str: "a string", bool: "true or false", float: "a fraction"}
    return kinds.get(type(value), "a number")


def _words(listing: str) -> list[str]:
    """The items of pydantic's `'a', 'b' or 'c'`."""
    return [word.strip("' ") for word in listing.replace(" or ", ", ").split(",")]


def _join(*hints: str | None) -> str:
    return " ".join(filter(None, hints))
