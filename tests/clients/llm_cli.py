"""The command line of `llm`; its errors are messages with the status, and the exit code 1."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner

NAMES = ("smollm2", "echo", "broken", "no-such-model")
MODEL = """\
- {{model_id: {name}, model_name: {name}, api_base: "{base}", api_key_name: api, supports_tools: true}}
- {{model_id: {name}-text, model_name: {name}, api_base: "{base}", api_key_name: api, completion: true}}
"""
FUNCTIONS = "def get_weather(city: str) -> str:\n    'Tell the weather.'\n    return 'sunny in ' + city\n"


class ExitError(Exception):
    """The command failed."""


def llm(*arguments: str, content: str | None = None, key: str = os.environ["OPENAI_API_KEY"]) -> str:
    from llm.cli import cli

    result = CliRunner().invoke(cli, ["prompt", "--no-log", "--key", key, *arguments], input=content)
    if result.exit_code != 0:
        raise ExitError(result.exit_code, result.output)
    return result.output.strip()


def chat(model: str = "smollm2", content: str = "Say hello.", **settings: str) -> str:
    return llm("--model", model, "-o", "max_tokens", "8", "--no-stream", content=content, **settings)


def tools() -> str:
    output = llm("--model", "echo", "--functions", FUNCTIONS, "--tools-debug", "Say hello.")
    name, arguments = re.search(r"Tool call: (\w+)\((\{.*\})\)", output).groups()  # type: ignore[union-attr]
    assert "sunny in Paris" in output.splitlines()[-1]
    return f"{name}({json.dumps(ast.literal_eval(arguments))})"


CASES: dict[str, Callable[[], str]] = {
    "chat": chat,
    "streamed chat": lambda: llm("--model", "smollm2", "-o", "max_tokens", "8", "Say hello."),
    "completion": lambda: llm("--model", "smollm2-text", "-o", "max_tokens", "8", "Once upon a"),
    "tools": tools,
    "wrong key": lambda: chat(key="wrong-" * 6),
    "unknown model": lambda: chat("no-such-model"),
    "invalid request": lambda: llm("--model", "smollm2", "-o", "max_tokens", "-1", "Say hello."),
    "context exceeded": lambda: chat(content="word " * 6000),
    "too large": lambda: chat("echo", "x" * 70_000),
    "quota spent": lambda: chat(key=os.environ["SPENT_KEY"]),
    # Without capacity, it would retry for 20 seconds.
    "model error": lambda: chat("broken"),
}


def outcome(case: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"text": case()}
    except ExitError as error:
        code, output = error.args
        status = re.search(r"Error code: (\d+)", output)
        assert status is not None, output
        return {"error": f"exit {code}", "status": int(status[1])}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LLM_USER_PATH"] = folder
        base = os.environ["OPENAI_BASE_URL"]
        models = "".join(MODEL.format(name=name, base=base) for name in NAMES)
        Path(folder, "extra-openai-models.yaml").write_text(models)
        json.dump({name: outcome(case) for name, case in CASES.items()}, sys.stdout)


if __name__ == "__main__":
    main()
