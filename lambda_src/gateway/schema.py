"""What clients ask: requests in OpenAI's shape.

Checked is what the gateway itself needs or would break on; all other fields, known or not, are handed to
the engine, which judges them and says what is wrong.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway import validation
from gateway.chunks import CHAT, TEXT, Shape
from gateway.errors import InvalidRequestError, RequestTooLargeError
from gateway.settings import Model

# Length of an answer in tokens: OpenAI's two names, llama.cpp's and Text Generation Inference's.
_MAX_TOKENS: Final = ("max_completion_tokens", "max_tokens", "n_predict", "max_new_tokens")


@dataclass(frozen=True)
class GenerationRequest:
    """A request for text: a chat completion, or a plain completion.

    Attributes:
        shape: which of the two.
        model: the model's name or alias, as the client wrote it.
        stream: whether the client wants chunks as they come.
        include_usage: whether a streaming client wants the token counts.
        body: the whole request.
        size: of its JSON, in bytes.
    """

    shape: Shape
    model: str
    stream: bool
    include_usage: bool
    body: dict[str, Any]
    size: int

    @classmethod
    def chat(cls, body: bytes) -> GenerationRequest:
        """The request for a chat completion in the HTTP body `body`.

        Raises:
            InvalidRequestError: it is not valid; `param` names the place.
        """
        return cls._parse(body, CHAT)

    @classmethod
    def completion(cls, body: bytes) -> GenerationRequest:
        """The request for a completion in the HTTP body `body`.

        Raises:
            InvalidRequestError: it is not valid; `param` names the place.
        """
        return cls._parse(body, TEXT)

    @classmethod
    def _parse(cls, body: bytes, shape: Shape) -> GenerationRequest:
        document = validation.json_object(body)
        model = validation.model(document)
        validation.check_input(document, shape.input)
        for name in _MAX_TOKENS:
            validation.check_count(name, document.get(name))
        stream = validation.stream(document)
        return cls(shape, model, stream, validation.include_usage(document), document, len(body))

    def limited(self, model: Model, *, clamp: bool = False) -> GenerationRequest:
        """The same within a model's limits.

        Args:
            model: the model.
            clamp: whether what is above the ceiling is lowered instead of refused.

        Raises:
            InvalidRequestError: it asks for a longer answer than the model gives.
            RequestTooLargeError: it is larger than what the model takes.
        """
        _check_size(self.size, model)
        ceiling = model.max_tokens_ceiling
        asked = {name: self.body[name] for name in _MAX_TOKENS if self.body.get(name) is not None}
        for name, value in asked.items():
            if ceiling is not None and value > ceiling:
                if not clamp:
                    raise InvalidRequestError(
                        f"'{name}' is {value}: this model's answers have at most {ceiling} tokens.",
                        param=name,
                    )
                asked[name] = ceiling
        if not asked:
            default = model.max_tokens_default or ceiling
            asked = {} if default is None else {"max_tokens": default}
        elif "max_completion_tokens" in asked:
            # Not every engine knows the newer name; those that do prefer it.
            asked.setdefault("max_tokens", asked["max_completion_tokens"])
        return replace(self, body={**self.body, **asked})

    def engine_body(self, *, stream: bool) -> bytes:
        """What the engine is asked.

        The model's name is left out: the endpoint serves one model, and engines refuse names that
        are not their own.

        Args:
            stream: whether the engine shall stream, whatever the client wants; it is asked to count tokens.
        """
        asked = {key: value for key, value in self.body.items() if key not in ("model", "stream_options")}
        asked["stream"] = stream
        if stream:
            asked["stream_options"] = {**(self.body.get("stream_options") or {}), "include_usage": True}
        return _json(asked)


@dataclass(frozen=True)
class EmbeddingRequest:
    """A request for embeddings.

    Attributes:
        model: the model's name or alias, as the client wrote it.
        count: how many inputs there are.
        base64: whether the client wants vectors as base64 of little-endian 32-bit floats.
        body: the whole request.
        size: of its JSON, in bytes.
    """

    model: str
    count: int
    base64: bool
    body: dict[str, Any]
    size: int

    @classmethod
    def parse(cls, body: bytes) -> EmbeddingRequest:
        """The request in the HTTP body `body`.

        Raises:
            InvalidRequestError: it is not valid; `param` names the place.
        """
        document = validation.json_object(body)
        model = validation.model(document)
        validation.check_input(document, "input")
        given = document["input"]
        encoding = document.get("encoding_format")
        if encoding not in (None, "float", "base64"):
            raise validation.invalid("encoding_format", "'float' or 'base64'", encoding)
        single = isinstance(given, str) or isinstance(given[0], int)
        return cls(model, 1 if single else len(given), encoding == "base64", document, len(body))

    def limited(self, model: Model, *, clamp: bool = False) -> EmbeddingRequest:  # noqa: ARG002 - as above
        """The same within a model's limits.

        Raises:
            RequestTooLargeError: it is larger than what the model takes.
        """
        _check_size(self.size, model)
        return self

    def engine_body(self, dialect: str) -> bytes:
        """What the engine is asked.

        Args:
            dialect: of the engine: see `Model.dialect`.
        """
        asked = {key: value for key, value in self.body.items() if key != "model"}
        if dialect == "tei":
            given = asked.pop("input")
            # A list of token numbers is one input here, and must not be taken for several.
            single = isinstance(given, str) or isinstance(given[0], int)
            asked["inputs"] = [given] if single else given
            asked.pop("encoding_format", None)
            asked.pop("user", None)
        return _json(asked)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _check_size(size: int, model: Model) -> None:
    if size > model.body_bytes:
        raise RequestTooLargeError(model.body_bytes)
