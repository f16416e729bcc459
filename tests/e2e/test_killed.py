"""kill -9 of an apply at any moment, and of the embedded cloud: the next apply recovers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import openai
import psutil
import pytest

from tests.support.checkout import clean_environment
from tests.support.interrupts import kill_children
from tests.support.lab import STATE_KEY, Lab, opened
from tests.support.patience import HANG_SECONDS

pytestmark = pytest.mark.e2e
# `toolkit apply` without review and policies, which change nothing and take half of the time.
APPLY = """
from toolkit.console import Console
from toolkit.deployment import lifecycle, locks, prepare
from toolkit.deployment.context import open_context
# A provider that was started while its parents were killed still ends by itself.
context = open_context("local", Console(), start_cloud=True, lock_timeout=60)
with locks.exclusive(context):
    lifecycle.deploy(context, prepare.environment_file(context))
"""
STEP = re.compile(r": (created|updated|destroyed) \(")
# Number of finished resources after which each apply is killed; each continues where the last one stopped.
# The first ones are in the account's stack, the others in the environment's.
POINTS = (0, 5, 9, 2, 6)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with opened(tmp_path_factory.mktemp("lab")) as lab:
        # The cloud starts first, so that only the apply is killed.
        lab.toolkit.succeed("local", "up")
        yield lab


def begin(lab: Lab, steps: int) -> tuple[subprocess.Popen[str], int]:
    """Start an apply and wait for a number of finished resources; returns the process and the number."""
    process = subprocess.Popen(
        [sys.executable, "-c", APPLY],
        cwd=lab.toolkit.project,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    done, output = 0, []
    for line in process.stderr:
        output.append(line)
        done += bool(STEP.search(line))
        if done >= max(steps, 1) or (steps == 0 and line.startswith("terraform apply")):
            break
    assert process.poll() is None, "".join(output)
    return process, done


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


def kill_after(lab: Lab, steps: int) -> None:
    """Kill an apply with its child processes after a number of finished resources."""
    process, _ = begin(lab, steps)
    kill_children(process)
    kill(process)


def locks(lab: Lab) -> list[str]:
    """Return the keys of the state locks."""
    rows = lab.aws("s3").list_objects_v2(Bucket=lab.bucket).get("Contents", [])
    return [row["Key"] for row in rows if row["Key"].endswith(".tflock")]


def clear_locks(lab: Lab) -> None:
    """Clear the locks like `toolkit unlock`, in this process."""
    for key in locks(lab):
        lab.aws("s3").delete_object(Bucket=lab.bucket, Key=key)


def served_models(lab: Lab) -> list[str]:
    """Return the models that the API lists."""
    outputs = json.loads(lab.toolkit.succeed("outputs", "--env", "local", "--json"))
    key = lab.toolkit.succeed("keys", "show", "default", "--env", "local").strip()
    client = openai.OpenAI(base_url=outputs["api_base_url"], api_key=key)
    return [model.id for model in client.models.list()]


@pytest.mark.timeout(1500)
def test_a_killed_apply_names_the_command_that_clears_its_lock(lab: Lab) -> None:
    refused = None
    for number, steps in enumerate(POINTS):
        kill_after(lab, steps)
        if number and refused is None and locks(lab):
            refused = lab.toolkit("apply", "--env", "local")
            assert refused.returncode == 9, refused.stderr
            assert "the state is locked by" in refused.stderr
            (unlock,) = re.findall(r"toolkit (unlock [^\n]+)", refused.stderr)
            unlocked = lab.toolkit(*unlock.split(), "--yes")
            assert unlocked.returncode == 0, unlocked.stderr
            assert "no command of this checkout is running" in unlocked.stderr
        else:
            clear_locks(lab)
    assert refused is not None


@pytest.mark.timeout(900)
def test_an_apply_completes_after_kills_at_any_point(lab: Lab) -> None:
    # Only the toolkit is killed: its Terraform continues, and the next apply waits for it.
    process, done = begin(lab, 1)
    assert done
    kill(process)
    waited = lab.toolkit("apply", "--env", "local", "--lock-timeout", "5m")
    assert waited.returncode == 0, waited.stderr
    assert "no changes" in lab.toolkit.succeed("plan", "--env", "local")
    gateway = lab.aws("apigateway")
    assert [api["name"] for api in gateway.get_rest_apis()["items"]] == ["llm-local"]
    assert [plan["name"] for plan in gateway.get_usage_plans()["items"]] == ["llm-local"]
    sagemaker = lab.aws("sagemaker")
    (endpoint,) = sagemaker.list_endpoints()["Endpoints"]
    assert endpoint["EndpointStatus"] == "InService"
    assert len(sagemaker.list_models()["Models"]) == 1
    assert json.loads(lab.toolkit.succeed("releases", "--env", "local", "--json"))[0]["number"] == 1


def test_a_state_that_was_not_stored_is_pushed_as_advised(lab: Lab) -> None:
    lab.toolkit.succeed("apply", "--env", "local")
    newer = {**lab.state(), "serial": lab.state()["serial"] + 1}
    file = lab.build / "inference" / "errored-20261130T093600Z.tfstate"
    file.write_text(json.dumps(newer))
    refused = lab.toolkit("drift", "--env", "local")
    assert refused.returncode == 9, refused.stderr
    (push,) = re.findall(r"toolkit (state push [^;]+);", refused.stderr)
    lab.toolkit.succeed(*push.split())
    assert lab.state()["serial"] >= newer["serial"]
    assert not file.exists()


def test_damaged_objects_are_restored_as_documented(lab: Lab) -> None:
    lab.toolkit.succeed("apply", "--env", "local")
    s3, whole = lab.aws("s3"), lab.state()
    bucket, release = lab.bucket, "local/releases/000001.json"
    s3.put_object(Bucket=bucket, Key=STATE_KEY, Body=json.dumps(whole).encode()[:2000])
    damaged = lab.toolkit("outputs", "--env", "local")
    assert damaged.returncode == 5
    assert f"s3://{bucket}/{STATE_KEY}" in damaged.stderr
    assert "(docs/how-to/restore.md)" in damaged.stderr

    _, earlier, *_ = s3.list_object_versions(Bucket=bucket, Prefix=STATE_KEY)["Versions"]
    file = lab.build / "earlier.tfstate"
    s3.download_file(bucket, STATE_KEY, str(file), ExtraArgs={"VersionId": earlier["VersionId"]})
    lab.toolkit.succeed("state", "push", "--env", "local", str(file))
    assert lab.state() == whole
    assert "no changes" in lab.toolkit.succeed("plan", "--env", "local")

    s3.put_object(Bucket=bucket, Key=release, Body=b"{")
    assert lab.toolkit("releases", "--env", "local").returncode == 9
    _, earlier = s3.list_object_versions(Bucket=bucket, Prefix=release)["Versions"]
    source = {"Bucket": bucket, "Key": release, "VersionId": earlier["VersionId"]}
    s3.copy_object(Bucket=bucket, Key=release, CopySource=source)
    assert "arn:aws:iam::123456789012:root" in lab.toolkit.succeed("releases", "--env", "local")


def test_an_apply_fills_a_state_that_has_lost_its_resources(lab: Lab) -> None:
    """Each resource of the stack is imported, or creating it again is as good."""
    lab.toolkit.succeed("apply", "--env", "local")
    state = lab.state()
    empty = {**state, "serial": state["serial"] + 1, "resources": [], "outputs": {}}
    lab.aws("s3").put_object(Bucket=lab.bucket, Key=STATE_KEY, Body=json.dumps(empty).encode())
    lab.toolkit.succeed("apply", "--env", "local")
    assert "no changes" in lab.toolkit.succeed("plan", "--env", "local")
    assert len(lab.state()["resources"]) == len(state["resources"])


def test_a_killed_cloud_ends_its_processes_and_is_restored(lab: Lab) -> None:
    lab.toolkit.succeed("apply", "--env", "local")
    # Starts the functions.
    assert served_models(lab) == ["echo"]
    cloud = json.loads(lab.toolkit.succeed("local", "status", "--json"))
    assert {process["kind"] for process in cloud["processes"]} == {"function", "model"}
    processes = psutil.Process(cloud["pid"]).children(recursive=True)

    os.kill(cloud["pid"], signal.SIGKILL)
    # No model server or function remains.
    _, alive = psutil.wait_procs(processes, timeout=HANG_SECONDS)
    assert alive == []
    refused = lab.toolkit("smoke-test", "--env", "local")
    assert refused.returncode == 4
    assert "make apply ENV=local" in refused.stderr

    lab.toolkit.succeed("apply", "--env", "local")
    assert served_models(lab) == ["echo"]

    refused = lab.toolkit("destroy", "--env", "local")
    assert refused.returncode == 2  # a pipe cannot confirm
    lab.toolkit.succeed("destroy", "--env", "local", "--yes")
    remaining = json.loads(lab.toolkit.succeed("local", "status", "--json"))
    assert [remaining[kind] for kind in ("endpoints", "functions", "apis", "processes")] == [[], [], [], []]
    for command in ("outputs", "drift"):
        refused = lab.toolkit(command, "--env", "local", "--json")
        assert refused.returncode == 4, refused.stderr
        assert refused.stdout == ""
