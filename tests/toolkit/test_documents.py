"""Documents from outside, damaged in every way: each is read, or refused with its place and an exit code."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import hypothesis
import pytest

from tests.support.checkout import ROOT
from tests.support.damage import damaged, damaged_bytes, variations
from tests.support.measurements import benchmark
from tests.toolkit.deployment.plans.test_archive import CONTENTS, manifest_of
from tests.toolkit.deployment.test_release_store import release_of
from toolkit import documents
from toolkit.aws.logs import LogEvent
from toolkit.bench import records
from toolkit.chat import completions, session
from toolkit.deployment import evidence, expiry, locks, logs, measured, outputs
from toolkit.deployment.attestations import RELEASE_TYPE, TEST_RESULT_TYPE, Envelope, Signature
from toolkit.deployment.plans import manifest, parallel, reviewed
from toolkit.deployment.releases import RECORD, Release, SmokeTestResult, read_smoke_test
from toolkit.deployment.rollout import judgement, verify
from toolkit.deployment.usage import Collector
from toolkit.documents import DamagedError
from toolkit.errors import InputError, PreflightError, StateError, TerraformError, ToolkitError
from toolkit.gate import plan_document
from toolkit.gate.scan import Scan
from toolkit.gate.sources import PlanSources, Sources
from toolkit.local.state import Folder, Record
from toolkit.local.status import CloudStatus
from toolkit.lock_info import LockInfo
from toolkit.packaging import package
from toolkit.packaging.difference import difference
from toolkit.rehearsal import latency
from toolkit.report import Subject, github, summarize
from toolkit.serving.memory import UnknownArchitectureError, config
from toolkit.smoke import access, causes, function, replies
from toolkit.smoke.results import FailedError
from toolkit.staging.description import _Index
from toolkit.staging.hub import _Listing
from toolkit.staging.manifest import Manifest, StoredFile
from toolkit.terraform import cli_config, init_cache, lambda_state, program, state_file
from toolkit.terraform.lambda_state import FunctionCode
from toolkit.terraform.plan import Plan
from toolkit.terraform.state_file import State
from toolkit.terraform.transcript import Counts, Transcript

SHA256 = "5" * 64
PARSING = re.compile(
    r"json\.loads?\(|TypeAdapter\(|\.model_validate|yaml\.safe_load|YAML\(|ZipFile\(|tarfile\.open|ConfigParser|tomllib"
)
# Modules that parse themselves, and why.
PARSERS = {
    "documents.py": "the reader",
    "bench/replies.py": "once for each token, while it measures",
    "environment/document.py": "YAML with lines",
    "environment/editor.py": "writes",
    "environment/loader.py": "the types of environment files",
    "environment/prompts.py": "the types of environment files",
    "gate/checkov_runner.py": "runs in the virtual environment of checkov",
    "iam/documents.py": "renders its own templates",
    "packaging/archive.py": "writes",
    "deployment/plans/archive.py": "writes",
    "report/drift.py": "data of the package",
    "cost/prices.py": "data of the package",
    "cost/update_prices.py": "a tool of developers",
    "rehearsal/placeholders.py": "writes",
    "serving/catalogue.py": "data of the package",
    "serving/update_catalogue.py": "a tool of developers",
}
STATE = {
    "version": 4,
    "terraform_version": "1.11.4",
    "serial": 7,
    "lineage": "0e6a3c5e-0000-4000-8000-000000000001",
    "outputs": {"models": {"value": {"a": {"endpoint_name": "a"}}, "type": ["object", {}]}},
    "resources": [
        {
            "mode": "managed",
            "type": "aws_lambda_function",
            "name": "gateway",
            "provider": 'provider["registry.terraform.io/hashicorp/aws"]',
            "instances": [{"schema_version": 0, "attributes": {"id": "f", "function_name": "f"}}],
        }
    ],
    "check_results": None,
}
OUTPUTS = {
    "region": "us-east-1",
    "models": {
        "a": {
            "endpoint_name": "llm-dev-a",
            "endpoint_type": "realtime",
            "endpoint_config_name": "llm-dev-a-0123",
            "variant_names": ["AllTraffic"],
            "model_names": {"AllTraffic": "llm-dev-a-1"},
            "instance_types": {"AllTraffic": None},
            "alarm_names": [],
        }
    },
    "api_id": "abc",
    "api_stage": "live",
    "api_invoke_url": "https://abc.example/live",
    "functions": {"gateway": "f"},
    "log_groups": {"gateway": "/aws/lambda/f"},
    "usage_plan_ids": {"default": "p"},
    "paused": False,
}
LOCK = {
    "ID": "8c58637e-e1c3-59fc-261f-041ffcbf371c",
    "Operation": "OperationTypeApply",
    "Info": "",
    "Who": "ana@laptop",
    "Version": "1.11.4",
    "Created": "2026-11-30T08:07:37Z",
    "Path": "bucket/key",
}
RESOURCE = {
    "address": 'module.endpoint["a"].aws_s3_bucket.this[0]',
    "mode": "managed",
    "type": "aws_s3_bucket",
    "name": "this",
    "values": {"bucket": "b", "policy": '{"Statement": []}'},
}
CHANGE = {
    **RESOURCE,
    "change": {
        "actions": ["update"],
        "before": {"bucket": "a", "policy": '{"Statement": []}'},
        "after": {"bucket": "b", "policy": '{"Statement": [1]}'},
        "after_unknown": {"arn": True},
        "before_sensitive": {},
        "after_sensitive": {},
        "replace_paths": [["bucket"]],
    },
}
EXPRESSIONS = {"bucket": {"references": ["var.bucket"]}, "rule": [{"days": {"constant_value": 1}}]}
PLAN = {
    "format_version": "1.2",
    "terraform_version": "1.11.4",
    "planned_values": {"root_module": {"child_modules": [{"resources": [RESOURCE]}]}},
    "prior_state": {"values": {"root_module": {"resources": [RESOURCE]}}},
    "resource_changes": [CHANGE],
    "resource_drift": [CHANGE],
    "output_changes": {"a": {"actions": ["update"]}},
    "configuration": {
        "root_module": {
            "resources": [{"address": "aws_s3_bucket.a", "expressions": EXPRESSIONS}],
            "module_calls": {
                "endpoint": {
                    "source": "../modules/endpoint",
                    "expressions": EXPRESSIONS,
                    "module": {"resources": [{"address": "aws_s3_bucket.this", "expressions": EXPRESSIONS}]},
                }
            },
        }
    },
}
RULE = {
    "id": "CKV_LLM_1",
    "name": "n",
    "severity": "high",
    "reason": "r",
    "remedy": "r",
    "resources": ["aws_s3_bucket"],
    "replaces": [],
    "file": "/rules/a.py",
}
SCAN = {
    "checkov": "3.2.1",
    "rules": [RULE],
    "findings": [
        {"rule": "CKV_1", "name": "n", "resource": "a.b", "file": "/a.tf", "lines": [0, 0], "details": ["d"]}
    ],
    "passed": [["CKV_LLM_1", "a.b"]],
    "unreadable": [],
    "resources": 1,
    "problems": [[None, "m"]],
}
STATUS = CloudStatus("http://127.0.0.1:1", "i", 1, 0.5, 1.0, 1, "c", 1.0, empty=True)
METRICS = {
    "message": "m",
    "level": "ERROR",
    "_aws": {"CloudWatchMetrics": [{"Dimensions": [["Model"]], "Metrics": [{"Name": "Tokens"}]}]},
    "Model": "a",
    "Tokens": 3,
}
CLI_CONFIG = {
    "credentials": {"app.terraform.io": {"token": "t"}},
    "plugin_cache_dir": "/cache",
    "provider_installation": {"direct": {"exclude": ["a"]}},
}
# Errors of readers whose callers skip the document, show it as it is, or report the failed check.
HANDLED = (DamagedError, FailedError, completions.BrokenStreamError)


def read_outputs(directory: Path, content: bytes) -> None:
    """Outputs arrive in a state, which is read first."""
    state = state_file.parse(
        b'{"version": 4, "serial": 1, "lineage": "", "resources": [], "outputs": '
        b'{"all": {"value": ' + content + b"}}}",
        "state",
    )
    values = state.outputs["all"]
    context: Any = SimpleNamespace(
        state=State(outputs=values if isinstance(values, dict) else {}),
        state_uri="s3://bucket/key",
        environment=SimpleNamespace(name="dev", account_id="1"),
        access=SimpleNamespace(endpoint_url=None),
    )
    outputs.read(context)
    outputs.deployed_models(context.state.outputs)


def read_state(directory: Path, content: bytes) -> None:
    state_file.parse(content, "s3://bucket/key")
    assert not measured.Resources.of_state(content, "s3://bucket/key", "store").deployed
    code = FunctionCode("f.zip", "digest", 1, "now")
    updated = lambda_state.write(content, "s3://bucket/key", {"f": code})
    if updated is not None:
        state_file.parse(updated, "s3://bucket/key")


def read_plan_archive(directory: Path, content: bytes) -> None:
    with zipfile.ZipFile(directory / "plan", "w") as archive:
        archive.writestr(manifest.MANIFEST, content)
        for name, member in CONTENTS.items():
            archive.writestr(name, member)
    manifest.read(directory / "plan", "plan")


def read_plan(directory: Path, content: bytes) -> None:
    """As `toolkit policy check` and the report use it."""
    file = directory / "plan.json"
    file.write_bytes(content)
    plan = plan_document.read(file)
    assert plan is not None
    plan_document.resolve_references(plan)
    PlanSources(plan, directory, Sources()).block(RESOURCE["address"])
    summarize(plan, Subject("dev", "1", "r"), "1 to add", has_changes=True)


def read_cli_config(directory: Path, content: bytes) -> None:
    file = directory / "terraform.rc"
    file.write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CLI_CONFIG_FILE", str(file))
        cli_config.read_user_config(program.Program(("terraform",), "Terraform", "1.11.4", "linux", "PATH"))


def at(name: str, reader: Callable[[Path], object]) -> Callable[[Path, bytes], None]:
    """A reader of a file below a directory."""

    def read(directory: Path, content: bytes) -> None:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        reader(directory)

    return read


def read_state_version(directory: Path, content: bytes) -> None:
    with zipfile.ZipFile(directory / "plan.tfplan", "w") as archive:
        archive.writestr("tfstate", content)
    Plan(directory / "plan.tfplan", True, False, Counts(), (), ()).state_version()


def read_config(_: Path, content: bytes) -> None:
    with suppress(UnknownArchitectureError):
        config.read(content)


def of(kind: type[object]) -> Callable[[Path, bytes], None]:
    return lambda _, content: documents.parse(content, kind) and None


def text(content: bytes) -> str:
    return content.decode(errors="replace")


def packed(content: bytes) -> bytes:
    """A zip file with a member `tfstate`."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tfstate", content)
        archive.writestr("\u00e9.py", "pass")
    return file.getvalue()


