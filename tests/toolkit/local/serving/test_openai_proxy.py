from __future__ import annotations

import pytest

from toolkit.local.serving.openai_proxy import AddressError, upstream


def test_the_environment_names_server_and_model() -> None:
    server = upstream({"OPENAI_BASE_URL": "http://localhost:11434/v1/", "OPENAI_MODEL": "llama3.2"})
    assert server.host in ("127.0.0.1", "::1")
    assert server.port == 11434
    assert (server.prefix, server.health, server.model) == ("/v1", "/v1/models", "llama3.2")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/v1",
        "127.0.0.1:11434",
        "http://192.0.2.1/v1",
        "http:///v1",
    ],
)
def test_only_servers_on_this_machine_are_allowed(url: str) -> None:
    with pytest.raises(AddressError):
        upstream({"OPENAI_BASE_URL": url})
