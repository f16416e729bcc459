"""Weights from a hub in the test, staged in the embedded cloud's S3.

Each run is a separate process, because `huggingface_hub` reads its settings at import, and runs are killed.
"""

from __future__ import annotations

import hashlib
import json
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import hub as hubs
from tests.support.access import root_settings
from tests.support.checkout import ROOT, clean_environment
from tests.support.hub import Fault, Hub, Repository
from tests.support.interrupts import wait_for
from tests.support.patience import HANG_SECONDS
from toolkit.aws.access import AwsAccess
from toolkit.errors import PreflightError
from toolkit.staging.cancellation import CancelToken
from toolkit.staging.hub import HubRepository
from toolkit.staging.progress import Direction
from toolkit.staging.weights import WeightFile

pytestmark = pytest.mark.slow

MEBIBYTE = 1024 * 1024
REPOSITORY = "Owner/Model-GGUF"
# Above the size of single-part uploads.
WEIGHTS = hashlib.shake_128(b"weights").digest(20 * MEBIBYTE)
CONFIG = b'{"architectures": ["LlamaForCausalLM"]}'
TOKEN = "hf_MARKERmarkerMARKERmarkerMARKERmarker"

STAGE = """
import os, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
from toolkit import staging
from toolkit.__main__ import _exit_with_error
from toolkit.aws.access import AwsAccess
from toolkit.console import Console
from toolkit.environment import load
from toolkit.project import Project

def hold(**_):
    print("uploading", flush=True)
    threading.Event().wait()

try:
    project = Project.find()
    environment = load(project, "test")
    access = AwsAccess("us-east-1", "123456789012", sys.argv[1])
    if "HOLD_UPLOAD" in os.environ:
        access.s3.meta.events.register("before-send.s3.UploadPart", hold)
    model = staging.locate(project, environment)["m"]
    print(staging.stage(access, model, Console()).uploaded)
except Exception as error:
    _exit_with_error(error)
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hubs.running() as hub:
        files = {"config.json": CONFIG, "model.gguf": WEIGHTS, "original/weights.bin": b"not wanted"}
        hub.repositories[REPOSITORY] = Repository(files, lfs={"model.gguf", "original/weights.bin"})
        hub.tokens = {TOKEN, "hf_nobody"}
        hub.admitted = {TOKEN}
        yield hub


@dataclass
class Stager:
    """Runs `stage` in a separate process.

    Attributes:
        bucket: the model store.
        settings: further environment variables.
    """

    access: AwsAccess
    bucket: str
    project: Path
    cache: Path
    settings: dict[str, str] = field(default_factory=dict)

    def start(
        self, preexec_fn: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", STAGE, str(self.access.endpoint_url)],
            cwd=ROOT,
            env=clean_environment(
                TOOLKIT_PROJECT=str(self.project),
                TOOLKIT_CACHE_DIR=str(self.cache),
                **(root_settings(self.access) | self.settings | environment),
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=preexec_fn,  # noqa: PLW1509 - this process has no locks that it could inherit
        )

    def __call__(
        self, preexec_fn: Callable[[], None] | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(preexec_fn, **environment)
        out, err = process.communicate(timeout=HANG_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def succeed(self, **environment: str) -> int:
        """Run to the end; returns how many files were uploaded."""
        result = self(**environment)
        assert result.returncode == 0, result.stderr
        return int(result.stdout)

    def objects(self) -> dict[str, bytes]:
        """Return the objects of the store by key, without the digest."""
        objects = {}
        for item in self.access.s3.list_objects_v2(Bucket=self.bucket).get("Contents", []):
            body = self.access.s3.get_object(Bucket=self.bucket, Key=item["Key"])["Body"].read()
            objects[item["Key"]] = body
        return objects

    def files(self) -> dict[str, bytes]:
        """The weights in the store, by their names below the model's prefix."""
        return {key.split("/", 2)[2]: body for key, body in self.objects().items() if key.startswith("m/")}

    def manifest(self) -> dict[str, Any] | None:
        """The manifest, if there is one."""
        manifests = [body for key, body in self.objects().items() if key.startswith("_manifests/m/")]
        return dict(json.loads(manifests[0])) if manifests else None


@pytest.fixture
def stage(  # noqa: PLR0917 - fixtures
    access: AwsAccess,
    bucket: str,
    environment: Callable[[str], Any],
    project: Any,
    hub: Hub,
    cache: Path,
    tmp_path: Path,
) -> Stager:
    environment(source())
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    # The hub of the test may delay a response until the test continues.
    settings["HF_HUB_DOWNLOAD_TIMEOUT"] = str(int(HANG_SECONDS))
    return Stager(access, bucket, project.root, cache, settings)


