"""Popular clients, unchanged: all kinds of requests, and each error as the client's exception.

The table in `docs/reference/clients.md` records the outcomes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.api import programs
from tests.e2e.api.conftest import Api
from tests.e2e.api.programs import Outcomes, Program

pytestmark = pytest.mark.e2e

PAGE = programs.SOURCES.parents[1] / "docs" / "reference" / "clients.md"
TABLE_BEGINS, TABLE_ENDS = "<!-- recorded by the test -->\n", "<!-- end -->"

WORKING = ("chat", "streamed chat", "completion", "tools", "embeddings", "models")
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
EXCEPTIONS = {
    "openai (Python)": OPENAI,
    "openai (Node)": {**OPENAI, "too large": "APIError"},
    "openai Responses (Python)": OPENAI,
    "anthropic (Python)": {
        **OPENAI,
        "too large": "ContentTooLargeError",
        "no capacity": "ServiceUnavailableError",
    },
    "LangChain": {
        "wrong key": "OpenAIAuthenticationError",
        "unknown model": "OpenAIModelNotFoundError",
        "invalid request": "OpenAIInvalidRequestError",
        "context exceeded": "OpenAIContextOverflowError",
        "too large": "APIStatusError",
        "quota spent": "OpenAIRateLimitError",
        "model error": "OpenAIAPIError",
        "no capacity": "OpenAIAPIError",
    },
    "LiteLLM": {
        "wrong key": "AuthenticationError",
        "unknown model": "NotFoundError",
        "invalid request": "BadRequestError",
        "context exceeded": "ContextWindowExceededError",
        "too large": "BadRequestError",
        "quota spent": "RateLimitError",
        "model error": "BadGatewayError",
        "no capacity": "ServiceUnavailableError",
    },
    "curl": {case: f"HTTP {status}" for case, (status, _) in FAILING.items()},
}
# Requests that these clients, or their APIs, do not have.
NOT_OFFERED = {
    *{("LangChain", "models"), ("LiteLLM", "models")},
    *{("openai Responses (Python)", case) for case in ("completion", "embeddings", "models")},
    *{("anthropic (Python)", case) for case in ("completion", "embeddings", "models")},
}
# Their errors have no code of OpenAI.
WITHOUT_CODE = ("LiteLLM", "anthropic (Python)")


@pytest.fixture(scope="module")
def outcomes(api: Api, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcomes]:
    """Client → case → outcome."""
    clients: dict[str, Program] = {
        "openai (Python)": programs.python("openai_python.py"),
        "openai (Node)": programs.node("openai_node.mjs", tmp_path_factory.mktemp("node")),
        "openai Responses (Python)": programs.python("openai_responses.py"),
        "anthropic (Python)": programs.python("anthropic_python.py"),
        "LangChain": programs.python("langchain_chat.py"),
        "LiteLLM": programs.python("litellm_sdk.py"),
        "curl": programs.python("curl.py"),
    }
    outcomes = {}
    for client, program in clients.items():
        api.spend()
        outcomes[client] = program.run(
            OPENAI_BASE_URL=api.base_url, OPENAI_API_KEY=api.key, SPENT_KEY=api.spent_key
        )
    return outcomes


@pytest.mark.parametrize("case", WORKING)
@pytest.mark.parametrize("client", EXCEPTIONS)
def test_requests_work(outcomes: dict[str, Outcomes], client: str, case: str) -> None:
    if (client, case) in NOT_OFFERED:
        assert case not in outcomes[client]
        return
    text = outcomes[client][case].get("text")
    assert text, outcomes[client][case]
    if case == "tools":
        assert text == 'get_weather({"city": "Paris"})'
    if case == "models":
        assert {"smollm2", "echo"} <= set(text.split(", "))


@pytest.mark.parametrize("case", FAILING)
@pytest.mark.parametrize("client", EXCEPTIONS)
def test_errors_raise_the_clients_exceptions(outcomes: dict[str, Outcomes], client: str, case: str) -> None:
    status, code = FAILING[case]
    outcome = outcomes[client][case]
    assert (outcome.get("error"), outcome.get("status")) == (EXCEPTIONS[client][case], status)
    if client not in WITHOUT_CODE:
        assert outcome["code"] == code


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
    rows = [["", *outcomes], ["---"] * (len(outcomes) + 1)]
    for case in (*WORKING, *FAILING):
        status = f" ({FAILING[case][0]})" if case in FAILING else ""
        rows.append([case + status, *(_cell(results.get(case)) for results in outcomes.values())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(outcome: dict[str, str] | None) -> str:
    if outcome is None:
        return ""
    return f"`{outcome['error']}`" if "error" in outcome else "works"
