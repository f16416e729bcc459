"""A chat on a terminal, and one prompt from a pipe.

Prompts are personal data: they are kept in memory only, also those that the arrow keys bring back.
"""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Final

from toolkit.chat.session import Conversation, Metrics, Session, Settings, Turn, well_formed
from toolkit.console import Console
from toolkit.errors import InputError, ToolkitError

# API Gateway refuses larger requests.
MAX_PROMPT_BYTES: Final = 10_000_000
# Not a path such as /etc/hosts.
_COMMAND: Final = re.compile(r"/([a-z]+)(?:\s+(.*))?", re.DOTALL)
_QUOTES: Final = '"""'
HELP: Final = f"""\
/system TEXT   set the system prompt; without TEXT, remove it
/model NAME    continue with another model; without NAME, list the models
/history       print the conversation
/reset         begin a new conversation with the same settings
/quit          end the chat, as Ctrl-D does
Ctrl-C stops a response and keeps its beginning; on an empty line, press it twice to end the chat.
A line that ends with \\ continues on the next. {_QUOTES} begins and ends a text of several lines."""


def respond_once(session: Session, settings: Settings, console: Console) -> None:
    """Send standard input as one prompt, and write only the response to standard output.

    Raises:
        ToolkitError: the prompt is empty, too large or not text, or there is no complete response.
    """
    if sys.stdin and sys.stdin.isatty():
        console.line("type a prompt, and end it with Ctrl-D")
    # A parent process can close it.
    content = sys.stdin.buffer.read(MAX_PROMPT_BYTES + 1) if sys.stdin else b""
    if len(content) > MAX_PROMPT_BYTES:
        raise InputError(
            f"cannot send the prompt: it has more than {MAX_PROMPT_BYTES:,} bytes",
            remedy="send a shorter one",
        )
    try:
        prompt = content.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"cannot send the prompt: byte {error.start} is not UTF-8", remedy="convert it to UTF-8"
        ) from None
    if not prompt.strip():
        raise InputError(
            "cannot send the prompt: standard input is empty", remedy="pass a prompt on standard input"
        )
    Terminal(session, settings, console).respond(prompt)


