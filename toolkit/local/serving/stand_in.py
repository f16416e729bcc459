"""A stand-in for a model server that this machine cannot run: the container's contract, with given times.

Run `python -m toolkit.local.serving.stand_in SETTINGS` with the environment of the container. It serves
`/ping` and, at `/invocations`, chats, completions, embeddings, rankings and scores in the form of the engines
(see `toolkit.serving.operations`). Its text is always the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from toolkit import documents
from toolkit.local import timescale
from toolkit.serving.engines import ENGINES
from toolkit.serving.stand_in import StandIn

# Names the file with the settings for containers that start from now on.
SETTING = "TOOLKIT_LOCAL_STAND_IN"
_WORDS = ("This", " is", " a", " stand-in", " for", " the", " model", ".")
_DIMENSIONS = 8
# Variables in which the instances of a release differ.
_OF_INSTANCE = ("AWS_", "HOME", "MODEL_DIRECTORY", "SAGEMAKER_BIND_TO_PORT")
_NAMES = [
    engine.variable(engine.served_name) for engine in ENGINES.values() if engine.served_name is not None
]


def read(path: Path) -> str:
    """The argument of the program."""
    return path.read_text(encoding="utf-8")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Clients of a burst wait in this queue while the machine is busy.
    request_queue_size = 128

    def __init__(self, port: int, settings: StandIn, name: str) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.settings = settings
        self.name = name
        self.fingerprint = f"{name}-{_fingerprint(os.environ)}"
        self.ready_at = time.monotonic() + timescale.scaled(settings.start_seconds)
        self.chance = random.Random(0)  # noqa: S311 - repeatable


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """Respond to a ping."""
        self._respond(200 if time.monotonic() >= self.server.ready_at else 503, {})

    def do_POST(self) -> None:
        """Respond to an invocation."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = documents.parse(content, dict[str, Any])
        except documents.DamagedError as error:
            self._respond(400, {"error": {"message": str(error), "type": "BadRequestError", "code": 400}})
            return
        settings = self.server.settings
        time.sleep(settings.first_token_seconds)
        if self.server.chance.random() * 100 < settings.error_percent:
            self._respond(
                500, {"error": {"message": "planned failure", "type": "InternalServerError", "code": 500}}
            )
        elif "messages" in body or "prompt" in body:
            self._generate(body)
        else:
            self._respond(200, _compare(body) or _embed(body, self.server.name))

    def log_message(self, *_: Any) -> None:
        """Requests are not logged."""

    def _generate(self, body: dict[str, Any]) -> None:
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(_WORDS)
        words = _WORDS[: int(limit)]
        chat = "messages" in body
        tokens = {"prompt_tokens": 8, "completion_tokens": len(words), "total_tokens": 8 + len(words)}
        ends = "stop" if len(words) == len(_WORDS) else "length"
        if not body.get("stream"):
            time.sleep(self.server.settings.token_seconds * (len(words) - 1))
            text = "".join(words)
            part = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            kind = "chat.completion" if chat else "text_completion"
            self._respond(200, {**self._document(kind, {**part, "finish_reason": ends}), "usage": tokens})
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        kind = "chat.completion.chunk" if chat else "text_completion"
        for number, word in enumerate(words):
            if number:
                time.sleep(self.server.settings.token_seconds)
            part = {"delta": {"role": "assistant", "content": word}} if chat else {"text": word}
            self._event({**self._document(kind, {**part, "finish_reason": None})})
        self._event(
            self._document(kind, {**({"delta": {}} if chat else {"text": ""}), "finish_reason": ends})
        )
        if (body.get("stream_options") or {}).get("include_usage"):
            self._event({**self._document(kind, None), "usage": tokens})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _document(self, kind: str, choice: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "id": "stand-in",
            "object": kind,
            "created": int(time.time()),
            "model": self.server.name,
            "system_fingerprint": self.server.fingerprint,
            "choices": [] if choice is None else [{"index": 0, **choice}],
        }

    def _event(self, document: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(document)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _respond(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _fingerprint(environment: Mapping[str, str]) -> str:
    """Distinguishes containers with different settings, as releases have them."""
    settings = {name: value for name, value in environment.items() if not name.startswith(_OF_INSTANCE)}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def _embed(body: dict[str, Any], name: str) -> Any:
    """Embeddings in the form of OpenAI, of Text Embeddings Inference, or of LMI."""
    inputs = body.get("input", body.get("inputs"))
    vectors = [_vector(text) for text in (inputs if isinstance(inputs, list) else [inputs])]
    if "input" not in body:
        return vectors
    data = [
        {"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)
    ]
    return {
        "object": "list",
        "model": name,
        "data": data,
        "usage": {"prompt_tokens": len(data), "total_tokens": len(data)},
    }


def _compare(body: dict[str, Any]) -> Any:
    """Rankings and scores; None if the request is for embeddings."""
    if "query" in body and "texts" in body:
        return [{"index": index, "score": _score(text)} for index, text in enumerate(body["texts"])]
    if "query" in body and "documents" in body:
        results = [
            {"index": index, "document": {"text": str(text)}, "relevance_score": _score(text)}
            for index, text in enumerate(body["documents"])
        ]
        return {"id": "stand-in", "results": results, "usage": {"total_tokens": len(results)}}
    texts = body.get("text_2")
    if texts is not None:
        texts = texts if isinstance(texts, list) else [texts]
        data = [
            {"index": index, "object": "score", "score": _score(text)} for index, text in enumerate(texts)
        ]
        return {"id": "stand-in", "object": "list", "data": data, "usage": {"total_tokens": len(data)}}
    return None


def _score(text: Any) -> float:
    return 1 / (1 + len(str(text)))


def _vector(text: Any) -> list[float]:
    chance = random.Random(str(text))  # noqa: S311 - the same text has the same vector
    return [chance.uniform(-1, 1) for _ in range(_DIMENSIONS)]


def main() -> int:
    """Serve until SIGTERM."""
    settings = documents.parse(sys.argv[1], StandIn)
    if settings.exits:
        print("the container exits, as planned", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    name = next((os.environ[name] for name in _NAMES if os.environ.get(name)), "model")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _Server(int(os.environ["SAGEMAKER_BIND_TO_PORT"]), settings, name) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
