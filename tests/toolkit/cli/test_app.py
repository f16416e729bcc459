"""The command line: help, start-up cost, usage errors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.support.checkout import ROOT, clean_environment
from toolkit.cli.app import app

HEAVY = ("boto3", "botocore", "jinja2", "moto", "httpx")


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "toolkit", *arguments],
        cwd=cwd,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_help_lists_the_commands(checkout: Path) -> None:
    result = run("--help", cwd=checkout)
    assert result.returncode == 0
    for command in ("init", "validate", "bootstrap", "plan", "apply", "destroy", "status", "outputs", "keys"):
        assert command in result.stdout


def all_commands(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from all_commands(inner)


def test_help_names_values_by_what_they_are() -> None:
    for command in all_commands(typer.main.get_command(app)):
        with command.make_context("toolkit", [], resilient_parsing=True) as context:
            shown = [parameter.display_type_rich(context) for parameter in command.params]
            unnamed = [
                parameter.name
                for parameter in command.params
                if not getattr(parameter, "is_flag", False)
                and not (parameter.metavar or parameter.type_descriptor.choices)
            ]
        assert unnamed == [], command.name
        assert not [text for text in shown if text and "<" in text], command.name


def test_the_version_is_printed(checkout: Path) -> None:
    result = run("--version", cwd=checkout)
    assert (result.returncode, result.stdout) == (0, f"toolkit {version('sagemaker-llm-toolkit')}\n")


def test_help_imports_nothing_heavy(checkout: Path) -> None:
    program = (
        "import sys; from toolkit.cli.app import app\n"
        "try: app(['--help'])\n"
        f"finally: print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=checkout,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stderr.strip().splitlines()[-1] == "[]"


def test_an_unknown_command_is_a_usage_error(checkout: Path) -> None:
    result = run("aply", "--env", "local", cwd=checkout)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "apply" in result.stderr  # the suggestion


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [(("usage", "--json", "--csv"), "choose one of them"), (("chat", "--port", "8000"), "add --web")],
)
def test_options_that_exclude_each_other(checkout: Path, arguments: tuple[str, ...], remedy: str) -> None:
    result = run(*arguments, "--env", "local", cwd=checkout)
    assert (result.returncode, result.stdout) == (2, "")
    assert remedy in result.stderr


def test_the_error_outside_a_project_has_a_remedy(tmp_path: Path) -> None:
    result = run("validate", "--env", "local", cwd=tmp_path)
    assert result.returncode == 2
    assert "TOOLKIT_PROJECT" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_deleted_working_directory_is_an_error(tmp_path: Path) -> None:
    script = f"mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -m toolkit validate --env local"
    result = subprocess.run(
        ["sh", "-c", script],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "the working directory no longer exists" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_commands_work_with_closed_output_streams(checkout: Path) -> None:
    script = f"exec {sys.executable} -m toolkit validate --env local 2>&-"
    result = subprocess.run(
        ["sh", "-c", script], cwd=checkout, env=clean_environment(), capture_output=True, check=False
    )
    assert result.returncode == 0
    assert result.stdout == b""


@pytest.mark.slow
def test_a_closed_pipe_exits_like_sigpipe(checkout: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as closed:
        result = subprocess.run(
            [sys.executable, "-m", "toolkit", "--help"],
            cwd=checkout,
            env=clean_environment(),
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.slow
def test_characters_that_the_terminal_lacks_are_escaped(checkout: Path) -> None:
    program = "from toolkit.__main__ import _configure_stdio; _configure_stdio(); print('\\u2192')"
    output = subprocess.run(
        [sys.executable, "-c", program],
        cwd=checkout,
        env=clean_environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert output.stdout == "\\u2192\n"


def test_an_unknown_environment_names_those_that_exist(checkout: Path) -> None:
    result = run("validate", "--env", "lokal", cwd=checkout)
    assert result.returncode == 2
    assert "local" in result.stderr
    assert "dev" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["../local", "LOCAL"])
def test_invalid_environment_names_are_rejected(checkout: Path, name: str) -> None:
    result = run("validate", "--env", name, cwd=checkout)
    assert result.returncode == 2
    assert name in result.stderr
    assert "Traceback" not in result.stderr


def test_destroy_in_a_pipe_needs_yes(checkout: Path) -> None:
    # dev is on AWS: without credentials it stops before the prompt.
    no_credentials = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
    result = run("destroy", "--env", "dev", cwd=checkout, **no_credentials)
    assert result.returncode == 4
    assert "credentials" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("error", "traceback"), [("ValueError", "0"), ("InputError", "0"), ("InputError", "1")]
)
def test_errors_do_not_control_the_terminal(checkout: Path, error: str, traceback: str) -> None:
    program = "from toolkit.__main__ import _exit_with_error; from toolkit.errors import InputError; "
    program += f"_exit_with_error({error}('\\x1b]0;owned\\x07'))"
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=checkout,
        env=clean_environment(TOOLKIT_TRACEBACK=traceback),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "\ufffd]0;owned\ufffd" in result.stderr
    assert ("Traceback" in result.stderr) is (error == "ValueError" or traceback == "1")
    assert not {"\x1b", "\x07"} & set(result.stderr)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        (b'target: local\na: "\\U00110000"\n', ":2: ", "an escape or a number without meaning"),
        (b"target: local\nname: \xff\n", ":2: ", "byte 0xFF is not UTF-8"),
        (b"a: &a [*a]\n", ":1: ", "an alias refers to its own parent"),
        (b"[" * 5000, ":1: ", "nested too deep"),
        (b"a: 1\n" * 200_000, ":1: ", "larger than 512 KiB"),
    ],
)
def test_a_damaged_environment_file_is_an_error(
    tmp_path: Path, content: bytes, place: str, reason: str
) -> None:
    file = tmp_path / "terraform" / "environments" / "dev.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    result = run("validate", "--env", "dev", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert f"terraform/environments/dev.yaml{place}" in result.stderr
    assert reason in result.stderr
    assert "Traceback" not in result.stderr


def test_validate_names_a_guard_that_does_not_exist(checkout: Path, tmp_path: Path) -> None:
    name = "terraform/environments/local.yaml"
    guard = "guard: {python: {path: guards/own.py, function: 'own:check'}}"
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text(f"{(checkout / name).read_text()}\napi: {{{guard}}}\n")
    result = run("validate", "--env", "local", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: guards/own.py: cannot find the guard\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--help", "iam show --env dev"])
def test_output_that_cannot_be_written_is_named(command: str) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "toolkit", *command.split()],
            cwd=ROOT,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert result.returncode == 4
    assert result.stderr.endswith(
        "error: standard output: No space left on device\n  → check its permissions and free disk space\n"
    )


@pytest.mark.slow
def test_a_full_disk_does_not_change_the_exit_code() -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "toolkit", "status", "--env", "missing"],
            cwd=ROOT,
            env=clean_environment(),
            stderr=full,
            check=False,
        )
    assert result.returncode == 2
