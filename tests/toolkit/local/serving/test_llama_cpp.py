from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit.local.serving.llama_cpp import ModelError, find_model, parameters


def directory(tmp_path: Path, *files: str) -> dict[str, str]:
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return {"MODEL_DIRECTORY": str(tmp_path)}


def test_the_only_gguf_is_the_model(tmp_path: Path) -> None:
    assert find_model(directory(tmp_path, "README.md", "a/b.gguf")) == tmp_path / "a" / "b.gguf"
    for other in ("b-00002-of-00002.gguf", "a/mmproj-a.gguf"):
        with pytest.raises(ModelError, match=r"must name one of the \d \*\.gguf files"):
            find_model(directory(tmp_path, other))


@pytest.mark.parametrize("name", ["sub/b.gguf", "/opt/ml/model/sub/b.gguf"])
def test_a_variable_names_the_model(tmp_path: Path, name: str) -> None:
    environment = directory(tmp_path, "a.gguf", "sub/b.gguf")
    assert find_model(environment | {"SM_LLAMA_CPP_MODEL": name}) == tmp_path / "sub" / "b.gguf"


def test_no_model_is_an_error(tmp_path: Path) -> None:
    environment = directory(tmp_path, "model.safetensors")
    with pytest.raises(ModelError, match=r"no \*.gguf"):
        find_model(environment)
    with pytest.raises(ModelError, match=r"other\.gguf is not among"):
        find_model(environment | {"SM_LLAMA_CPP_MODEL": "other.gguf"})


def test_responses_do_not_contain_local_paths(tmp_path: Path) -> None:
    environment = directory(tmp_path, "a.gguf")
    assert parameters(environment).model_alias == {"a.gguf"}
    assert parameters(environment | {"SM_LLAMA_CPP_ALIAS": "small"}).model_alias == {"small"}


def test_the_server_listens_on_loopback_only(tmp_path: Path) -> None:
    params = parameters(directory(tmp_path, "a.gguf") | {"SM_LLAMA_CPP_HOST": "0.0.0.0"})  # noqa: S104
    assert params.hostnames == ["127.0.0.1"]
    assert params.port == 0


def test_a_failing_server_writes_the_rest_of_its_log(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"not a model")
    readable, writable = os.pipe()
    # Keep llama.cpp's log thread waiting on a full pipe, as a busy machine would.
    os.set_blocking(writable, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writable, b"." * 65_536)
    os.set_blocking(writable, True)
    code = "import sys; from toolkit.local.serving import llama_cpp; sys.stderr = sys.stdout"
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", f"{code}; sys.exit(llama_cpp.main())"],
        env={**os.environ, "MODEL_DIRECTORY": str(tmp_path), "SAGEMAKER_BIND_TO_PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=writable,
    )
    os.close(writable)
    assert server.stdout is not None
    assert b"cannot start the model server" in server.stdout.readline()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(0.2)
    with os.fdopen(readable, "rb") as log:
        # llama.cpp may drop single messages while its thread waits, so which ones arrive is not certain.
        assert log.read().strip(b".")
    assert server.wait() == 1


def test_other_callers_prompts_are_not_shown(tmp_path: Path) -> None:
    environment = directory(tmp_path, "a.gguf")
    assert not parameters(environment).endpoint_slots
    assert parameters(environment | {"SM_LLAMA_CPP_SLOTS": "true"}).endpoint_slots