class Terminal:
    """A chat on a terminal.

    Args:
        session: the models.
        settings: settings of the first request.
        console: the terminal.
        read: reads a line, with a prompt.
    """

    def __init__(
        self, session: Session, settings: Settings, console: Console, read: Callable[[str], str] = input
    ) -> None:
        self._session = session
        self._console = console
        self._read = read
        self.conversation = Conversation(settings)

    def run(self) -> None:
        """Read prompts and commands, until the user ends the chat.

        Raises:
            KeyboardInterrupt: Ctrl-C on an empty line, twice, or another signal.
        """
        with contextlib.suppress(ImportError):
            # `input` then edits lines, and the arrow keys bring earlier ones back.
            import readline  # noqa: F401
        env = self._session.environment.name
        self._console.line(f"chat with {self.conversation.settings.model} in {env}; /help lists the commands")
        interrupted = False
        while True:
            try:
                prompt = self._read_prompt()
                interrupted = False
                if prompt is None:
                    return
                if prompt.strip():
                    interrupted = not self._converse(prompt)
            except KeyboardInterrupt as interrupt:
                _require_ctrl_c(interrupt)
                self._console.line()
                if interrupted and not _typed():
                    raise
                interrupted = not _typed()
                if interrupted:
                    self._console.line("press Ctrl-C again to end the chat")
            except ToolkitError as error:
                self._console.line(f"error: {error}")

    def respond(self, prompt: str) -> bool:
        """Print the response to a prompt, and add both to the conversation.

        Returns:
            Whether the response is complete; otherwise the user stopped it.

        Raises:
            ToolkitError: there is no response, or it broke off; the conversation has the part before.
        """
        turn = Turn(prompt, "", truncated=True)
        writer = _Writer(self._console)
        metrics: Metrics | None = None
        events = self._session.respond(self.conversation.request(prompt))
        try:
            with closing(events):
                for event in events:
                    if isinstance(event, Metrics):
                        metrics, turn.truncated = event, False
                    else:
                        turn.response += event.text
                        writer.write(event.text, event.reasoning)
        finally:
            writer.end()
            if turn.response or not turn.truncated:
                self.conversation.turns.append(turn)
        if metrics is not None:
            self._console.line(metrics.line())
        return metrics is not None

    def _converse(self, prompt: str) -> bool:
        """Run a command or print a response; returns whether the user let it end."""
        command = _COMMAND.fullmatch(prompt.strip()) if prompt.startswith("/") else None
        if command is not None:
            self._run_command(command[1], (command[2] or "").strip())
            return True
        try:
            return self.respond(prompt)
        except KeyboardInterrupt as interrupt:
            _require_ctrl_c(interrupt)
            self._console.line("stopped")
            return False
        except ToolkitError:
            turns = self.conversation.turns
            if turns and turns[-1].truncated and turns[-1].prompt == prompt:
                self._console.line("the response is truncated")
            raise

    def _run_command(self, name: str, text: str) -> None:
        match name:
            case "help":
                self._console.line(HELP)
            case "reset":
                self.conversation.turns.clear()
                self._console.line("a new conversation")
            case "system":
                self.conversation.change(system=text)
                self._console.line("the system prompt is set" if text else "the system prompt is removed")
            case "model" if text:
                self._session.require(text)
                self.conversation.change(model=text)
                self._console.line(f"continuing with {text}")
            case "model":
                current = self.conversation.settings.model
                for model in self._session.models:
                    self._console.line(f"{'*' if model == current else ' '} {model}")
            case "history":
                self._print_history()
            case _:
                raise InputError(
                    f"unknown command /{name}",
                    remedy="/help lists the commands; begin with a space to send it as a prompt",
                )

    def _print_history(self) -> None:
        if self.conversation.settings.system:
            self._console.line(f"system: {self.conversation.settings.system}")
        for turn in self.conversation.turns:
            self._console.line(f"you: {turn.prompt}")
            self._console.line(f"model{' (truncated)' if turn.truncated else ''}: {turn.response}")

    def _read_prompt(self) -> str | None:
        """The next prompt, which may have several lines; None at the end of the input."""
        try:
            line = well_formed(self._read("> "))
            if line.strip() in ("/quit", "/exit"):
                return None
            if line.lstrip().startswith(_QUOTES):
                return self._read_quoted(line.lstrip().removeprefix(_QUOTES))
            lines = [line]
            while lines[-1].endswith("\\"):
                lines[-1] = lines[-1].removesuffix("\\")
                lines.append(well_formed(self._read(". ")))
        except EOFError:
            self._console.line()
            return None
        return "\n".join(lines)

    def _read_quoted(self, line: str) -> str:
        lines = [line]
        while not lines[-1].rstrip().endswith(_QUOTES):
            lines.append(well_formed(self._read(". ")))
        # With a space before it, a text is never a command.
        text = "\n".join(lines).rstrip().removesuffix(_QUOTES).strip("\n")
        return f" {text}" if text.startswith("/") else text


class _Writer:
    """Writes the parts of a response; reasoning goes to the terminal only."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._reasoning = False
        self._line_ended = True
        self._held = ""

    def write(self, text: str, reasoning: str) -> None:
        if reasoning and sys.stdout.isatty():
            self._switch(to_reasoning=True)
            self._part(reasoning)
        if text:
            self._switch(to_reasoning=False)
            self._part(text)

    def end(self) -> None:
        """End the last line."""
        self._console.part(self._held if self._line_ended else f"{self._held}\n")
        self._held, self._line_ended = "", True

    def _switch(self, *, to_reasoning: bool) -> None:
        if to_reasoning != self._reasoning:
            self._reasoning = to_reasoning
            self.end()
            self._part("(reasoning)\n" if to_reasoning else "(response)\n")

    def _part(self, text: str) -> None:
        text = self._held + text
        # The next part may begin with the line feed that belongs to a carriage return.
        self._held = "\r" if text.endswith("\r") else ""
        # Before the output, which an interrupt can end.
        self._line_ended = text.endswith("\n")
        self._console.part(text.removesuffix("\r"))


def _require_ctrl_c(interrupt: KeyboardInterrupt) -> None:
    """Raise the interrupt again if a build server or the closed terminal sent it."""
    if interrupt.args not in ((), (signal.SIGINT,)):
        raise interrupt


def _typed() -> bool:
    """Whether the interrupted line had text."""
    readline = sys.modules.get("readline")
    return bool(readline and readline.get_line_buffer())
