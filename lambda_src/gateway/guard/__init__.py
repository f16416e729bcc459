"""The interface of Python guards, which `api.guard.python` names in the environment file.

A guard is a function, plain or `async`, that gets a text and returns a verdict:

    from gateway.guard import Block, Content, Replace, Verdict

    def check(content: Content) -> Verdict:
        if "forbidden" in content.text:
            return Block("This is not a subject here.")
        return None

An exception, an invalid verdict and a timeout count as failures of the guard: the client gets an error.

The modules of this package:

guards       which models are guarded, and by what
bedrock      Amazon Bedrock's ApplyGuardrail
entry_point  a Python function of the user
prompts      the texts of a request
windows      the text of a response, held back until it is checked
response     a model's response between the two
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["input", "output"]


@dataclass(frozen=True)
class Content:
    """A text to check.

    Attributes:
        text: a text of the request, or a window of the response's text, reasoning or arguments of a tool.
        source: `input` of the model or its `output`.
        model: own name of the requested model.
        key_name: name of the caller's API key; empty if it has none.
        request_id: of the request.
    """

    text: str
    source: Source
    model: str
    key_name: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class Replace:
    """Verdict: the text becomes another one."""

    text: str


@dataclass(frozen=True)
class Block:
    """Verdict: the text does not pass. The client reads the reason."""

    reason: str = ""


# None: the text passes.
Verdict = Replace | Block | None