def source(hub: str = REPOSITORY, revision: str = "5" * 40, files: str = '["*.json", "*.gguf"]') -> str:
    return f"{{hub: {hub}, revision: '{revision}', staged: true, files: {files}}}"


def requested(hub: Hub, name: str) -> int:
    """Bytes of a file that the hub sent."""
    return sum(sent for _, sent in hub.sent(name))


def test_the_selected_files_are_staged(stage: Stager, hub: Hub, cache: Path) -> None:
    assert stage.succeed() == 2

    assert stage.files() == {"config.json": CONFIG, "model.gguf": WEIGHTS}
    manifest = stage.manifest()
    assert manifest is not None
    assert manifest["revision"] == "5" * 40
    assert manifest["source"]["hub"] == REPOSITORY
    assert {file["name"]: file["sha256"] for file in manifest["files"]} == {
        "config.json": hashlib.sha256(CONFIG).hexdigest(),
        "model.gguf": hashlib.sha256(WEIGHTS).hexdigest(),
    }
    assert not list((cache / "hub").rglob("*.gguf")), "the copy on the way is still there"


def test_staged_weights_cause_no_requests_to_the_hub(stage: Stager, hub: Hub) -> None:
    stage.succeed()
    hub.requests.clear()
    assert stage.succeed() == 0
    assert hub.requests == []


def test_an_aborted_connection_resumes_mid_stream(stage: Stager, hub: Hub) -> None:
    hub.faults["model.gguf"] = Fault(after=5 * MEBIBYTE + 17)
    stage.succeed()
    assert hub.sent("model.gguf")[0] == (0, 5 * MEBIBYTE + 17)
    assert hub.sent("model.gguf")[1][0] > 4 * MEBIBYTE
    assert stage.files()["model.gguf"] == WEIGHTS


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_download_resumes_in_the_next_run(
    stage: Stager, hub: Hub, cache: Path, ending: signal.Signals
) -> None:
    hub.faults["model.gguf"] = Fault(after=10 * MEBIBYTE, held=threading.Event())
    process = stage.start()
    assert hub.reached.wait(HANG_SECONDS)
    partial = cache / "hub" / REPOSITORY.replace("/", "--") / ("5" * 40) / "partial" / "model.gguf"
    wait_for(lambda: partial.stat().st_size >= 10 * MEBIBYTE, "the first half")
    process.send_signal(ending)
    _, err = process.communicate(timeout=HANG_SECONDS)

    if ending is signal.SIGINT:
        assert process.returncode == 130
        assert "toolkit model stage --env test m" in err
        assert "Traceback" not in err
    assert stage.manifest() is None
    hub.requests.clear()
    stage.succeed()
    assert hub.sent("model.gguf") == [(10 * MEBIBYTE, 10 * MEBIBYTE)]
    assert hub.sent("config.json") == []
    assert stage.files() == {"config.json": CONFIG, "model.gguf": WEIGHTS}


def test_a_complete_download_is_not_repeated(stage: Stager, hub: Hub) -> None:
    process = stage.start(HOLD_UPLOAD="1")
    assert process.stdout is not None
    assert process.stdout.readline() == "uploading\n"
    process.kill()
    process.communicate()
    hub.requests.clear()
    stage.succeed()
    assert hub.sent("model.gguf") == []
    assert stage.files()["model.gguf"] == WEIGHTS


def test_a_corrupt_partial_file_is_downloaded_again(stage: Stager, hub: Hub, cache: Path) -> None:
    partial = cache / "hub" / REPOSITORY.replace("/", "--") / ("5" * 40) / "partial" / "model.gguf"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(bytes(MEBIBYTE))
    stage.succeed()
    assert [begin for begin, _ in hub.sent("model.gguf")] == [MEBIBYTE, 0]
    assert stage.files()["model.gguf"] == WEIGHTS


@pytest.mark.parametrize("name", ["model.gguf", "config.json"])
def test_a_file_with_a_wrong_digest_is_not_staged(stage: Stager, hub: Hub, name: str) -> None:
    hub.faults[name] = Fault(damaged=True, times=-1)
    result = stage()
    assert result.returncode == 4
    assert f"cannot stage {REPOSITORY}: the hub sends {name} with a wrong digest" in result.stderr
    assert name not in stage.files()
    assert stage.manifest() is None


