"""`/v1/rerank`, `/v2/rerank` and `/v1/score` over HTTP, in front of each engine's form of requests."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.lambda_src.gateway.conftest import Gateway

QUERY = {"query": "a cat", "documents": ["stocks", {"text": "a kitten"}, "a dog"]}
TEXTS = ["stocks", "a kitten", "a dog"]
PAIR = {"text_1": "a cat", "text_2": TEXTS}
USAGE = {"prompt_tokens": 9, "total_tokens": 9}
SCORES = [0.125, 0.75, 0.5]
# Model → its engine's response: vLLM 0.20, llama.cpp b11549, and Text Embeddings Inference 1.8.
RANKED = [{"index": index, "relevance_score": SCORES[index]} for index in (1, 2, 0)]
RESPONSES: dict[str, Any] = {
    "demo": {
        "id": "score-1",
        "model": "served",
        "usage": USAGE,
        "results": [
            {**rank, "document": {"text": TEXTS[rank["index"]], "multi_modal": None}} for rank in RANKED
        ],
    },
    "ranker": {"model": "/opt/ml/model/a.gguf", "object": "list", "usage": USAGE, "results": RANKED},
    "vectors": [{"index": rank["index"], "score": rank["relevance_score"]} for rank in RANKED],
}
DATA = [{"index": index, "object": "score", "score": score} for index, score in enumerate(SCORES)]
VLLM_SCORES = {"id": "score-1", "object": "list", "created": 1, "model": "x", "data": DATA, "usage": USAGE}


def post(client: httpx.Client, path: str, model: str, **members: Any) -> httpx.Response:
    return client.post(path, json={"model": model, **members})


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize("model", RESPONSES)
def test_all_engines_rank_documents(client: httpx.Client, engine: Any, model: str, path: str) -> None:
    engine.respond(json.dumps(RESPONSES[model]).encode())
    response = post(client, path, model, **QUERY, top_n=None, truncate=True)
    assert response.status_code == 200, response.text
    document = response.json()
    request_id = response.headers["x-request-id"]
    assert document == {
        "id": f"rerank-{request_id}",
        "object": "list",
        "model": model,
        "results": RANKED,
        **({} if model == "vectors" else {"usage": USAGE}),
    }
    texts = "texts" if model == "vectors" else "documents"
    # Members that the contract does not describe are the engine's.
    assert engine.bodies == [{"truncate": True, "query": "a cat", texts: TEXTS}]


def test_the_best_results_with_their_documents(client: httpx.Client, engine: Any) -> None:
    engine.respond(json.dumps(RESPONSES["demo"]).encode())
    response = post(client, "/v1/rerank", "demo", **QUERY, top_n=2, return_documents=True)
    assert response.json()["results"] == [
        {"index": 1, "relevance_score": 0.75, "document": {"text": "a kitten"}},
        {"index": 2, "relevance_score": 0.5, "document": {"text": "a dog"}},
    ]
    # The engine ranks all, so that one response suits all engines.
    assert engine.bodies == [{"query": "a cat", "documents": TEXTS}]


def test_equal_scores_keep_the_order_of_the_request(client: httpx.Client, engine: Any) -> None:
    engine.respond(json.dumps([{"index": index, "score": 0.5} for index in (2, 0, 1)]).encode())
    response = post(client, "/v1/rerank", "vectors", **QUERY, top_n=99)
    assert [rank["index"] for rank in response.json()["results"]] == [0, 1, 2]


@pytest.mark.parametrize("model", RESPONSES)
def test_all_engines_compare_one_text_with_others(client: httpx.Client, engine: Any, model: str) -> None:
    engine.respond(json.dumps(VLLM_SCORES if model == "demo" else RESPONSES[model]).encode())
    response = post(client, "/v1/score", model, **PAIR)
    assert response.status_code == 200, response.text
    document = response.json()
    assert document.pop("created") > 1
    assert document == {
        "id": f"score-{response.headers['x-request-id']}",
        "object": "list",
        "model": model,
        "data": DATA,
        **({} if model == "vectors" else {"usage": USAGE}),
    }
    query, texts = {"demo": ("text_1", "text_2"), "vectors": ("query", "texts")}.get(
        model, ("query", "documents")
    )
    assert engine.bodies == [{query: "a cat", texts: TEXTS}]


def test_vllm_compares_pairs(client: httpx.Client, engine: Any) -> None:
    engine.respond(json.dumps(VLLM_SCORES).encode())
    pairs = {"text_1": ["a", "b", "c"], "text_2": TEXTS}
    assert [item["score"] for item in post(client, "/v1/score", "demo", **pairs).json()["data"]] == SCORES
    assert engine.bodies == [pairs]


@pytest.mark.parametrize("model", ["ranker", "vectors"])
def test_other_engines_compare_no_pairs(client: httpx.Client, engine: Any, model: str) -> None:
    response = post(client, "/v1/score", model, text_1=["a", "b"], text_2=["c", "d"])
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "text_1")
    assert "compares one text with all of 'text_2'" in error["message"]
    assert engine.bodies == []


@pytest.mark.parametrize("model", ["llama", "tgi"])
@pytest.mark.parametrize(("path", "members"), [("/v1/rerank", QUERY), ("/v1/score", PAIR)])
def test_engines_without_rankings_are_not_asked(
    client: httpx.Client, engine: Any, model: str, path: str, members: Any
) -> None:
    response = post(client, path, model, **members)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "model")
    assert error["message"].startswith(f"The model {model!r} serves chat completions and completions, not ")
    assert engine.bodies == []


@pytest.mark.parametrize(
    ("path", "members", "text"),
    [
        ("rerank", {**QUERY, "query": None}, "'query' is null: it must be a string"),
        ("rerank", {**QUERY, "query": ""}, "'query' is empty"),
        (
            "rerank",
            {**QUERY, "documents": []},
            "'documents' is empty: it must be an array of strings or objects.",
        ),
        # Without a token, llama.cpp would abort.
        ("rerank", {**QUERY, "documents": ["a", ""]}, "'documents[1]' is empty"),
        ("rerank", {**QUERY, "documents": [{"title": "a"}]}, "'documents[0].text' is missing"),
        (
            "rerank",
            {**QUERY, "documents": [1]},
            "'documents[0]' is 1: it must be a string that is not empty or",
        ),
        ("rerank", {**QUERY, "top_n": 0}, "'top_n' is 0: it must be an integer of at least 1"),
        (
            "rerank",
            {**QUERY, "rank_fields": ["title"]},
            "'rank_fields' is not supported: put the fields into",
        ),
        ("rerank", {**QUERY, "max_tokens_per_doc": 9}, "'max_tokens_per_doc' is not supported: shorten"),
        # They would select another operation of the engine.
        ("rerank", {**QUERY, "input": "a"}, "'input' is not supported here; use 'documents'"),
        ("rerank", {**QUERY, "texts": ["a"]}, "'texts' is not supported here; use 'documents'"),
        ("rerank", {**QUERY, "text_1": "a"}, "'text_1' is not supported here; use 'documents'"),
        ("score", {**PAIR, "documents": ["a"]}, "'documents' is not supported here; use 'text_2'"),
        ("score", {**PAIR, "messages": []}, "'messages' is not supported here; use 'text_2'"),
        ("score", {**PAIR, "text_1": ["a", "b"]}, "'text_1' has 2 texts and 'text_2' has 3"),
        ("score", {**PAIR, "text_2": [["a"]]}, "'text_2[0]' is an array"),
    ],
)
def test_mistakes_are_invalid_requests(
    client: httpx.Client, engine: Any, path: str, members: Any, text: str
) -> None:
    response = post(client, f"/v1/{path}", "demo", **members)
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["message"].startswith(text)
    assert error["message"].startswith(f"'{error['param']}'")
    assert engine.bodies == []


def test_members_that_ask_for_nothing_are_accepted(client: httpx.Client, engine: Any) -> None:
    engine.respond(json.dumps(RESPONSES["demo"]).encode())
    members = {"rank_fields": [], "max_tokens_per_doc": None, "return_embeddings": False}
    assert post(client, "/v1/rerank", "demo", **QUERY, **members).status_code == 200


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        "x",
        {"results": RANKED[:2], "usage": USAGE},
        {"results": [*RANKED[:2], {"index": 7, "relevance_score": 1}]},
        {"results": [*RANKED[:2], RANKED[0]]},
        {"results": [*RANKED[:2], {"index": 0, "relevance_score": None}]},
        {"results": [*RANKED[:2], {"index": 0, "relevance_score": float("nan")}]},
        {"error": {"message": "out of memory", "code": 500}},
    ],
)
def test_mismatching_responses_are_model_errors(client: httpx.Client, engine: Any, document: Any) -> None:
    engine.respond(json.dumps(document).encode())
    response = post(client, "/v1/rerank", "demo", **QUERY)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "model_error")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        # vLLM with a model that generates text.
        (400, '{"error": {"message": "Cannot find suitable handler for request. Expected one of: [\'x\']"}}'),
        # LMI.
        (424, '{"error": "Input parsing failed: invalid payload. must contain prompt, inputs, or messages"}'),
        # Text Embeddings Inference with a model for embeddings.
        (
            422,
            "Failed to deserialize the JSON body into the target type: missing field `inputs` at line 1",
        ),
        (404, '{"detail": "Not Found"}'),
        (404, '{"error": {"code": 404, "message": "File Not Found", "type": "not_found_error"}}'),
        (501, '{"error": {"code": 501, "message": "This server does not support reranking."}}'),
    ],
)
def test_models_that_cannot_rank_say_so(client: httpx.Client, engine: Any, status: int, message: str) -> None:
    engine.error = (424, "ModelError", {"OriginalStatusCode": status, "OriginalMessage": message})
    response = post(client, "/v1/rerank", "demo", **QUERY)
    error = response.json()["error"]
    assert (response.status_code, error["param"]) == (400, "model"), response.text
    assert error["message"] == "The model does not support this operation."


def test_a_server_without_a_path_for_chats_is_broken(client: httpx.Client, engine: Any) -> None:
    """Otherwise a release with a wrong image would look like mistakes of clients."""
    members = {"OriginalStatusCode": 404, "OriginalMessage": '{"detail": "Not Found"}'}
    engine.error = (424, "ModelError", members)
    for path, members in (
        ("chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
        ("responses", {"input": "Hi"}),
        ("messages", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}),
    ):
        assert post(client, f"/v1/{path}", "demo", **members).status_code == 502, path
    assert post(client, "/v1/completions", "demo", prompt="Hi").status_code == 400


def test_the_log_counts_tokens_and_has_no_texts(client: httpx.Client, engine: Any, gateway: Gateway) -> None:
    engine.respond(json.dumps(RESPONSES["demo"]).encode())
    response = post(client, "/v1/rerank", "org/demo", **QUERY)
    line = gateway.log_line(response.headers["x-request-id"])
    assert (line["path"], line["model"], line["prompt_tokens"]) == ("/v1/rerank", "demo", 9)
    assert line["InputTokens"] == 9
    assert "kitten" not in json.dumps(line)


def test_a_total_alone_is_the_count_of_the_prompt(
    client: httpx.Client, engine: Any, gateway: Gateway
) -> None:
    """vLLM 0.10 (gpustack/gpustack#5176): otherwise rankings would be free for budgets and reports."""
    engine.respond(json.dumps({**RESPONSES["demo"], "usage": {"total_tokens": 9}}).encode())
    response = post(client, "/v1/rerank", "demo", **QUERY)
    assert response.json()["usage"] == USAGE
    assert gateway.log_line(response.headers["x-request-id"])["prompt_tokens"] == 9
