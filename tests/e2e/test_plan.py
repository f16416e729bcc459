"""Plans are shown, checked, saved and applied exactly, or refused with a reason."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.access import call
from tests.support.checkout import clean_environment
from tests.support.lab import STATE_KEY, Lab, opened
from toolkit.deployment import measured

pytestmark = pytest.mark.e2e
LOCK = {
    "ID": "6c1ce0d6-9d26-0a4b-7f0d-7b1f2f1d2c3e",
    "Operation": "OperationTypeApply",
    "Info": "",
    "Who": "ana@build-17",
    "Version": "1.11.4",
    "Created": "2026-11-22T10:00:00.123456Z",
    "Path": "",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """An environment applied from the saved plan `first.plan`."""
    with opened(tmp_path_factory.mktemp("lab")) as lab:
        plan = json.loads(lab.toolkit.succeed("plan", "--env", "local", "--json"))
        assert {part["part"] for part in plan["parts"]} == {"API", "model echo", "observability"}
        shutil.copy(lab.build / "plan", lab.toolkit.project / "first.plan")
        lab.toolkit.succeed("apply", "--env", "local", "--plan", "build/local/plan")
        yield lab


@pytest.fixture(autouse=True)
def as_before(lab: Lab) -> Iterator[None]:
    """Restore the applied environment file around each test."""
    yield
    lab.declare()


def refused(lab: Lab, exit_code: int, *arguments: str) -> str:
    """Return the output of a command that exits with `exit_code` and changes nothing."""
    serial = lab.state()["serial"]
    result = lab.toolkit(*arguments)
    assert result.returncode == exit_code, result.stdout + result.stderr
    assert lab.state()["serial"] == serial
    return result.stdout + result.stderr


def test_the_applied_plan_is_the_plan_that_was_shown(lab: Lab) -> None:
    planned = json.loads((lab.build / "plan.json").read_text())
    (part,) = [part for part in planned["parts"] if part["part"] == "model echo"]
    assert "new endpoint llm-local-echo starts" in part["consequences"][0]
    types = {resource["type"] for resource in lab.state()["resources"] if resource["mode"] == "managed"}
    assert {change["type"] for part in planned["parts"] for change in part["changes"]} == types - {
        "terraform_data"
    }


def test_a_plan_shows_what_it_costs(lab: Lab) -> None:
    lab.declare(
        "    capacity: {min: 1, max: 3}\n    startup_timeout_seconds: 900\n"
        "    rollout: {strategy: all_at_once, timeout_seconds: 3600}\nttl: 3d\n"
    )
    plan = json.loads(lab.toolkit.succeed("plan", "--env", "local", "--json"))
    ((change,), (rollout,)) = plan["cost_changes"]["changes"], plan["cost_changes"]["rollouts"]
    assert [(change[side]["minimum"], change[side]["maximum"]) for side in ("before", "after")] == [
        (1, 1),
        (1, 3),
    ]
    # One instance and another one for an hour.
    assert rollout["dollars"] == pytest.approx(2 * 0.214)
    assert plan["renews_expiry"]


def test_an_applied_plan_is_stale(lab: Lab) -> None:
    output = refused(lab, 9, "apply", "--env", "local", "--plan", "first.plan")
    assert "state: serial 0 when planned, 1 now" in output
    assert "environment file" not in output


def test_a_stale_plan_names_the_changed_inputs(lab: Lab) -> None:
    lab.declare("    aliases: [chat]\n")
    (lab.toolkit.project / "lambda_src" / "authorizer" / "further.py").write_text("X = 1\n")
    output = refused(lab, 9, "apply", "--env", "local", "--plan", "first.plan")
    (lab.toolkit.project / "lambda_src" / "authorizer" / "further.py").unlink()
    assert "environment file: changed" in output
    assert "Lambda code: changed" in output
    assert "Terraform code" not in output


def test_a_foreign_plan_is_refused(lab: Lab) -> None:
    lab.declare(env="other")
    output = refused(lab, 9, "apply", "--env", "other", "--plan", "first.plan")
    (lab.toolkit.project / "terraform" / "environments" / "other.yaml").unlink()
    assert "the plan was created for environment local" in output


@pytest.mark.parametrize("content", [b"", b"not a plan", b"PK\x05\x06" + b"\0" * 18])
def test_files_other_than_plans_are_refused(lab: Lab, content: bytes) -> None:
    (lab.toolkit.project / "strange.plan").write_bytes(content)
    assert "not a plan file created by `toolkit plan`" in refused(
        lab, 2, "apply", "--env", "local", "--plan", "strange.plan"
    )


def test_a_violation_is_shown_and_nothing_is_saved_or_applied(lab: Lab) -> None:
    lab.declare("    aliases: [chat]\npolicy: {fail_at: medium}\n")
    output = refused(lab, 3, "plan", "--env", "local")
    assert "terraform/modules/sagemaker_endpoint/configuration.tf:" in output
    assert "CKV_LLM_1" in output
    assert "→ Set kms_key_arn" in output
    assert not (lab.build / "plan").exists()
    assert "CKV_LLM_1" in refused(lab, 3, "apply", "--env", "local")


def test_an_endpoint_is_not_destroyed_by_accident(lab: Lab) -> None:
    lab.declare(echo="other")
    output = refused(lab, 2, "apply", "--env", "local")
    assert "endpoint llm-local-echo stops serving" in output
    assert "--allow-destroy local" in output
    lab.declare()  # the name is checked even if nothing is destroyed
    assert "names prod, not local" in refused(lab, 2, "apply", "--env", "local", "--allow-destroy", "prod")


def test_a_protected_environment_is_not_destroyed(lab: Lab) -> None:
    lab.declare("protected: true\n")
    assert "local is protected" in refused(lab, 2, "destroy", "--env", "local", "--yes")


def test_drift_lists_only_external_changes(lab: Lab) -> None:
    group = "/aws/lambda/llm-local-gateway"
    lab.aws("logs").put_retention_policy(logGroupName=group, retentionInDays=7)
    result = lab.toolkit("drift", "--env", "local", "--json")
    assert result.returncode == 8, result.stderr
    drift: dict[str, Any] = json.loads(result.stdout)
    assert drift["release"] == 1
    ((resource,)) = drift["resources"]
    assert resource["name"] == group
    assert [(d["path"], d["old"], d["new"]) for d in resource["differences"]] == [
        ("retention_in_days", "30", "7")
    ]
    lab.aws("logs").put_retention_policy(logGroupName=group, retentionInDays=30)
    assert "no drift" in lab.toolkit.succeed("drift", "--env", "local")


def test_drift_is_reverted_by_its_plan(lab: Lab) -> None:
    group = "/aws/lambda/llm-local-gateway"
    lab.aws("logs").put_retention_policy(logGroupName=group, retentionInDays=7)
    saved = ("--plan", "build/fix/plan")
    lab.declare("    aliases: [chat]\n")
    output = refused(lab, 2, "drift", "--env", "local", *saved)
    assert "is not that of release 1" in output
    assert not (lab.build.parent / "fix" / "plan").exists()
    lab.declare()
    output = refused(lab, 8, "drift", "--env", "local", *saved)
    assert "saved: `toolkit apply --env local --plan build/fix/plan` reverts the drift" in output
    plan = json.loads((lab.build.parent / "fix" / "plan.json").read_text())
    assert [change["name"] for part in plan["parts"] for change in part["changes"]] == [group]
    lab.toolkit.succeed("apply", "--env", "local", *saved)
    assert "no drift" in lab.toolkit.succeed("drift", "--env", "local", *saved)


def test_only_the_reviewed_plan_is_applied(lab: Lab) -> None:
    """A pipeline keeps plan.json, not the plan, while it waits for an approval."""
    description, reviewed = "api: {log_retention_days: 60}\n", ("--reviewed", "plan.json")
    lab.declare(description)
    lab.toolkit.succeed("plan", "--env", "local")
    shutil.move(lab.build / "plan.json", lab.toolkit.project / "plan.json")
    lab.declare(description.replace("60", "90"))
    output = refused(lab, 9, "apply", "--env", "local", *reviewed)
    assert "environment file: changed" in output
    assert "planned changes: changed" in output
    lab.declare(description)
    lab.toolkit.succeed("apply", "--env", "local", *reviewed)
    lab.declare()
    lab.toolkit.succeed("apply", "--env", "local")


def test_drift_says_when_a_function_was_changed(lab: Lab) -> None:
    functions, name = lab.aws("lambda"), "llm-local-gateway"
    before = functions.get_function_configuration(FunctionName=name)
    functions.update_function_configuration(FunctionName=name, Description="changed by hand")
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)
    drift = json.loads(lab.toolkit("drift", "--env", "local", "--json").stdout)
    functions.update_function_configuration(FunctionName=name, Description=before["Description"])
    ((resource,)) = drift["resources"]
    assert resource["name"] == name
    created = datetime.strptime(before["LastModified"], "%Y-%m-%dT%H:%M:%S.%f%z")
    assert datetime.fromisoformat(resource["modified_at"]) > created.replace(microsecond=0)


def test_a_lock_names_its_holder_and_can_be_cleared(lab: Lab) -> None:
    s3, key = lab.aws("s3"), f"{STATE_KEY}.tflock"
    s3.put_object(Bucket=lab.bucket, Key=key, Body=json.dumps(LOCK).encode())
    output = refused(lab, 9, "plan", "--env", "local")
    assert "locked by ana@build-17 since 2026-11-22 10:00:00" in output
    assert "toolkit unlock --env local" in output
    result = lab.toolkit("unlock", "--env", "local")
    assert result.returncode == 2
    assert "another machine" in result.stderr
    for damaged in (LOCK, {**LOCK, "Who": [7]}, {**LOCK, "Created": "x" * 10**6}):
        s3.put_object(Bucket=lab.bucket, Key=key, Body=json.dumps(damaged).encode())
        lab.toolkit.succeed("unlock", "--env", "local", "--yes")
        assert key not in [item["Key"] for item in s3.list_objects_v2(Bucket=lab.bucket)["Contents"]]
    assert "is not locked" in lab.toolkit("unlock", "--env", "local").stderr


@pytest.mark.parametrize(
    ("command", "exit_code", "key", "place"),
    [
        ("outputs", 5, STATE_KEY, "resources: should be a valid array"),
        ("status", 5, STATE_KEY, "outputs: should be an object"),
        ("releases", 9, "local/releases/000001.json", "packages: should be an object"),
    ],
)
def test_a_damaged_object_is_reported_with_its_place(
    lab: Lab, command: str, exit_code: int, key: str, place: str
) -> None:
    s3, member = lab.aws("s3"), place.partition(":")[0]
    whole = s3.get_object(Bucket=lab.bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=lab.bucket, Key=key, Body=json.dumps({**json.loads(whole), member: None}).encode())
    result = lab.toolkit(command, "--env", "local")
    s3.put_object(Bucket=lab.bucket, Key=key, Body=whole)
    assert result.returncode == exit_code, result.stderr
    assert f"s3://{lab.bucket}/{key}: " in result.stderr
    assert place in result.stderr
    assert "Traceback" not in result.stderr


def test_environments_are_planned_in_parallel(lab: Lab) -> None:
    environments = lab.toolkit.project / "terraform" / "environments"
    (environments / "broken.yaml").write_text("target: local\n")
    result = lab.toolkit("plan", "--env", "local,broken", "--json")
    (environments / "broken.yaml").unlink()
    assert result.returncode == 2
    plans = json.loads(result.stdout)["environments"]
    assert (plans["local"]["exit_code"], plans["local"]["plan"]["summary"]) == (0, "no changes")
    assert plans["broken"]["exit_code"] == 2
    assert "broken.yaml" in plans["broken"]["error"]


def test_a_plan_warns_of_numbers_from_another_deployment(lab: Lab) -> None:
    resources = measured.Resources.of_state(
        json.dumps(lab.state()).encode(), "state", "llm-models-123456789012-us-east-1"
    )
    subject = resources.subject(resources.deployed["echo"])
    members = "".join(f', {name}: "{getattr(subject, name)}"' for name in measured.IDENTITY)
    capacity = f"    capacity: {{measured: {{benchmark: the-id{members}}}}}\n"
    lab.declare(capacity)
    unchanged = lab.toolkit("plan", "--env", "local")
    assert unchanged.returncode == 0, unchanged.stderr
    assert "measured" not in unchanged.stdout
    lab.declare(capacity, **{"source: {": "source: {model: other, "})
    code = lab.toolkit.project / "lambda_src" / "gateway" / "further.py"
    code.write_text("X = 1\n")
    changed = lab.toolkit("plan", "--env", "local")
    code.unlink()
    assert changed.returncode == 0, changed.stderr
    (warning,) = [line for line in changed.stdout.splitlines() if "capacity.measured" in line]
    assert f"benchmark the-id measured something else (weights: {subject.weights} → other at " in warning
    assert f"gateway code: {subject.gateway} → sha256:" in warning
    assert "options" not in warning
    assert "image" not in warning
    saved = json.loads((lab.build / "plan.json").read_text())
    assert [f"warning: {text}" for text in saved["warnings"]] == [warning]
    assert "capacity" in (lab.build / "plan.md").read_text()


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "toolkit", *arguments],
        cwd=project,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_plan_on_aws_shows_what_aws_will_refuse(lab: Lab) -> None:
    """The account is the lab's, reached as AWS is."""
    lab.declare(
        "account_id: '123456789012'\n",
        env="prod",
        **{
            "target: local": "target: aws",
            f'server: "{lab.engine.url}"': "s3: 's3://llm-models-123456789012-us-east-1/none/'",
        },
    )
    cloud = lab.toolkit.cloud
    quota = {"region": "us-east-1", "service": "sagemaker", "name": "ml.c7i.xlarge for endpoint usage"}
    call(cloud, "/_toolkit/quotas", {**quota, "value": 1})
    key_id, secret = cloud.root_key
    variables = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret}
    try:
        planned = lab.toolkit(
            "plan", "--env", "prod", "--json", AWS_ENDPOINT_URL=cloud.endpoint_url, **variables
        )
    finally:
        call(cloud, "/_toolkit/quotas", {**quota, "value": 1000})
    assert planned.returncode in (0, 3), planned.stderr
    warnings = json.loads(planned.stdout)["warnings"]
    assert any(text.startswith("weights: echo: nothing is at s3://") for text in warnings)
    (quotas,) = (text for text in warnings if text.startswith("quota: "))
    assert "1 run, echo starts 1, so 2 are needed; run `aws service-quotas " in quotas
    assert not any(text.startswith(("rights", "account")) for text in warnings)


