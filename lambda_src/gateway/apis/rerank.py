"""The rerank APIs of Cohere (`/v1/rerank` and `/v2/rerank`) and Jina: one shape with the members of both.

https://docs.cohere.com/reference/rerank, https://api.jina.ai/redoc#tag/rerank
"""

from __future__ import annotations

from typing import Any, Final

from gateway.errors import InvalidRequestError
from gateway.ranking import RERANK, RankRequest, usage_member

Document = dict[str, Any]

SCHEMA: Final = "RerankRequest"
# Members that engines would ignore, with the value that asks for nothing.
_UNSUPPORTED: Final[dict[str, tuple[Any, str]]] = {
    "rank_fields": ([], "put the fields into the text of each document"),
    "max_chunks_per_doc": (None, "the engine does not split documents"),
    "max_tokens_per_doc": (None, "shorten the documents"),
    "max_doc_length": (None, "shorten the documents"),
    "max_query_length": (None, "shorten the query"),
    "return_embeddings": (False, "use /v1/embeddings"),
}


def rank_request(document: Document, size: int) -> RankRequest:
    """The comparison that a request asks for.

    Args:
        document: it conforms to `SCHEMA`.
        size: of its JSON, in bytes.

    Raises:
        InvalidRequestError: it asks for something that engines do not do; `param` names the member.
    """
    for name, (default, remedy) in _UNSUPPORTED.items():
        if document.get(name, default) != default:
            raise InvalidRequestError(f"'{name}' is not supported: {remedy}.", param=name)
    texts = [_text(item) for item in document["documents"]]
    return RankRequest(RERANK, document["model"], [document["query"]], texts, document, size)


def response(document: Document, scores: Document) -> Document:
    """The response to a request.

    Args:
        document: the request.
        scores: of its documents: see `gateway.ranking.Scores`.
    """
    ranks = sorted(enumerate(scores["data"]), key=lambda rank: -rank[1])
    results = [{"index": index, "relevance_score": score} for index, score in ranks[: document.get("top_n")]]
    if document.get("return_documents"):
        for result in results:
            result["document"] = {"text": _text(document["documents"][result["index"]])}
    head = {"id": scores["id"], "object": "list", "model": scores["model"]}
    return {**head, "results": results, **usage_member(scores)}


def _text(item: Any) -> str:
    return str(item["text"]) if isinstance(item, dict) else str(item)
