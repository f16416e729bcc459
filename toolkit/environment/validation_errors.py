"""Translates the validation errors of pydantic to problems in terms of the file."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
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

# More are not read; each takes time, because known keys are compared with it.
MAX_PROBLEMS = 200
# Keys of a model whose mapping is selected by the value of a key in it.
CHOSEN_BY = {"serving": "engine", "rollout": "strategy"}


def walk(location: tuple[int | str, ...]) -> tuple[KeyPath, Any]:
    """The key path of an error's location, and the type of the value there.

    A location also contains the tag of each union member that pydantic selected.
    """
    path: list[int | str] = []
    annotation: Any = Environment
    for part in location:
        if part == "[key]":
            continue
        annotation = _bare(annotation)
        if _alternatives(annotation):
            annotation = next((item for item in _alternatives(annotation) if part in _tags_of(item)), None)
            continue
        path.append(part)
        if _is_config(annotation):
            field = fields(annotation).get(str(part))
            annotation = None if field is None else field.annotation
        elif typing.get_origin(annotation) in (dict, tuple):
            annotation = typing.get_args(annotation)[1 if typing.get_origin(annotation) is dict else 0]
        else:
            annotation = None
    return tuple(path), _bare(annotation)


def config_at(location: tuple[int | str, ...]) -> type[ConfigModel] | None:
    """The class of the mapping at a location."""
    _, annotation = walk(location)
    options = (_bare(item) for item in (annotation, *_alternatives(annotation)))
    return next((option for option in options if _is_config(option)), None)


def fields(config: type[ConfigModel] | None) -> dict[str, FieldInfo]:
    """The fields of a mapping by their keys in the file."""
    return {field.alias or name: field for name, field in config.model_fields.items()} if config else {}


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, if there are several."""
    if typing.get_origin(annotation) not in (typing.Union, types.UnionType):
        return ()
    options = tuple(option for option in typing.get_args(annotation) if option is not type(None))
    return options if len(options) > 1 else ()


def _bare(annotation: Any) -> Any:
    """A type without its annotations and without None."""
    while True:
        if hasattr(annotation, "__metadata__"):
            annotation = typing.get_args(annotation)[0]
        elif typing.get_origin(annotation) in (typing.Union, types.UnionType) and not _alternatives(
            annotation
        ):
            annotation = next(item for item in typing.get_args(annotation) if item is not type(None))
        else:
            return annotation


def _is_config(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, ConfigModel)


def tags(key: str | int) -> list[str]:
    """The tags of the mappings that a key of a model accepts."""
    options = _alternatives(_bare(Model.model_fields[str(key)].annotation))
    return [tag for option in options for tag in _tags_of(option)]


def _tags_of(option: Any) -> list[str]:
    """The tags of a union member: its pydantic tag, or the value of the key that selects it."""
    tags = [item.tag for item in getattr(option, "__metadata__", ()) if isinstance(item, Tag)]
    bare = _bare(option)
    if not tags and _is_config(bare):
        selectors = (bare.model_fields.get(key) for key in CHOSEN_BY.values())
        tags = [str(typing.get_args(field.annotation)[0]) for field in selectors if field is not None]
    return tags


@dataclass(frozen=True)
class _Error:
    """A validation error of pydantic.

    Attributes:
        location: location in the types.
        path: path of the key in the file.
        value: the invalid value.
        context: details from pydantic.
        source: text of the value in the file.
    """

    location: tuple[int | str, ...]
    path: KeyPath
    value: Any
    context: Mapping[str, Any]
    source: str


def problems(errors: Iterable[ErrorDetails], document: Document) -> list[Problem]:
    """Translate errors of pydantic to problems of the file."""
    # pydantic also reports a list with invalid items as too short.
    return [
        _problem(error, document)
        for error in islice(errors, MAX_PROBLEMS)
        if error["type"] != "too_short" or len(error["input"]) < error["ctx"]["min_length"]
    ]


def _problem(error: ErrorDetails, document: Document) -> Problem:
    path, _ = walk(error["loc"])
    source = document.sources.get(path, "")
    explanation = _EXPLANATIONS.get(error["type"])
    if explanation is None:
        # Fall back to the message of pydantic.
        return Problem(path, error["msg"], "correct the value")
    return explanation(_Error(error["loc"], path, error["input"], error.get("ctx", {}), source))