def test_drift_reports_a_deleted_endpoint(lab: Lab) -> None:
    """The next test creates it again."""
    sagemaker, endpoint = lab.aws("sagemaker"), "llm-local-echo"
    sagemaker.delete_endpoint(EndpointName=endpoint)
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName=endpoint)
    result = lab.toolkit("drift", "--env", "local", "--json")
    assert result.returncode == 8, result.stderr
    deleted = [row["name"] for row in json.loads(result.stdout)["resources"] if row["action"] == "destroy"]
    assert endpoint in deleted


def test_of_two_concurrent_applies_one_waits_or_fails(lab: Lab) -> None:
    """The last test of this file: its apply is not undone."""
    lab.declare("    aliases: [chat]\n")
    before = lab.state()
    apply = ["apply", "--env", "local"]
    running = [start(lab.toolkit.project, *apply, *waiting) for waiting in ([], ["--lock-timeout", "5m"], [])]
    ended = [(process.communicate()[0], process.returncode) for process in running]
    assert {code for _, code in ended} <= {0, 9}, ended
    assert 0 in [code for _, code in ended]
    refused = [output for output, code in ended if code == 9]
    assert all("in use on this machine: `toolkit apply`" in output for output in refused), refused
    after = lab.state()
    assert after["lineage"] == before["lineage"]
    assert after["serial"] > before["serial"]
    assert '"chat"' in json.dumps(after).replace("\\", "")
