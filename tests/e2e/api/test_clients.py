"""Popular clients, unchanged: all kinds of requests, and each error as the client's exception.

The table in `docs/reference/clients.md` records the outcomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.api import programs
from tests.e2e.api.conftest import Api
from tests.e2e.api.programs import Outcomes

pytestmark = pytest.mark.e2e

PAGE = programs.SOURCES.parents[1] / "docs" / "reference" / "clients.md"
TABLE_BEGINS, TABLE_ENDS = "<!-- recorded by the test -->\n", "<!-- end -->"

WORKING = ("chat", "streamed chat", "completion", "tools", "embeddings", "models", "rerank")
# Status and OpenAI's code, the same for all clients.
FAILING = {
    "wrong key": (401, "invalid_api_key"),
    "unknown model": (404, "model_not_found"),
    "invalid request": (400, None),
    "context exceeded": (400, "context_length_exceeded"),
    "too large": (413, "request_too_large"),
    "quota spent": (429, "insufficient_quota"),
    "model error": (502, "model_error"),
    "no capacity": (503, "model_unavailable"),
}
OPENAI = {
    "wrong key": "AuthenticationError",
    "unknown model": "NotFoundError",
    "invalid request": "BadRequestError",
    "context exceeded": "BadRequestError",
    "too large": "APIStatusError",  # the clients have no exception for 413
    "quota spent": "RateLimitError",
    "model error": "InternalServerError",
    "no capacity": "InternalServerError",
}
ANTHROPIC = {**OPENAI, "too large": "ContentTooLargeError", "no capacity": "ServiceUnavailableError"}
CHATS = ("chat", "streamed chat", "tools")
TEXTS = (*CHATS, "completion")


@dataclass(frozen=True)
class Client:
    """A client in the table.

    Attributes:
        file: the program that uses it.
        working: its requests, as far as the client and its API have them.
        exceptions: the exception for each error that it can cause.
        tool_call: the tool call as the program prints it.
        code: whether the exceptions have OpenAI's code.
        status: whether they have the status.
    """

    file: str
    working: Sequence[str]
    exceptions: Mapping[str, str]
    tool_call: str = 'get_weather({"city": "Paris"})'
    code: bool = True
    status: bool = True


CLIENTS = {
    "openai (Python)": Client("openai_python.py", WORKING[:-1], OPENAI),
    "openai (Node)": Client("node/openai_node.mjs", WORKING[:-1], {**OPENAI, "too large": "APIError"}),
    "openai Responses (Python)": Client("openai_responses.py", CHATS, OPENAI),
    "OpenAI Agents SDK": Client("openai_agents.py", CHATS, OPENAI),
    "Codex CLI": Client(
        "node/codex_cli.mjs",
        CHATS[1:],
        dict.fromkeys(FAILING.keys() - {"invalid request"}, "turn.failed"),
        tool_call="/bin/bash -lc 'echo Paris': Paris",
        code=False,
        status=False,
    ),
    "anthropic (Python)": Client("anthropic_python.py", CHATS, ANTHROPIC, code=False),
    "anthropic (Node)": Client("node/anthropic_node.mjs", CHATS, ANTHROPIC, code=False),
    "Vercel AI SDK": Client(
        "node/vercel_ai.mjs", (*TEXTS, "embeddings"), dict.fromkeys(FAILING, "AI_APICallError")
    ),
    "LangChain": Client(
        "langchain_chat.py",
        (*TEXTS, "embeddings"),
        {
            "wrong key": "OpenAIAuthenticationError",
            "unknown model": "OpenAIModelNotFoundError",
            "invalid request": "OpenAIInvalidRequestError",
            "context exceeded": "OpenAIContextOverflowError",
            "too large": "APIStatusError",
            "quota spent": "OpenAIRateLimitError",
            "model error": "OpenAIAPIError",
            "no capacity": "OpenAIAPIError",
        },
    ),
    "LlamaIndex": Client("llama_index_chat.py", (*TEXTS, "embeddings"), OPENAI),
    "LiteLLM": Client(
        "litellm_sdk.py",
        (*TEXTS, "embeddings", "rerank"),
        {
            **OPENAI,
            "context exceeded": "ContextWindowExceededError",
            "too large": "BadRequestError",
            "model error": "BadGatewayError",
            "no capacity": "ServiceUnavailableError",
        },
        code=False,
    ),
    "llm": Client("llm_cli.py", TEXTS, dict.fromkeys(FAILING.keys() - {"no capacity"}, "exit 1"), code=False),
    "Cohere": Client(
        "cohere_rerank.py",
        ("rerank",),
        {
            **OPENAI,
            "wrong key": "UnauthorizedError",
            "too large": "ApiError",
            "quota spent": "TooManyRequestsError",
            "model error": "ApiError",
            "no capacity": "ServiceUnavailableError",
        },
    ),
    "curl": Client("curl.py", WORKING, {case: f"HTTP {status}" for case, (status, _) in FAILING.items()}),
}


@pytest.fixture(scope="module")
def outcomes(api: Api, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcomes]:
    """Client → case → outcome."""
    directory = tmp_path_factory.mktemp("node")
    outcomes = {}
    for name, client in CLIENTS.items():
        api.spend()
        outcomes[name] = programs.create(client.file, directory).run(
            OPENAI_BASE_URL=api.base_url, OPENAI_API_KEY=api.key, SPENT_KEY=api.spent_key
        )
    return outcomes


@pytest.mark.parametrize("case", WORKING)
@pytest.mark.parametrize("client", CLIENTS)
def test_requests_work(outcomes: dict[str, Outcomes], client: str, case: str) -> None:
    if case not in CLIENTS[client].working:
        assert case not in outcomes[client]
        return
    text = outcomes[client][case].get("text")
    assert text, outcomes[client][case]
    if case == "tools":
        assert text == CLIENTS[client].tool_call
    if case == "models":
        assert {"smollm2", "echo"} <= set(text.split(", "))


@pytest.mark.parametrize("case", FAILING)
@pytest.mark.parametrize("client", CLIENTS)
def test_errors_raise_the_clients_exceptions(outcomes: dict[str, Outcomes], client: str, case: str) -> None:
    expected = CLIENTS[client]
    outcome = outcomes[client].get(case, {})
    assert outcome.get("error") == expected.exceptions.get(case), outcome
    if outcome:
        status, code = FAILING[case]
        assert outcome["status"] == status if expected.status else outcome.get("status", status) == status
        assert not expected.code or outcome["code"] == code


def test_the_documented_table_is_current(outcomes: dict[str, Outcomes], pytestconfig: pytest.Config) -> None:
    page = PAGE.read_text()
    before, _, rest = page.partition(TABLE_BEGINS)
    _, _, after = rest.partition(TABLE_ENDS)
    recorded = before + TABLE_BEGINS + _table(outcomes) + TABLE_ENDS + after
    if pytestconfig.getoption("--record"):
        PAGE.write_text(recorded)
    assert page == recorded or pytestconfig.getoption("--record"), (
        f"record it with: pytest {_file()} --record"
    )


def _file() -> Path:
    return Path(__file__).relative_to(programs.SOURCES.parents[1])


def _table(outcomes: dict[str, Outcomes]) -> str:
    works = [["", *WORKING], *([name, *_cells(outcomes[name], WORKING)] for name in outcomes)]
    headings = [f"{case} ({status})" for case, (status, _) in FAILING.items()]
    fails = [["", *headings], *([name, *_cells(outcomes[name], FAILING)] for name in outcomes)]
    return f"{_markdown(works)}\n{_markdown(fails)}"


def _cells(outcomes: Outcomes, cases: Iterable[str]) -> Iterator[str]:
    for case in cases:
        outcome = outcomes.get(case)
        yield "" if outcome is None else f"`{outcome['error']}`" if "error" in outcome else "works"


def _markdown(rows: list[list[str]]) -> str:
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