def _invalid(error: _Error) -> Problem:
    return Problem(error.path, error.context["reason"], error.context["remedy"])


def _missing(error: _Error) -> Problem:
    config = config_at(error.location[:-1])
    field = fields(config).get(str(error.path[-1]))
    examples = field.examples if field is not None else None
    remedy = f"add it, such as {error.path[-1]}: {examples[0]}" if examples else "add it"
    return Problem(error.path, MISSING, remedy)


def _unknown_key(error: _Error) -> Problem:
    config = config_at(error.location[:-1])
    keys = sorted(fields(config))
    key = error.path[-1]
    remedy = did_you_mean(key, keys) or f"use one of {', '.join(keys)}"
    return Problem(error.path, "unknown key", remedy, similar=tuple(closest(key, keys)))


def _wrong_type(expected: str) -> Callable[[_Error], Problem]:
    def explain(error: _Error) -> Problem:
        value, source = error.value, error.source
        if value is None:
            return Problem(error.path, "is empty", f"use {expected}")
        if expected == "a string" and isinstance(value, int | float):
            return Problem(error.path, f"{source} is {_kind(value)}, not a string", f'quote it: "{source}"')
        reason = f"{source} is {_kind(value)}, not {expected}".strip()
        if isinstance(value, str) and expected in ("a whole number", "a number"):
            return Problem(error.path, reason, f"use {expected} without quotes")
        if isinstance(value, str) and expected == "true or false":
            return Problem(error.path, reason, "use true or false, without quotes")
        return Problem(error.path, reason, f"use {expected}")

    return explain


def _out_of_range(limit: str, words: str) -> Callable[[_Error], Problem]:
    def explain(error: _Error) -> Problem:
        return Problem(
            error.path, f"{error.source} is out of range", f"use {words} {error.context[limit]:.12g}"
        )

    return explain


def _no_choice(error: _Error) -> Problem:
    expected = error.context["expected"]
    hint = did_you_mean(error.value, _words(expected)) if isinstance(error.value, str) else None
    remedy = _join(hint, f"use {expected}")
    return Problem(error.path, f"{error.source} is not supported", remedy)


def _too_long(error: _Error) -> Problem:
    unit = "characters" if isinstance(error.value, str) else "entries"
    return Problem(error.path, f"has {len(error.value)} {unit}", f"use at most {error.context['max_length']}")


def _too_short(error: _Error) -> Problem:
    return Problem(error.path, "is empty", f"add at least {error.context['min_length']}")


def _no_alternative(error: _Error) -> Problem:
    """The mapping matches none of the alternatives, or several."""
    if not isinstance(error.value, Mapping):
        return _wrong_type("a mapping")(error)
    by = CHOSEN_BY.get(str(error.path[-1]))
    if by is not None:
        return Problem((*error.path, by), MISSING, f"add one of {', '.join(tags(error.path[-1]))}")
    kinds = _KINDS[str(error.path[-1])]
    present = [kind for kind in kinds if kind in error.value]
    if present:
        return Problem(error.path, f"{' and '.join(present)} exclude each other", "keep one of them")
    hints = (did_you_mean(key, kinds) for key in error.value)
    remedy = _join(*hints, f"set exactly one of {', '.join(kinds)}")
    return Problem(error.path, "sets none of the alternatives", remedy)


def _unknown_alternative(error: _Error) -> Problem:
    tag, by = error.context["tag"], CHOSEN_BY[str(error.path[-1])]
    tag_names = tags(error.path[-1])
    remedy = _join(did_you_mean(tag, tag_names), f"use one of {', '.join(tag_names)}")
    return Problem((*error.path, by), f"unknown {by} {tag}", remedy)


# Keys whose mapping is selected by the key in it.
_KINDS = {
    "source": KINDS,
    "endpoint": ("serverless", "async"),
}

_EXPLANATIONS: dict[str, Callable[[_Error], Problem]] = {
    "invalid": _invalid,
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
