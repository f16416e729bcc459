"""Clients' requests in OpenAI's shape.

Members that the contract describes are checked. All others go to the engine, which validates them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from gateway import capabilities, validation
from gateway.chunks import Shape
from gateway.errors import InvalidRequestError, RequestTooLargeError
from gateway.settings import Model

# Length of a response in tokens: OpenAI's two names, llama.cpp's and Text Generation Inference's.
_MAX_TOKENS: Final = ("max_completion_tokens", "max_tokens", "n_predict", "max_new_tokens")
# Created once: `json.dumps` would create one per chunk.
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ESCAPED: Final = json.JSONEncoder(separators=(",", ":"))


@dataclass(frozen=True)
class GenerationRequest:
    """A request for text: a chat completion, or a plain completion.

    Attributes:
        shape: which of the two.
        model: the model's name or alias, as the client wrote it.
        stream: whether the client wants chunks as they arrive.
        include_usage: whether a streaming client wants token counts.
        body: the whole request, without null members.
        size: of the JSON that the client sent, in bytes.
        input: the member of the client's request that holds the prompt.
    """

    shape: Shape
    model: str
    stream: bool
    include_usage: bool
    body: dict[str, Any]
    size: int
    input: str

    @classmethod
    def parse(cls, body: bytes, shape: Shape) -> GenerationRequest:
        """Parse the HTTP body.

        Raises:
            InvalidRequestError: it is not valid; `param` names the member.
        """
        document = validation.parse(body, shape.request, shape.input)
        return cls.create(document, shape, len(body), shape.input)

    @classmethod
    def create(cls, document: dict[str, Any], shape: Shape, size: int, param: str) -> GenerationRequest:
        """The request of a document that conforms to the contract.

        Args:
            document: in OpenAI's shape.
            shape: of the request.
            size: of the JSON that the client sent, in bytes.
            param: the member of the client's request that holds the prompt.

        Raises:
            InvalidRequestError: members contradict each other; `param` names one.
        """
        if shape.input == "messages":
            validation.check_tools(document)
            validation.add_empty_content(document)
        stream, include_usage = bool(document.get("stream")), validation.include_usage(document)
        return cls(shape, document["model"], stream, include_usage, document, size, param)

    def with_body(self, body: dict[str, Any]) -> GenerationRequest:
        """The request with other texts."""
        return replace(self, body=body)

    @property
    def choices(self) -> int:
        """Number of choices per prompt."""
        return int(self.body.get("n", 1))

    @property
    def has_several_choices(self) -> bool:
        """Whether the response has several choices: for one prompt, or for several."""
        return self.choices > 1 or isinstance(self.body.get("prompt"), list)

    @property
    def max_tokens(self) -> int | None:
        """The most tokens of all choices together; None without a limit."""
        limits = [self.body[name] for name in _MAX_TOKENS if self.body.get(name) is not None]
        prompts = self.body.get("prompt")
        count = len(prompts) if isinstance(prompts, list) and not isinstance(prompts[0], int) else 1
        return max(limits) * self.choices * count if limits else None

    @property
    def must_call_tool(self) -> bool:
        """Whether the response must be a tool call."""
        return self.shape.input == "messages" and self.body.get("tool_choice", "auto") not in ("auto", "none")

    def limited(self, model: Model, *, clamp: bool = False) -> GenerationRequest:
        """The request within a model's limits.

        Args:
            model: the model.
            clamp: lower values above the ceiling instead of refusing them.

        Raises:
            InvalidRequestError: it asks for a longer response than the model allows, or for something that
                its engine does not do.
            RequestTooLargeError: it is larger than the model accepts.
        """
        check_size(self.size, model)
        capabilities.check(self.body, model)
        ceiling = model.max_tokens_ceiling
        limits = {name: self.body[name] for name in _MAX_TOKENS if self.body.get(name) is not None}
        for name, value in limits.items():
            if ceiling is not None and value > ceiling:
                if not clamp:
                    raise InvalidRequestError(
                        f"'{name}' is {value}, but this model allows at most {ceiling} tokens.", param=name
                    )
                limits[name] = ceiling
        if not limits:
            default = model.max_tokens_default or ceiling
            limits = {} if default is None else {"max_tokens": default}
        elif "max_completion_tokens" in limits:
            # Some engines know only the older name; those that know both prefer the newer one.
            limits.setdefault("max_tokens", limits["max_completion_tokens"])
        return replace(self, body={**self.body, **limits})

    def engine_body(self, dialect: str, *, stream: bool) -> bytes:
        """The request to the engine, with token counts whenever it streams.

        It leaves out the model's name: the endpoint serves one model, and engines reject names other than
        their own.

        Args:
            dialect: of the engine: see `Model.dialect`.
            stream: whether the engine streams, regardless of what the client wants.
        """
        body = {key: value for key, value in self.body.items() if key not in ("model", "stream_options")}
        body["stream"] = stream
        if stream:
            body["stream_options"] = {**(self.body.get("stream_options") or {}), "include_usage": True}
        if dialect == "tgi":
            body.update(_for_tgi(body))
        return encode(body)


def _for_tgi(body: dict[str, Any]) -> dict[str, Any]:
    """The members that Text Generation Inference expects in another form."""
    members: dict[str, Any] = {}
    if isinstance(body.get("stop"), str):
        members["stop"] = [body["stop"]]
    match body.get("response_format"):
        case {"type": "text"}:
            members["response_format"] = None
        case {"type": "json_object", **extra}:
            members["response_format"] = {"type": "json_object", "value": {"type": "object"}, **extra}
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            members["response_format"] = {"type": "json_object", "value": schema}
    return members


@dataclass(frozen=True)
class EmbeddingRequest:
    """A request for embeddings.

    Attributes:
        model: the model's name or alias, as the client wrote it.
        count: number of inputs.
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
        """Parse the HTTP body.

        Raises:
            InvalidRequestError: it is not valid; `param` names the member.
        """
        document = validation.parse(body, "EmbeddingRequest", "input")
        count = len(_inputs(document["input"]))
        as_base64 = document.get("encoding_format") == "base64"
        return cls(document["model"], count, as_base64, document, len(body))

    def with_body(self, body: dict[str, Any]) -> EmbeddingRequest:
        """The request with other texts."""
        return replace(self, body=body)

    def engine_body(self, dialect: str) -> bytes:
        """The request to the engine.

        Args:
            dialect: of the engine: see `Model.dialect`.
        """
        body = {key: value for key, value in self.body.items() if key != "model"}
        if dialect in ("tei", "lmi"):
            # LMI responds with a list of vectors, as Text Embeddings Inference does: `operations.py` of the
            # toolkit names the source.
            body["inputs"] = _inputs(body.pop("input"))
            body.pop("encoding_format", None)
            body.pop("user", None)
        return encode(body)


def _inputs(value: Any) -> list[Any]:
    """The inputs as a list: a text is one input, and so is a list of token numbers."""
    return [value] if isinstance(value, str) or isinstance(value[0], int) else value


def encode(document: dict[str, Any]) -> bytes:
    """A document as compact JSON."""
    try:
        return _COMPACT.encode(document).encode()
    except UnicodeEncodeError:
        # An engine may split a character between tokens; escapes can express the halves.
        return _ESCAPED.encode(document).encode()


def check_size(size: int, model: Model) -> None:
    """Raise RequestTooLargeError if a model does not accept a body of `size` bytes."""
    if size > model.body_bytes:
        raise RequestTooLargeError(model.body_bytes)