def test_files_in_the_huggingface_cache_are_used(stage: Stager, hub: Hub, tmp_path: Path) -> None:
    program = (
        "import sys; from huggingface_hub import hf_hub_download as d; d(*sys.argv[1:], revision='5' * 40)"
    )
    for name in ("model.gguf", "config.json"):
        command = [sys.executable, "-c", program, REPOSITORY, name]
        subprocess.run(command, env=clean_environment(**stage.settings), check=True)
    hub.requests.clear()
    assert stage.succeed() == 2
    assert hub.sent("model.gguf") == hub.sent("config.json") == []
    assert list((tmp_path / "hf").rglob("model.gguf")), "the user's own cache was emptied"


def test_a_concurrent_download_of_a_file_is_refused(stage: Stager, hub: Hub) -> None:
    hub.faults["model.gguf"] = Fault(after=MEBIBYTE, held=threading.Event())
    first = stage.start()
    assert hub.reached.wait(HANG_SECONDS)
    second = stage()
    first.kill()
    first.communicate()
    assert second.returncode == 4
    assert "another process" in second.stderr


def test_a_gated_repository_needs_an_admitted_token(stage: Stager, hub: Hub) -> None:
    hub.repositories[REPOSITORY].gated = True
    without = stage()
    assert without.returncode == 4
    assert "it is gated" in without.stderr
    assert "hf auth login" in without.stderr
    refused = stage(HF_TOKEN="hf_nobody")
    assert refused.returncode == 4
    assert f"accept its terms on {hub.url}/{REPOSITORY}" in refused.stderr
    assert stage.succeed(HF_TOKEN=TOKEN) == 2


def test_the_token_is_sent_to_the_hub_only(stage: Stager, hub: Hub) -> None:
    hub.repositories[REPOSITORY].gated = True
    stage.succeed(HF_TOKEN=TOKEN)
    assert {request.token for request in hub.requests if request.host == "hub"} == {TOKEN}
    assert {request.token for request in hub.requests if request.host == "cdn"} == {None}


def test_a_stored_login_is_used(stage: Stager, hub: Hub, tmp_path: Path) -> None:
    hub.repositories[REPOSITORY].private = True
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(TOKEN)
    assert stage.succeed() == 2


@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_missing_repository_is_a_configuration_error(
    stage: Stager, environment: Callable[[str], Any], token: str | None
) -> None:
    environment(source(hub="Owner/Modle"))
    result = stage(**({"HF_TOKEN": token} if token else {}))
    assert result.returncode == 2
    assert "test.yaml: models.m.source.hub" in result.stderr
    assert "Owner/Modle" in result.stderr


def test_a_missing_revision_is_an_error_in_the_file(stage: Stager, environment: Callable[[str], Any]) -> None:
    environment(source(revision="a" * 40))
    result = stage()
    assert result.returncode == 2
    assert "test.yaml: models.m.source.revision" in result.stderr


def test_patterns_without_match_are_an_error_in_the_file(
    stage: Stager, environment: Callable[[str], Any]
) -> None:
    environment(source(files='["*.safetensors"]'))
    result = stage()
    assert result.returncode == 2
    assert "test.yaml: models.m.source.files" in result.stderr
    assert "model.gguf" in result.stderr


def test_an_invalid_token_is_reported(stage: Stager) -> None:
    result = stage(HF_TOKEN="hf_expired")
    assert result.returncode == 4
    assert "the hub rejected your token" in result.stderr
    assert "hf_expired" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot reach the hub"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    ],
)
def test_an_unreachable_hub_is_reported(stage: Stager, settings: dict[str, str], message: str) -> None:
    result = stage(**settings)
    assert result.returncode == 4
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_server_errors_of_the_hub_are_retried(stage: Stager, hub: Hub) -> None:
    hub.faults["model.gguf"] = Fault(status=503, times=1)
    assert stage.succeed() == 2


def test_a_full_disk_is_reported(stage: Stager, cache: Path) -> None:
    result = stage(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MEBIBYTE, MEBIBYTE)))
    assert result.returncode == 4
    assert str(cache) in result.stderr
    assert "TOOLKIT_CACHE_DIR" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_larger_than_the_disk_is_not_started(cache: Path) -> None:
    repository = HubRepository(REPOSITORY, "5" * 40, None, "test.yaml")
    file = WeightFile("model.gguf", 10**18, "0" * 64)
    direction = Direction("downloaded", 10**18, lambda: None, time.monotonic)
    with pytest.raises(PreflightError, match=r"needed, .* free"):
        repository.fetch(file, direction, CancelToken())


@pytest.mark.parametrize("name", ["../escape.gguf", "/etc/model.gguf", "a/../../escape.gguf"])
def test_unsafe_file_names_are_refused(stage: Stager, hub: Hub, name: str) -> None:
    hub.repositories[REPOSITORY].files[name] = b"{}"
    result = stage()
    assert result.returncode == 4
    assert "unsafe file name" in result.stderr
