"""Invalid expectations and objectives."""

from __future__ import annotations

from tests.toolkit.environment.invalid_endpoints import ASYNC, IMAGE, TINY, added, with_model

# AWS's image creates no embeddings.
EMBEDDER = (
    TINY.replace("llama_cpp", f"llama_cpp, image: '{IMAGE}', options: {{embeddings: true}}")
    + "    instance_type: ml.c7i.xlarge\n"
)


def expectation(members: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """An expectation with these keys besides its name."""
    path = f"expectations[0]{key and '.'}{key}"
    return added(f"expectations: [{{name: one, {members}}}]", path, expected)


def objectives(members: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """Objectives with these keys."""
    return added(f"objectives: {{{members}}}", f"objectives{key and '.'}{key}", expected)


CASES = {
    "nothing asked": expectation("contains: [x]", "", "asks nothing; set prompt"),
    "two requests": expectation(
        "prompt: Hi, input: x, min_tokens: 1", "", "prompt and input exclude each other"
    ),
    "a prompt and a file": expectation("prompt: Hi, prompts: x.jsonl", "", "prompts and prompt exclude"),
    "nothing expected": expectation("prompt: Hi", "", "expects nothing; set one of contains"),
    "a property of an embedding": expectation(
        "prompt: Hi, dimensions: 8", "", "dimensions does not apply to prompt; use input"
    ),
    "a property of a text": expectation("input: Hi, language: de", "", "language does not apply to input"),
    "an unknown key": expectation("prompt: Hi, contain: [x]", "contain", "did you mean contains?"),
    "an invalid expression": expectation(
        'prompt: Hi, regex: "("', "regex", "'(' is not a regular expression"
    ),
    "an invalid schema": expectation(
        "prompt: Hi, json_schema: {type: text}", "json_schema", "not a JSON Schema: "
    ),
    "a schema elsewhere": expectation(
        'prompt: Hi, json_schema: {$ref: "http://127.0.0.1/x"}',
        "json_schema",
        "such as http://127.0.0.1/x are not read",
    ),
    "an unknown language": expectation("prompt: Hi, language: xx", "language", "unknown language 'xx'"),
    "a varying golden answer": expectation(
        "prompt: Hi, golden: {text: Hi}, temperature: 1", "", "remove temperature"
    ),
    "a call without tools": expectation("prompt: Hi, tool_call: {name: x}", "", "tool_call without tools"),
    "too many passes": expectation(
        "prompt: Hi, min_tokens: 1, passes: 2", "", "passes 2 is more than attempts 1"
    ),
    "more tokens than the answer has": expectation(
        "prompt: Hi, min_tokens: 300", "min_tokens", "300 is more than the 256 tokens of the answer"
    ),
    "another model": expectation(
        "prompt: Hi, min_tokens: 1, request: {model: x}", "request", "another key sets it"
    ),
    "the same name": added(
        "expectations: [{name: one, prompt: Hi, min_tokens: 1}, {name: one, prompt: Ho, min_tokens: 1}]",
        "expectations[1].name",
        "another expectation is named one",
    ),
    "an embedding of a chat model": expectation("input: Hi, dimensions: 8", "input", "does not embed texts"),
    "a chat with an embedding model": with_model(
        EMBEDDER + "    expectations: [{name: one, prompt: Hi, min_tokens: 1}]\n",
        24,
        "expectations[0].prompt",
        "the model does not chat",
    ),
    "an asynchronous endpoint": with_model(
        ASYNC + "    objectives: {total_ms: 5}\n",
        25,
        "objectives",
        "does not serve asynchronous endpoints",
    ),
    "a missing file": expectation("prompts: no.jsonl", "prompts", "cannot read no.jsonl: No such file"),
    "no objective": objectives("requests: 9", "", "no objective is set"),
    "an objective of 0": objectives("total_ms: 0", "total_ms", "use more than 0"),
    "a percentile of 100": objectives("total_ms: 9, percentile: 100", "percentile", "use less than 100"),
    "too long responses": added(
        "objectives: {total_ms: 9, max_tokens: 10}\n    limits: {max_tokens_ceiling: 9}",
        "objectives.max_tokens",
        "more than limits.max_tokens_ceiling 9",
    ),
    "no stream": with_model(
        EMBEDDER + "    objectives: {first_token_ms: 9}\n",
        24,
        "objectives.first_token_ms",
        "the model does not stream",
    ),
}
