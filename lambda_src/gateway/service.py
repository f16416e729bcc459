"""The models that are served here. Knows neither HTTP nor Lambda."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from gateway.answer import Answer, Caller, Endpoints, Question
from gateway.chunks import Chunk, Identity, chunks
from gateway.dialects import documents
from gateway.embeddings import embeddings
from gateway.errors import InvalidRequestError, ModelNotAllowedError, ModelNotFoundError
from gateway.schema import EmbeddingRequest, GenerationRequest
from gateway.settings import Model


class Models:
    """The models that are served here.

    Args:
        by_name: models by name and alias.
        endpoints: where they are asked.
        key_models: own names of the models that keys may use: see `gateway.settings.Settings`.
    """

    def __init__(
        self,
        by_name: Mapping[str, Model],
        endpoints: Endpoints,
        key_models: Mapping[str, frozenset[str]] = MappingProxyType({}),
    ) -> None:
        self._by_name = by_name
        self._endpoints = endpoints
        self._key_models = key_models

    @property
    def body_bytes(self) -> int:
        """Size of the largest request that any model takes."""
        return max((model.body_bytes for model in self._by_name.values()), default=0)

    def list(self, caller: Caller) -> dict[str, Any]:
        """The models that the caller may use, in OpenAI's shape."""
        names = [name for name, model in self._by_name.items() if self._allowed(model, caller)]
        return {"object": "list", "data": [_model(name) for name in names]}

    def get(self, name: str, caller: Caller) -> dict[str, Any]:
        """One model, in OpenAI's shape.

        Raises:
            ModelNotFoundError: there is none of this name.
            ModelNotAllowedError: it is not for the caller.
        """
        self._find(name, caller)
        return _model(name)

    def generate(self, request: GenerationRequest, caller: Caller) -> Answer:
        """The answer to a request for text, chunk by chunk; the model is asked when it is iterated.

        Raises:
            ModelNotFoundError: there is no such model.
            ModelNotAllowedError: it is not for the caller.
            InvalidRequestError: the model is not for text, or the request is beyond its limits.
        """
        created = int(time.time())

        def ask(model: Model, name: str, *, clamp: bool) -> Question:
            if model.dialect == "tei":
                raise InvalidRequestError(f"The model {name!r} makes embeddings, not text.", param="model")
            identity = Identity(f"{request.shape.id_prefix}{caller.request_id}", name, created)
            limited = request.limited(model, clamp=clamp)
            return Question(
                model,
                limited.engine_body(stream=not model.serverless),
                not model.serverless,
                lambda parts: chunks(documents(parts), identity, request.shape),
            )

        return self._answer(request.model, ask, caller, request.shape.input)

    def embed(self, request: EmbeddingRequest, caller: Caller) -> Answer:
        """The answer to a request for embeddings, one document; the model is asked when it is iterated.

        Raises:
            ModelNotFoundError: there is no such model.
            ModelNotAllowedError: it is not for the caller.
            RequestTooLargeError: the request is beyond its limits.
        """

        def ask(model: Model, name: str, *, clamp: bool) -> Question:
            return Question(
                model,
                request.limited(model, clamp=clamp).engine_body(model.dialect),
                not model.serverless,
                lambda parts: embeddings(parts, request, name),
            )

        return self._answer(request.model, ask, caller, "input")

    def _answer(self, name: str, ask: Any, caller: Caller, param: str) -> Answer:
        model = self._find(name, caller)
        fallback = None
        if model.fallback is not None and self._allowed(self._by_name[model.fallback], caller):
            fallback = partial(ask, self._by_name[model.fallback], model.fallback, clamp=True)
        return Answer(self._endpoints, ask(model, name, clamp=False), fallback, caller, param)

    def _find(self, name: str, caller: Caller) -> Model:
        model = self._by_name.get(name)
        if model is None:
            raise ModelNotFoundError(name)
        if not self._allowed(model, caller):
            raise ModelNotAllowedError(name)
        return model

    def _allowed(self, model: Model, caller: Caller) -> bool:
        names = self._key_models.get(caller.key_name, self._key_models.get("*"))
        return names is None or model.name in names


def _model(name: str) -> dict[str, Any]:
    # When a model was made is not known here; a time of our own would change with every instance.
    return {"id": name, "object": "model", "created": 0, "owned_by": "sagemaker"}


def shown_to_streaming_client(chunk: Chunk, request: GenerationRequest) -> Chunk | None:
    """The chunk as a client asked for it: token counts only on request; None if nothing is left of it."""
    if request.include_usage:
        return chunk
    without = {key: value for key, value in chunk.items() if key != "usage"}
    return without if chunk["choices"] else None
