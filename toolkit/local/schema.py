"""Validation of requests against AWS's service models, with AWS's error messages.

botocore ships the models, but clients check little of them: lengths, patterns and enumerations are left to
the service.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

from toolkit.local.awsapi import ApiError

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


# AWS's patterns are written for Java; Python's `re` lacks Unicode categories and surrogate pairs.
_JAVA = {
    r"\p{L}": r"\w",
    r"\p{N}": r"\d",
    r"\p{Z}": r"\s",
    r"[\p{Print}]": r"[\x20-\x7e]",
    r"\p{Print}": r"[\x20-\x7e]",
    r"\p{ASCII}": r"[\x00-\x7f]",
    r"\z": r"\Z",
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
}


@functools.cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of the service model."""
    for java, python in _JAVA.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)


class Schema:
    """The inputs of some operations of a service.

    Args:
        service: botocore's service name.
        operations: the rest of the model is discarded.
    """

    def __init__(self, service: str, operations: Collection[str]) -> None:
        # A shared loader would cache the whole model, with thousands of shapes.
        model: dict[str, Any] = Loader().load_service_model(service, "service-2")
        self._inputs = {
            operation: ServiceModel(reduced(model, operation)).operation_model(operation).input_shape
            for operation in operations
        }

    def parse(self, operation: str, body: bytes) -> dict[str, Any]:
        """Parse and validate the body of a request; like AWS, ignore unknown members.

        Raises:
            ApiError: SerializationException or ValidationException.
        """
        try:
            request = json.loads(body or b"{}")
        except ValueError as error:
            raise ApiError("SerializationException", str(error)) from error
        members: dict[str, Any] = request
        return self.check(operation, members)

    def check(
        self, operation: str, members: dict[str, Any], error: str = "ValidationException"
    ) -> dict[str, Any]:
        """Validate the members of a request.

        Args:
            operation: the operation's name.
            members: by name.
            error: the service's code for the error.

        Raises:
            ApiError: SerializationException or `error`.
        """
        shape = self._inputs[operation]
        if shape is None:
            return {}
        violations = list(_violations(shape, members, ""))
        if violations:
            count = len(violations)
            noun = "error" if count == 1 else "errors"
            message = f"{count} validation {noun} detected: {'; '.join(violations)}"
            raise ApiError(error, message)
        return members


def reduced(model: dict[str, Any], operation: str) -> dict[str, Any]:
    """Reduce a service model to one operation and the shapes of its input."""
    definition = model["operations"][operation]
    needed: dict[str, Any] = {}
    pending = [definition["input"]["shape"]] if "input" in definition else []
    while pending:
        name = pending.pop()
        if name not in needed:
            needed[name] = model["shapes"][name]
            pending += _referenced(needed[name])
    reduced_operation = {key: definition[key] for key in ("name", "http", "input") if key in definition}
    return {"metadata": model["metadata"], "operations": {operation: reduced_operation}, "shapes": needed}


def _referenced(shape: dict[str, Any]) -> list[str]:
    references = [shape[role] for role in ("member", "key", "value") if role in shape]
    references += shape.get("members", {}).values()
    return [reference["shape"] for reference in references]


def _violations(shape: Shape, value: object, path: str) -> Iterator[str]:
    _check_type(shape, value)
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        yield from _structure_violations(shape, value, path)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        yield from _range_violations(shape, value, path, "length", len(value))
        for number, item in enumerate(value, start=1):
            yield from _violations(shape.member, item, f"{path}.{number}.member")
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        yield from _range_violations(shape, value, path, "length", len(value))
        for key, item in value.items():
            yield from _violations(shape.key, key, f"{path}.{key}")
            yield from _violations(shape.value, item, f"{path}.{key}.member")
    elif isinstance(shape, StringShape) and isinstance(value, str):
        yield from _string_violations(shape, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool) and shape.type_name != "timestamp":
        yield from _range_violations(shape, value, path, "value", value)


def _check_type(shape: Shape, value: object) -> None:
    expected = _TYPES.get(shape.type_name)
    # In Python a boolean is an integer, in JSON it is not a number.
    confused = isinstance(value, bool) and shape.type_name != "boolean"
    if expected is not None and (confused or not isinstance(value, expected)):
        kind = type(value).__name__.upper()
        raise ApiError("SerializationException", f"{kind}_VALUE can not be converted to {shape.type_name}")


def _structure_violations(shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        member_path = f"{path}.{_camel(name)}" if path else _camel(name)
        if value.get(name) is not None:
            yield from _violations(member, value[name], member_path)
        elif name in shape.required_members:
            yield f"Value null at '{member_path}' failed to satisfy constraint: Member must not be null"


def _string_violations(shape: StringShape, value: str, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield _violation(value, path, f"satisfy enum value set: [{', '.join(shape.enum)}]")
    yield from _range_violations(shape, value, path, "length", len(value))
    pattern = shape.metadata.get("pattern")
    if pattern and not compiled(pattern).fullmatch(value):
        yield _violation(value, path, f"satisfy regular expression pattern: {pattern}")


def _range_violations(shape: Shape, value: object, path: str, what: str, size: float) -> Iterator[str]:
    minimum, maximum = shape.metadata.get("min"), shape.metadata.get("max")
    if minimum is not None and size < minimum:
        yield _violation(value, path, f"have {what} greater than or equal to {minimum}")
    if maximum is not None and size > maximum:
        yield _violation(value, path, f"have {what} less than or equal to {maximum}")


def _violation(value: object, path: str, constraint: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: Member must {constraint}"


def _camel(name: str) -> str:
    return name[:1].lower() + name[1:]
