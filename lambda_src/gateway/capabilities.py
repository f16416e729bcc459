"""Members of OpenAI's requests that an engine would ignore: the gateway refuses them instead.

Taken from the engines' sources and tried with llama.cpp. vLLM, and LMI which contains it, refuse what they do
not support themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.errors import InvalidRequestError
from gateway.settings import OPERATIONS, Model

# By dialect (`gateway.settings.Model.dialect`), the members and why they are refused; "*" is for all engines.
IGNORED: Final[Mapping[str, Mapping[str, str]]] = {
    "*": {
        "functions": "use 'tools'",
        "function_call": "use 'tool_choice'",
        "best_of": "use 'n'",
        "audio": "the model responds with text",
        "modalities": "the model responds with text",
        "web_search_options": "the model does not search",
    },
    "llama_cpp": {
        "suffix": "the engine continues the prompt only",
        "echo": "the engine returns the continuation only",
        "dimensions": "the model has one length of vectors",
    },
    "lmi": {
        "dimensions": "the model has one length of vectors",
    },
    "tgi": {
        "echo": "the engine returns the continuation only",
        "n": "the engine returns one choice",
        "best_of": "the engine returns one choice",
        "logit_bias": "the engine has no biases",
    },
}
# Values that ask for nothing, so that ignoring them is right.
_DEFAULTS: Final[Mapping[str, tuple[Any, ...]]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "functions": ([],),
    "function_call": ("auto", "none"),
    "modalities": (["text"],),
    "logit_bias": ({},),
}
# Keywords that llama.cpp does not turn into a grammar (its `json-schema-to-grammar.cpp`), with the values
# that ask for nothing.
_UNENFORCED: Final[Mapping[str, tuple[Any, ...]]] = {
    **dict.fromkeys(("if", "then", "else", "multipleOf", "contains", "maxContains", "maxProperties"), ()),
    "not": (False,),
    "uniqueItems": (False,),
    "minProperties": (0,),
    "minContains": (0, 1),
    **dict.fromkeys(("patternProperties", "dependentRequired", "dependentSchemas"), ({},)),
    **dict.fromkeys(("propertyNames", "unevaluatedProperties", "unevaluatedItems"), ({}, True)),
}
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_FORMATS: Final = ("date", "time", "date-time", "uuid")
_MEDIA: Final = {
    "image_url": "an image",
    "input_audio": "audio",
    "audio_url": "audio",
    "video_url": "a video",
}


def check(document: Mapping[str, Any], model: Model) -> None:
    """Refuse what the engine would ignore.

    Args:
        document: a request that conforms to the contract.
        model: the model that it is for.

    Raises:
        InvalidRequestError: the engine does not support one of its members, which `param` names.
    """
    for name, reason in {**IGNORED["*"], **IGNORED.get(model.dialect, {})}.items():
        value = document.get(name)
        if value is not None and value not in _DEFAULTS.get(name, ()):
            raise InvalidRequestError(f"'{name}' is not supported: {reason}.", param=name)
    if model.dialect == "llama_cpp":
        if "media" not in model.capabilities:
            _refuse_media(document)
        # The contract describes `response_format` and `tools` only in chats.
        if "messages" in document:
            _refuse_other_formats(document)
            for location, schema in _schemas(document):
                _refuse_unenforced(schema, location)


def check_operation(operation: str, model: Model, name: str) -> None:
    """Refuse an operation that the model's container does not serve.

    Args:
        operation: one of `gateway.settings.OPERATIONS`.
        model: the model.
        name: its name or alias, as the client wrote it.

    Raises:
        InvalidRequestError: its container does not serve it.
    """
    if operation not in model.operations:
        *others, last = [text for key, text in OPERATIONS.items() if key in model.operations] or ["nothing"]
        served = f"{', '.join(others)} and {last}" if others else last
        message = f"The model {name!r} serves {served}, not {OPERATIONS[operation]}."
        raise InvalidRequestError(message, param="model")


def _refuse_media(document: Mapping[str, Any]) -> None:
    for index, message in enumerate(document.get("messages") or ()):
        content = message.get("content")
        for position, part in enumerate(content if isinstance(content, list) else ()):
            if part["type"] in _MEDIA:
                location = f"messages[{index}].content[{position}]"
                raise InvalidRequestError(
                    f"'{location}' is {_MEDIA[part['type']]}, but this model takes text only.",
                    param=location,
                )


def _refuse_other_formats(document: Mapping[str, Any]) -> None:
    kind = (document.get("response_format") or {}).get("type")
    if kind not in (None, "text", "json_object", "json_schema"):
        raise InvalidRequestError(
            f"'response_format.type' is {kind!r}, which this model's engine does not support.",
            param="response_format.type",
        )


def _schemas(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The schemas that the response must follow: `strict` requires it."""
    response_format = document.get("response_format") or {}
    if response_format.get("type") == "json_schema" and response_format["json_schema"].get("strict"):
        yield "response_format.json_schema.schema", response_format["json_schema"]["schema"]
    for index, tool in enumerate(document.get("tools") or ()):
        if tool["function"].get("strict"):
            yield f"tools[{index}].function.parameters", tool["function"].get("parameters")


def _refuse_unenforced(schema: Any, location: str) -> None:
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            _refuse_unenforced(item, f"{location}[{index}]")
    if not isinstance(schema, dict):
        return
    for name, value in schema.items():
        path = f"{location}.{name}"
        if _is_unenforced(name, value, schema):
            raise InvalidRequestError(f"'{path}' cannot be enforced by this model's engine.", param=path)
        # Names of properties and definitions are not keywords, and values are not schemas.
        if name in ("properties", "$defs", "definitions") and isinstance(value, dict):
            for key, member in value.items():
                _refuse_unenforced(member, f"{path}.{key}")
        elif name not in ("const", "enum", "default", "examples"):
            _refuse_unenforced(value, path)


def _is_unenforced(name: str, value: Any, schema: Mapping[str, Any]) -> bool:
    if value is None:
        return False
    if name in _BOUNDS:
        # Bounds do not apply to other types, and each type of a list has its own rule in the grammar.
        kinds = schema["type"] if isinstance(schema.get("type"), list) else [schema.get("type", "number")]
        return "number" in kinds
    if name == "pattern":
        # Other patterns, and groups such as `(?=`, allow any text.
        return not isinstance(value, str) or re.fullmatch(r"\^(?!.*\(\?).*\$", value, re.DOTALL) is None
    if name == "format":
        return value not in _FORMATS
    return name in _UNENFORCED and value not in _UNENFORCED[name]
