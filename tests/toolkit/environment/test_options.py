"""Detection of secrets in options and environment variables."""

from __future__ import annotations

import pytest

from toolkit.environment.options import OPTION, VALUE, option_name, variable_name


@pytest.mark.parametrize(
    "name",
    [
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "TOKEN",
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "DB_PASSWORD",
        "PASSWORD_OF_DB",
        "SSH_PRIVATE_KEY",
        "CLIENT_SECRET",
        "GCP_CREDENTIALS",
    ],
)
def test_names_of_secrets_are_rejected(name: str) -> None:
    invalid = variable_name("vllm").check(name)
    assert invalid is not None
    assert "secret" in invalid.reason
    assert option_name("vllm").check(name.lower()) is not None


@pytest.mark.parametrize(
    "name",
    [
        "MAX_TOKENS",
        "TOKENIZER_MODE",
        "EOS_TOKEN",
        "PAD_TOKEN",
        "CACHE_KEY",
        "MONKEY",
        "HF_HUB_OFFLINE",
        "LD_LIBRARY_PATH",
    ],
)
def test_similar_names_are_accepted(name: str) -> None:
    assert variable_name("vllm").check(name) is None
    assert option_name("vllm").check(name.lower()) is None


@pytest.mark.parametrize(
    ("value", "secret"),
    [
        ("hf_" + "aB3d" * 9, True),
        ("AKIA" + "ABCD" * 4, True),
        ("x AKIA" + "ABCD" * 4 + " y", True),
        ("-----BEGIN RSA PRIVATE KEY-----", True),
        ("hf_transfer", False),
        ("Qwen/Qwen3-8B", False),
    ],
)
def test_values_of_secrets_are_rejected(value: str, secret: bool) -> None:
    assert (VALUE.check(value) is not None) is secret
    assert (OPTION.check(value) is not None) is secret


@pytest.mark.parametrize("value", [None, ["a"], {"a": 1}, ("a",)])
def test_an_option_must_be_a_scalar(value: object) -> None:
    assert OPTION.check(value) is not None
