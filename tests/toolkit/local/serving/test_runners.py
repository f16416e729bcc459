from __future__ import annotations

import pytest

from toolkit.local.serving.runners import UnsupportedImageError, command

REGISTRY = "763104351884.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("image", "operation"),
    [
        (f"{REGISTRY}/llama-cpp:server-sagemaker-cpu-v1", ["chat"]),
        (f"{REGISTRY}/llama-cpp@sha256:0123", ["chat"]),
        ("localhost:5000/mirror/llama-cpp:server-sagemaker-cpu-v1", ["chat"]),
        ("localhost:5000/team/llama-cpp:mine", []),
        ("llama-cpp", []),
    ],
)
def test_llama_cpp_runs_its_images(image: str, operation: list[str]) -> None:
    _, _, _, module, *arguments = command(image, {})
    assert module == "toolkit.local.serving.llama_cpp"
    assert arguments == operation


def test_a_running_server_replaces_any_image() -> None:
    environment = {"OPENAI_BASE_URL": "http://127.0.0.1:11434/v1"}
    assert command(f"{REGISTRY}/vllm:v2", environment)[-1] == "toolkit.local.serving.openai_proxy"


@pytest.mark.parametrize("image", [f"{REGISTRY}/vllm:server", "my-llama-cpp:1", ""])
def test_other_images_are_rejected_with_a_remedy(image: str) -> None:
    with pytest.raises(UnsupportedImageError) as error:
        command(image, {})
    assert image in str(error.value)
    assert "source: {server:" in str(error.value)
