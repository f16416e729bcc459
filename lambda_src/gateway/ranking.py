"""Comparisons of texts: requests to engines, and the scores in their responses.

Engines have two requests for them: a query with documents (vLLM, llama.cpp, and Text Embeddings Inference
with other names), and pairs of texts (vLLM). Sources: vLLM's `entrypoints/pooling/scoring` and
`entrypoints/sagemaker`, llama.cpp's `tools/server/server-context.cpp`, and `router/src/http/server.rs` of
Text Embeddings Inference, whose path `/invocations` is `/rerank` if the model is a classifier with one label.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from gateway.engine_errors import engine_error
from gateway.errors import InvalidRequestError, ModelError
from gateway.schema import encode


class Form(NamedTuple):
    """The members of a request that hold the texts, as clients and vLLM name them.

    Attributes:
        name: of the operation, with which ids of responses begin.
        query: the text, or texts, to compare with.
        texts: those that are compared.
    """

    name: str
    query: str
    texts: str


RERANK: Final = Form("rerank", "query", "documents")
SCORE: Final = Form("score", "text_1", "text_2")
# Engines with one request, which compares one text with others: its members.
_ONE_QUERY: Final = {"llama_cpp": ("query", "documents"), "tei": ("query", "texts")}
# A container distinguishes the operations by these members.
_MEMBERS: Final = ("query", "documents", "texts", "queries", "items", "text_1", "text_2", "data_1", "data_2")


@dataclass(frozen=True)
class RankRequest:
    """A request to compare texts.

    Attributes:
        form: of the client's request.
        model: the model's name or alias, as the client wrote it.
        queries: one for all texts, or one for each.
        texts: those that are compared.
        body: the whole request.
        size: of its JSON, in bytes.
    """

    form: Form
    model: str
    queries: list[str]
    texts: list[str]
    body: dict[str, Any]
    size: int

    def __post_init__(self) -> None:
        _, query, texts = self.form
        for name in _MEMBERS:
            if name not in self.form and self.body.get(name) is not None:
                raise InvalidRequestError(f"'{name}' is not supported here; use '{texts}'.", param=name)
        if len(self.queries) not in (1, self.count):
            raise InvalidRequestError(
                f"'{query}' has {len(self.queries)} texts and '{texts}' has {self.count}: "
                f"'{query}' must have one text, or as many as '{texts}'.",
                param=query,
            )

    def with_body(self, body: dict[str, Any]) -> RankRequest:
        """The request with other texts."""
        queries, texts = (_texts(body[name]) for name in (self.form.query, self.form.texts))
        return replace(self, body=body, queries=queries, texts=texts)

    @property
    def count(self) -> int:
        """Number of scores."""
        return len(self.texts)

    @property
    def repeated_bytes(self) -> int:
        """Size of the text that the model processes again for each further pair."""
        return (self.count - 1) * len(self.queries[0].encode()) if len(self.queries) == 1 else 0

    def engine_body(self, dialect: str) -> bytes:
        """The request to the engine.

        Args:
            dialect: of the engine: see `Model.dialect`.

        Raises:
            InvalidRequestError: the engine cannot compare pairs.
        """
        _, query, texts = self.form
        names = _ONE_QUERY.get(dialect)
        if names is not None and len(self.queries) > 1:
            reason = f"this model's engine compares one text with all of '{texts}'"
            raise InvalidRequestError(f"'{query}' has several texts, but {reason}.", param=query)
        own = {"model", "top_n", "return_documents", *self.form}
        members = {name: value for name, value in self.body.items() if name not in own}
        queries = self.queries[0] if len(self.queries) == 1 else self.queries
        query, texts = names or (query, texts)
        return encode({**members, query: queries, texts: self.texts})


def _texts(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [str(item["text"] if isinstance(item, dict) else item) for item in items]


class Scores:
    """Bytes of an engine's response, split anywhere → the scores in the order of the request.

    Args:
        count: number of scores.
        response_id: id of the response.
        model: the model's name as the client wrote it.
    """

    def __init__(self, count: int, response_id: str, model: str) -> None:
        self._count = count
        self._head = {"id": response_id, "model": model}
        self._parts: list[bytes] = []

    def feed(self, part: bytes) -> tuple[dict[str, Any], ...]:
        """Nothing: a part of a list cannot be sorted."""
        self._parts.append(part)
        return ()

    def end(self) -> tuple[dict[str, Any], ...]:
        """A document with `id`, `model`, the scores as `data`, and `usage`.

        Raises:
            ApiError: the engine reports an error, or its response does not match the request.
        """
        data = b"".join(self._parts)
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            raise ModelError(cause=f"response of {len(data)} bytes is not JSON") from None
        # Text Embeddings Inference sends token counts in headers, which SageMaker drops.
        items, usage = (document, None) if isinstance(document, list) else _items(document)
        scores = dict(map(_score, items if isinstance(items, list) else ()))
        if sorted(scores) != list(range(self._count)):
            raise ModelError(cause=f"response does not have {self._count} scores")
        return ({**self._head, "data": [scores[index] for index in range(self._count)], "usage": usage},)


def usage_member(scores: dict[str, Any]) -> dict[str, Any]:
    """The member `usage` of a response; clients take a missing count for zero, and fail on null."""
    return {} if scores["usage"] is None else {"usage": scores["usage"]}


def _items(document: Any) -> tuple[Any, Any]:
    if not isinstance(document, dict):
        raise ModelError(cause=f"response is {type(document).__name__}")
    error = document.get("error") or (document if document.get("object") == "error" else None)
    if error:
        raise engine_error(error)
    # vLLM and llama.cpp have results of a query, vLLM data of pairs.
    return document.get("results", document.get("data")), _usage(document.get("usage"))


def _usage(usage: Any) -> Any:
    """Token counts with `prompt_tokens`, which rankings of Jina and of older vLLM (0.10) lack."""
    if isinstance(usage, dict) and "prompt_tokens" not in usage and "total_tokens" in usage:
        return {"prompt_tokens": usage["total_tokens"], **usage}
    return usage


def _score(item: Any) -> tuple[int, float]:
    try:
        index, score = int(item["index"]), float(item.get("relevance_score", item.get("score")))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ModelError(cause="a result has no index or no score") from None
    if not math.isfinite(score):
        raise ModelError(cause=f"a score is {score}")
    return index, score
