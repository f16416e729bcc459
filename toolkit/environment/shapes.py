"""The environment file's types, as pydantic's errors refer to them."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import Tag
from pydantic.fields import FieldInfo

from toolkit.environment.environment import Environment
from toolkit.environment.model import Model
from toolkit.environment.problems import KeyPath
from toolkit.environment.section import Section

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


def section_at(location: tuple[int | str, ...]) -> type[Section] | None:
    """The model of the mapping at an error's place."""
    _, found = walk(location)
    return next((_bare(item) for item in (found, *_alternatives(found)) if _is_section(_bare(item))), None)


def fields(section: type[Section] | None) -> dict[str, FieldInfo]:
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
    return isinstance(annotation, type) and issubclass(annotation, Section)


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