@dataclass(frozen=True)
class Reader:
    """A document and its reader.

    Attributes:
        valid: a document that it accepts.
        read: reads one, with a directory for files.
        fatal: whether damage may be an error; otherwise the reader has a default.
    """

    valid: Any
    read: Callable[[Path, bytes], Any]
    fatal: bool = True


STORED = Manifest("a", "s3://b/a/", {"hub": "o/a"}, "5" * 40, (StoredFile("f", 1, SHA256),), "now", "arn")
READERS = {
    "state": Reader(STATE, read_state),
    "outputs of a state": Reader(OUTPUTS, read_outputs),
    "output of terraform output": Reader(STATE["outputs"], of(dict[str, state_file.Output])),
    "message of Terraform": Reader(
        {"type": "planned_change", "change": {"resource": {"addr": "a.b"}, "action": "create"}},
        lambda _, content: Transcript().feed(text(content)),
        fatal=False,
    ),
    "response of a fleet": Reader(
        {"model": "m@5"}, lambda _, content: judgement._name_in(content), fatal=False
    ),
    "log line of a request": Reader(
        {"message": "request", "key_name": "k", "model": "m", "status": 200, "prompt_tokens": 1},
        lambda _, content: Collector(("key",)).add(0, text(content)),
        fatal=False,
    ),
    "lock": Reader(LOCK, lambda _, content: str(LockInfo.from_json(content)), fatal=False),
    "holder of a file lock": Reader(
        {"pid": 2**22 + 1, "command": "toolkit apply", "since": "now"},
        at("lock", lambda directory: locks._read_holder(directory / "lock")),
        fatal=False,
    ),
    "manifest of a saved plan": Reader(manifest_of(CONTENTS), read_plan_archive),
    "state in Terraform's plan": Reader({"lineage": "l", "serial": 1}, read_state_version),
    "plan in JSON": Reader(PLAN, read_plan),
    "plan of another process": Reader(
        {"summary": "1 to add", "dangers": []},
        at("plan.json", lambda directory: parallel._read(directory / "plan.json")),
        fatal=False,
    ),
    "reviewed plan": Reader(
        {"fingerprints": {"commit": "0123"}, "summary": "1 to add"},
        at("plan.json", lambda directory: reviewed.read(directory / "plan.json")),
    ),
    "comments of GitHub": Reader(
        [{"id": 1, "html_url": "u", "body": None, "user": {"type": "Bot"}, "number": 1}],
        of(list[github._Post]),
    ),
    "error of GitHub": Reader(
        {"message": "Not Found"},
        lambda _, content: github._reason(httpx.Response(404, content=content)),
        False,
    ),
    "release": Reader(
        asdict(release_of(b"zip")),
        lambda _, content: Release.from_json(content, "s3://b/dev/releases/000000.json"),
    ),
    "expiry of an environment": Reader(
        {
            "environment": "dev",
            "applied_at": "2026-12-01T04:00:00+00:00",
            "expires_at": "2026-12-04T04:00:00+00:00",
            "file": "target: local\n",
            "variables": "",
        },
        lambda _, content: expiry.parse(content, "dev", "s3://b/dev/expiry.json"),
    ),
    "evidence of a release": Reader(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": RECORD, "digest": {"sha256": SHA256}}],
            "predicateType": RELEASE_TYPE,
            "predicate": {"environment": "dev", "release": 1},
        },
        lambda _, content: evidence._statement(Envelope.of(content, [])).digests,
    ),
    "result of a smoke test": Reader(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": RECORD, "digest": {"sha256": SHA256}}],
            "predicateType": TEST_RESULT_TYPE,
            "predicate": {
                "smokeTest": asdict(SmokeTestResult(1, True, "now", "arn", {"e": "c"}, [{"ok": True}]))
            },
        },
        lambda _, content: read_smoke_test(Envelope.of(content, [])).digests,
    ),
    "envelope": Reader(
        json.loads(Envelope.of(b"{}", [Signature("", "c2ln")]).to_json()),
        lambda _, content: Envelope.from_json(content).content,
    ),
    "benchmark": Reader(
        json.loads(records.dumps(benchmark((1,), requests=2))),
        lambda _, content: records.loads(
            content, InputError("cannot read", where="a.json", remedy="measure again")
        ),
    ),
    "manifest of staged weights": Reader(asdict(STORED), lambda _, content: Manifest.from_json(content).size),
    "output of checkov": Reader(SCAN, of(Scan)),
    "listing of the hub": Reader(
        {
            "sha": "5" * 40,
            "siblings": [
                {"rfilename": "a", "size": 1, "blobId": "6" * 40},
                {"rfilename": "b", "size": 1, "blobId": "6" * 40, "lfs": {"sha256": SHA256, "size": 1}},
            ],
        },
        of(_Listing),
    ),
    "configuration of a model": Reader(
        json.loads((ROOT / "tests/toolkit/serving/memory/models/gemma-3-27b.json").read_bytes()), read_config
    ),
    "latency of a benchmark": Reader(
        {"stages": [{"time_to_first_token": {"p50": 0.3}, "time_per_output_token": {"p50": 0.02}}]},
        of(latency.Benchmark),
    ),
    "index of safetensors": Reader({"metadata": {"total_size": 2}}, of(_Index)),
    "Terraform's CLI configuration": Reader(CLI_CONFIG, read_cli_config),
    "record of the embedded cloud": Reader(
        asdict(Record(4711, 2**22 + 1, "i", "c", 1.0)),
        at("cloud.json", lambda directory: Folder(directory).read()),
        fatal=False,
    ),
    "status of the embedded cloud": Reader(STATUS.to_json(), of(CloudStatus)),
    "versions of Terraform programs": Reader(
        {"terraform|1|2": "Terraform v1.11.4"},
        at("versions.json", lambda directory: program._read_cache(directory / "versions.json")),
        fatal=False,
    ),
    "record of terraform init": Reader(
        {"backend": {"config": {"bucket": "b", "key": "k"}}},
        at("terraform.tfstate", init_cache.state_location),
        fatal=False,
    ),
    "record of a built package": Reader(
        {"inputs": "i", "sha256": SHA256},
        at("gateway.json", lambda directory: package._up_to_date(directory / "gateway.json", "i")),
        fatal=False,
    ),
    "history of an alarm": Reader(
        {"version": "1.0", "newState": {"stateValue": "ALARM", "stateReason": "r"}}, of(verify._HistoryData)
    ),
    "completion": Reader(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "one"}}], "model": "m"},
        lambda _, content: replies.completion(content),
    ),
    "embedding": Reader(
        {"data": [{"index": 0, "embedding": [0.5, 1]}], "model": "m"},
        lambda _, content: replies.embedding(content),
    ),
    "ranking": Reader(
        {"results": [{"index": index, "relevance_score": 0.5} for index in (0, 1)], "model": "m"},
        lambda _, content: replies.ranking(content),
    ),
    "chunk of a stream": Reader(
        {
            "model": "m",
            "choices": [{"delta": {"content": "one"}, "finish_reason": None}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1},
        },
        lambda _, content: completions._chunk(text(content)),
    ),
    "list of models": Reader({"data": [{"id": "m"}]}, of(session._Models)),
    "request of the chat's page": Reader(
        {
            "settings": {"model": "m", "system": "s", "temperature": 0.5, "max_tokens": 9},
            "messages": [{"role": "user", "content": "one"}],
        },
        of(session.Request),
    ),
    "chunk of an endpoint's stream": Reader(
        {"choices": [{"delta": {"content": "one"}, "finish_reason": "stop"}]},
        lambda _, content: replies.Stream().read([b"data: " + content.replace(b"\n", b" ")]),
    ),
    "models of the API": Reader(
        {"data": [{"id": "m", "object": "model"}]},
        lambda _, content: documents.parse(content, access.ModelList),
    ),
    "error of the API": Reader(
        {"error": {"message": "m", "type": "server_error", "param": None, "code": "internal_error"}},
        lambda _, content: causes.code_of(httpx.Response(500, content=content)),
        fatal=False,
    ),
    "models of the gateway": Reader(
        {"m": {"endpoint": "llm-x-m", "dialect": "tei", "capabilities": ["rerank"], "max_tokens_ceiling": 9}},
        lambda _, content: documents.parse(content, function.Models),
    ),
    "line of a log": Reader(
        METRICS,
        lambda _, content: (
            logs.as_line(LogEvent("gateway", 0, text(content)), 9).encode(),
            json.loads(logs.as_json(LogEvent("gateway", 0, text(content)))),
        ),
        fatal=False,
    ),
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples share."""
    return tmp_path_factory.mktemp("documents")


def test_other_modules_do_not_parse_documents() -> None:
    """Except for requests to the embedded cloud, which it answers with the errors of AWS."""
    modules = {
        file.relative_to(ROOT / "toolkit").as_posix(): file for file in (ROOT / "toolkit").rglob("*.py")
    }
    parsers = {name for name, file in modules.items() if PARSING.search(file.read_text(encoding="utf-8"))}
    assert {name for name in parsers if not name.startswith("local/")} == PARSERS.keys()


@pytest.mark.parametrize("name", READERS)
def test_a_valid_document_is_read(tmp_path: Path, name: str) -> None:
    READERS[name].read(tmp_path, json.dumps(READERS[name].valid).encode())


def handle(reader: Reader, directory: Path, content: bytes) -> None:
    """Read a document, or require an error with its place and a documented exit code."""
    try:
        reader.read(directory, content)
    except HANDLED as damage:
        assert reader.fatal and str(damage)
    except PreflightError as error:
        # Incomplete outputs are not damage: the environment has to be applied.
        assert reader.read is read_outputs and error.remedy
    except ToolkitError as error:
        assert reader.fatal
        assert error.exit_code in (2, 5, 9)
        assert error.where
        assert error.remedy or error.exit_code == 5


@pytest.mark.parametrize("name", READERS)
def test_a_member_may_be_missing_or_of_another_type(directory: Path, name: str) -> None:
    for document in variations(READERS[name].valid):
        handle(READERS[name], directory, json.dumps(document).encode())


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_document_is_read_or_refused_with_its_place(directory: Path, name: str) -> None:
    @hypothesis.given(content=damaged(READERS[name].valid))
    def check(content: bytes) -> None:
        handle(READERS[name], directory, content)

    check()


def compressed_by(method: int) -> bytes:
    """A zip file whose directory says so wrongly."""
    content = bytearray(packed(b'{"lineage": "l", "serial": 1}'))
    content[content.index(b"PK\x01\x02") + 10] = method
    return bytes(content)


@hypothesis.settings(max_examples=4 * hypothesis.settings.default.max_examples)
@hypothesis.example(compressed_by(zipfile.ZIP_DEFLATED))
@hypothesis.example(compressed_by(zipfile.ZIP_BZIP2))
@hypothesis.example(compressed_by(zipfile.ZIP_LZMA))
@hypothesis.given(content=damaged_bytes(packed(b'{"lineage": "l", "serial": 1}')))
def test_a_damaged_archive_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file, whole = (tmp_path_factory.getbasetemp() / name for name in ("damaged.zip", "whole.zip"))
    file.write_bytes(content)
    whole.write_bytes(packed(b""))
    difference(file, whole)
    plan_document._is_toolkit_plan(content)
    try:
        assert Plan(file, True, False, Counts(), (), ()).state_version() in [("l", 1), ("", 0), ("", 1)]
    except TerraformError as error:
        assert error.details and error.where == str(file)


def test_too_large_a_document_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "endless"
    file.symlink_to("/dev/zero")
    content = documents.load(file)
    assert len(content) == documents.MAX_BYTES + 1
    with pytest.raises(DamagedError, match="larger than 65536 KiB"):
        documents.parse(content, dict[str, Any])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"version": 4, "version": 4}', "version: occurs twice in an object"),
        (b'{"version": NaN}', "NaN is not JSON"),
        (b'{"serial": 1e999}', "the number 1e999 is too large"),
        (b'{"serial": ' + b"1" * 6000 + b"}", f"the number {'1' * 20}… is too large"),
        (b'{\n"version": 4,\n}', "line 3: not JSON"),
        (b'{\n"lineage": "\\ud800"}', "line 2: not JSON"),
        (b'{"version": 4}\x00', "line 1: not JSON"),
        (b"\xff", "line 1: byte 0xFF is not UTF-8"),
        ('{"version": 4}'.encode("utf-16"), "line 1: byte 0xFF is not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b"[" * 500 + b"]" * 500, "recursion limit exceeded"),
        (json.dumps({**STATE, "resources": None}).encode(), "resources: should be a valid array"),
        (json.dumps({**STATE, "serial": "7"}).encode(), "serial: should be a valid integer"),
        (json.dumps({**STATE, "serial": 2**64}).encode(), "serial: should be less than"),
        (json.dumps({**STATE, "outputs": {"a": 1}}).encode(), "outputs.a: should be an object"),
    ],
)
def test_the_place_of_the_damage_is_shown(content: bytes, reason: str) -> None:
    with pytest.raises(TerraformError) as caught:
        state_file.parse(content, "s3://bucket/key")
    assert caught.value.exit_code == 5
    assert caught.value.where == "s3://bucket/key"
    assert reason in caught.value.details[0]


def test_a_release_under_another_number_is_refused() -> None:
    with pytest.raises(StateError, match="cannot read release 2") as caught:
        Release.from_json(release_of(b"zip", number=1).to_json(), "s3://b/dev/releases/000002.json")
    assert caught.value.details == ("number: is 1",)


@pytest.mark.parametrize("sha", ["../../etc", "", "main", 5])
def test_the_commit_of_the_hub_cannot_name_another_folder(sha: object) -> None:
    with pytest.raises(DamagedError, match="sha: "):
        documents.parse(json.dumps({"sha": sha}), _Listing)
