"""The models behind this gateway and who may use them. Independent of HTTP and Lambda."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

from gateway import capabilities
from gateway.chunks import CHAT, Chunks, Identity, RequiredToolCall, TotalUsage
from gateway.embeddings import Embeddings
from gateway.endpoints import Endpoints
from gateway.errors import ModelNotAllowedError, ModelNotFoundError
from gateway.framing import Documents
from gateway.guard import Content, Source
from gateway.guard.guards import Guarding, Guards
from gateway.model_response import Attempts, Caller, ModelRequest, ModelResponse
from gateway.pipeline import Pipeline, Stage
from gateway.ranking import RankRequest, Scores
from gateway.schema import EmbeddingRequest, GenerationRequest, check_size
from gateway.settings import Model

Request = TypeVar("Request", GenerationRequest, EmbeddingRequest, RankRequest)


class Models:
    """The models behind this gateway.

    Args:
        by_name: models by name and alias.
        endpoints: the client for SageMaker's runtime.
        key_models: names of the models that each key may use: see `gateway.settings.Settings`.
        guards: check requests and responses; None: nothing does.
    """

    def __init__(
        self,
        by_name: Mapping[str, Model],
        endpoints: Endpoints,
        key_models: Mapping[str, frozenset[str] | None] = MappingProxyType({}),
        guards: Guards | None = None,
    ) -> None:
        self._by_name = by_name
        self._endpoints = endpoints
        self._key_models = key_models
        self._guards = guards

    @property
    def body_bytes(self) -> int:
        """Size of the largest request that any model accepts."""
        return max((model.body_bytes for model in self._by_name.values()), default=0)

    def list(self, caller: Caller) -> dict[str, Any]:
        """The models that the caller may use, in OpenAI's shape."""
        names = [name for name, model in self._by_name.items() if self._allowed(model, caller)]
        return {"object": "list", "data": [_model(name) for name in names]}

    def get(self, name: str, caller: Caller) -> dict[str, Any]:
        """One model, in OpenAI's shape.

        Raises:
            ModelNotFoundError: no model has this name.
            ModelNotAllowedError: the caller may not use it.
        """
        self._find(name, caller)
        return _model(name)

    def generate(self, request: GenerationRequest, caller: Caller, *, guarded: bool = True) -> ModelResponse:
        """The response to a request for text, in chunks; iterating it invokes the model.

        Args:
            request: the client's request.
            caller: who sent it.
            guarded: whether the text passes the guards, if there are any.

        Raises:
            ModelNotFoundError: no model has this name.
            ModelNotAllowedError: the caller may not use it.
            InvalidRequestError: the model does not serve this, or the request exceeds its limits.
        """
        created = int(time.time())

        def build(request: GenerationRequest, model: Model, name: str, clamp: bool) -> ModelRequest:
            operation = "chat" if request.shape is CHAT else "completions"
            capabilities.check_operation(operation, model, name)
            identity = Identity(f"{request.shape.id_prefix}{caller.request_id}", name, created)
            per_choice = model.dialect == "llama_cpp"
            # As a whole response, llama.cpp's has the token counts of the first choice only.
            stream = not model.serverless or (per_choice and request.has_several_choices)
            limited = request.limited(model, clamp=clamp)
            body = limited.engine_body(model.dialect, stream=stream)

            def reader() -> Stage:
                stages: list[Stage] = [Documents(), Chunks(identity, request.shape)]
                if per_choice:
                    stages.append(TotalUsage(request.choices))
                if request.must_call_tool:
                    stages.append(RequiredToolCall())
                return Pipeline(*stages)

            return ModelRequest(model, body, reader, limited.max_tokens, is_chat=request.shape is CHAT)

        sources: tuple[Source, ...] = ("input", "output") if guarded else ()
        return self._respond(request, build, caller, request.input, sources)

    def embed(self, request: EmbeddingRequest, caller: Caller) -> ModelResponse:
        """The response to a request for embeddings, in one document; iterating it invokes the model.

        Raises:
            ModelNotFoundError: no model has this name.
            ModelNotAllowedError: the caller may not use it.
            InvalidRequestError: the model does not serve this.
            RequestTooLargeError: the request exceeds the model's limit.
        """

        def build(request: EmbeddingRequest, model: Model, name: str, _: bool) -> ModelRequest:
            capabilities.check_operation("embeddings", model, name)
            check_size(request.size, model)
            capabilities.check(request.body, model)
            body = request.engine_body(model.dialect)
            return ModelRequest(model, body, partial(Embeddings, request, name), 0)

        return self._respond(request, build, caller, "input", ("input",))

    def rank(self, request: RankRequest, caller: Caller) -> ModelResponse:
        """The scores of pairs of texts, in one document; iterating it invokes the model.

        Raises:
            ModelNotFoundError: no model has this name.
            ModelNotAllowedError: the caller may not use it.
            InvalidRequestError: the model does not serve this, or not in this way.
            RequestTooLargeError: the request exceeds the model's limit.
        """

        def build(request: RankRequest, model: Model, name: str, _: bool) -> ModelRequest:
            capabilities.check_operation(request.form.name, model, name)
            check_size(request.size, model)
            response_id = f"{request.form.name}-{caller.request_id}"
            body = request.engine_body(model.dialect)
            return ModelRequest(model, body, partial(Scores, request.count, response_id, name))

        return self._respond(request, build, caller, request.form.texts, ("input",))

    def _respond(
        self,
        request: Request,
        build: Callable[[Request, Model, str, bool], ModelRequest],
        caller: Caller,
        param: str,
        sources: Sequence[Source],
    ) -> ModelResponse:
        model = self._find(request.model, caller)

        def attempts(request: Request) -> Attempts:
            fallback = None
            if model.fallback is not None and self._allowed(self._by_name[model.fallback], caller):
                fallback = partial(build, request, self._by_name[model.fallback], model.fallback, True)
            return build(request, model, request.model, False), fallback

        guarded = {source for source in sources if self._guards and self._guards.of(model, source)}
        if self._guards is None or not guarded:
            return ModelResponse(self._endpoints, *attempts(request), caller, param)
        # Imported only if it is used.
        from gateway.guard.response import GuardedResponse

        content = Content("", "input", model.name, caller.key_name or "", caller.request_id)
        guarding = Guarding(
            self._guards, content, frozenset(guarded), stream=request.body.get("stream") is True
        )
        return GuardedResponse(self._endpoints, request, attempts, caller, param, guarding)

    def _find(self, name: str, caller: Caller) -> Model:
        model = self._by_name.get(name)
        if model is None:
            raise ModelNotFoundError(name)
        if not self._allowed(model, caller):
            raise ModelNotAllowedError(name)
        return model

    def _allowed(self, model: Model, caller: Caller) -> bool:
        # API Gateway names every caller. Without a name, restrictions that exist apply in full.
        default = frozenset[str]() if self._key_models and caller.key_name is None else None
        names = self._key_models.get(caller.key_name or "*", self._key_models.get("*", default))
        return names is None or model.name in names


def _model(name: str) -> dict[str, Any]:
    # The gateway does not know when a model was created, and its own start time differs between instances.
    return {"id": name, "object": "model", "created": 0, "owned_by": "sagemaker"}
