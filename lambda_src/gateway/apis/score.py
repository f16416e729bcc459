"""vLLM's score API.

https://docs.vllm.ai/en/latest/models/pooling_models/scoring.html
"""

from __future__ import annotations

import time
from typing import Any, Final

from gateway.ranking import SCORE, RankRequest, usage_member

Document = dict[str, Any]

SCHEMA: Final = "ScoreRequest"


def rank_request(document: Document, size: int) -> RankRequest:
    """The comparison that a request asks for.

    Args:
        document: it conforms to `SCHEMA`.
        size: of its JSON, in bytes.

    Raises:
        InvalidRequestError: the numbers of texts do not match.
    """
    first, second = (
        [document[name]] if isinstance(document[name], str) else document[name]
        for name in (SCORE.query, SCORE.texts)
    )
    return RankRequest(SCORE, document["model"], first, second, document, size)


def response(scores: Document) -> Document:
    """The response to a request.

    Args:
        scores: of its pairs: see `gateway.ranking.Scores`.
    """
    data = [{"object": "score", "index": index, "score": score} for index, score in enumerate(scores["data"])]
    head = {"id": scores["id"], "object": "list", "created": int(time.time()), "model": scores["model"]}
    return {**head, "data": data, **usage_member(scores)}
