"""State in S3: locked, stale, interrupted, unreachable; real Terraform against moto, without a provider."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import faults
from tests.support.faults import AwsRequest, Fault, Proxy
from tests.support.interrupts import has, start, wait_for
from tests.support.patience import HANG_SECONDS
from toolkit.errors import StateError, TerraformError
from toolkit.terraform import Workspace, unstored_state

Stack = Callable[..., Workspace]

ONE = 'terraform {\n  backend "s3" {}\n}\nresource "terraform_data" "a" { input = "kept" }\n'
# The creation of the second resource lasts until a test writes to the pipe.
SLOW = (
    ONE
    + """
resource "terraform_data" "slow" {
  depends_on = [terraform_data.a]
  provisioner "local-exec" { command = "cat ../../../pipe" }
}
resource "terraform_data" "never" { depends_on = [terraform_data.slow] }
"""
)

# A reduced command of the toolkit: plan, apply, and the exit code of an error.
APPLY = """
import json, pathlib, sys
from toolkit.console import Console
from toolkit.errors import ToolkitError
from toolkit.project import Project
from toolkit.terraform import Workspace, discover
settings = json.loads(sys.argv[1])
project = Project(pathlib.Path(settings["root"]))
console = Console(interactive=False)
workspace = Workspace(
    program=discover(project, console), project=project, console=console, environment=settings["environment"],
    stack=project.stack("demo"), directory=project.environment_build(settings["env"]) / "demo",
    backend_file=pathlib.Path(settings["backend"]),
)
try:
    workspace.apply(workspace.plan())
except ToolkitError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def remote(stack: Stack, cloud: Any, backend: Path) -> Callable[[str], Workspace]:
    """Create an initialized stack whose state is in S3."""

    def make(main: str) -> Workspace:
        workspace = stack(main, environment=cloud.environment, backend_file=backend)
        workspace.init()
        return workspace

    return make


def setting(backend: Path, name: str) -> str:
    return re.findall(rf'^{name} = "(.*)"$', backend.read_text(), re.MULTILINE)[0]


def objects(cloud: Any, backend: Path) -> dict[str, Any]:
    """Return the objects with the state's prefix: the state, and the lock if it exists."""
    s3, bucket = cloud.client("s3"), setting(backend, "bucket")
    objects = s3.list_objects_v2(Bucket=bucket, Prefix=setting(backend, "key")).get("Contents", [])
    return {
        item["Key"].rpartition("/")[2]: json.load(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"])
        for item in objects
    }


def addresses(state: dict[str, Any]) -> set[str]:
    return {f"{resource['type']}.{resource['name']}" for resource in state["resources"]}


def apply_elsewhere(
    workspace: Workspace, cloud: Any, backend: Path, env: str = "test", script: str = APPLY
) -> subprocess.Popen[str]:
    root = workspace.project.root
    pipe = root / ("pipe" if env == "test" else f"pipe-{env}")
    os.mkfifo(pipe)
    settings = {"root": str(root), "backend": str(backend), "env": env}
    return start(script, json.dumps({**settings, "environment": {**cloud.environment, "PIPE": str(pipe)}}))


def log(workspace: Workspace, running: subprocess.Popen[str]) -> Path:
    return workspace.directory / f"apply.{running.pid}.log"


def lock_by_hand(cloud: Any, backend: Path) -> None:
    """Leave the lock of a plan on another machine."""
    key = setting(backend, "key")
    holder = {
        "ID": "0e6a3c5e-0000-4000-8000-000000000001",
        "Who": "ana@laptop",
        "Operation": "OperationTypePlan",
    }
    holder |= {
        "Created": "2026-11-22T10:00:00.5Z",
        "Path": f"{setting(backend, 'bucket')}/{key}",
        "Version": "1.11.4",
    }
    cloud.client("s3").put_object(
        Bucket=setting(backend, "bucket"), Key=f"{key}.tflock", Body=json.dumps(holder).encode()
    )


class TestLock:
    def test_a_held_lock_names_holder_time_and_remedy(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(SLOW)
        running = apply_elsewhere(workspace, cloud, backend)
        wait_for(has(log(workspace, running), "provision_start"), "the other apply")
        lock = objects(cloud, backend)["demo.tfstate.tflock"]

        with pytest.raises(StateError) as caught:
            workspace.plan()

        assert caught.value.exit_code == 9
        assert caught.value.message.startswith(
            f"the state is locked by {lock['Who']} since {lock['Created'][:10]}"
        )
        assert caught.value.message.endswith("(apply)")
        assert caught.value.where == f"{setting(backend, 'bucket')}/{setting(backend, 'key')}"
        assert f"force-unlock {lock['ID']}" in str(caught.value.remedy)

        (workspace.project.root / "pipe").write_text("continue\n")
        running.communicate(timeout=HANG_SECONDS)
        assert running.returncode == 0

    def test_the_remedy_releases_the_lock(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(ONE)
        lock_by_hand(cloud, backend)
        with pytest.raises(StateError, match="locked by ana@laptop since 2026-11-22 10:00:00 UTC") as caught:
            workspace.plan()
        command = str(caught.value.remedy).rpartition("clear its lock: ")[2]
        command = command.replace("force-unlock", "force-unlock -force")  # it asks for confirmation
        environment = {**os.environ, **cloud.environment}
        subprocess.run(command, shell=True, check=True, cwd=workspace.project.root, env=environment)  # noqa: S602
        assert workspace.plan().has_changes

    def test_a_missing_bucket_is_not_mistaken_for_a_lock(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(ONE)
        s3 = cloud.client("s3")
        s3.delete_bucket(Bucket=setting(backend, "bucket"))
        with pytest.raises(TerraformError, match=r"S3 bucket .* does not exist"):
            workspace.plan()


def test_a_stale_plan_is_refused(remote: Callable[[str], Workspace]) -> None:
    workspace = remote(ONE)
    plan = workspace.plan()
    workspace.apply(plan)
    with pytest.raises(StateError, match="plan is stale") as caught:
        workspace.apply(plan)
    assert caught.value.remedy == "plan again, then apply that plan"


class TestInterruption:
    def test_ctrl_c_stops_gracefully_and_stores_the_state(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(SLOW)
        running = apply_elsewhere(workspace, cloud, backend)
        wait_for(has(log(workspace, running), "provision_start"), "the slow resource")
        os.killpg(running.pid, signal.SIGINT)
        stdout, _ = running.communicate(timeout=HANG_SECONDS)

        assert running.returncode == 130
        assert "interrupted: Terraform finishes operations in progress" in stdout
        assert "terraform apply was interrupted and stopped gracefully" in stdout
        output = (workspace.directory / "apply.log").read_text()
        assert output.count("Interrupt received") == 1
        assert "Two interrupts received" not in output

        remaining = objects(cloud, backend)
        assert set(remaining) == {"demo.tfstate"}, "the lock is released"
        assert addresses(remaining["demo.tfstate"]) == {"terraform_data.a", "terraform_data.slow"}

        (workspace.stack / "main.tf").write_text(ONE)
        second = workspace.plan()
        assert {(change.address, change.action) for change in second.changes} == {
            ("terraform_data.slow", "delete")
        }

    @pytest.mark.slow
    def test_a_second_ctrl_c_stops_immediately_with_a_warning(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(SLOW)
        with cloud.gate.closed():
            running = apply_elsewhere(workspace, cloud, backend)
            output = log(workspace, running)
            wait_for(has(output, "provision_start"), "the slow resource")
            os.killpg(running.pid, signal.SIGINT)
            wait_for(cloud.gate.arrived.is_set, "the state on its way")
            os.killpg(running.pid, signal.SIGINT)
            stdout, _ = running.communicate(timeout=HANG_SECONDS)
        assert running.returncode == 130
        assert "Two interrupts received" in (workspace.directory / "apply.log").read_text()
        assert "stopping Terraform immediately" in stdout
        assert "was forced to stop; operations in progress may be missing from the state" in stdout
        with pytest.raises(StateError, match="locked"):
            workspace.plan()

    def test_sigterm_stops_gracefully_too(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(SLOW)
        running = apply_elsewhere(workspace, cloud, backend)
        wait_for(has(log(workspace, running), "provision_start"), "the slow resource")
        running.terminate()
        stdout, _ = running.communicate(timeout=HANG_SECONDS)
        assert running.returncode == 130
        assert "stopped gracefully" in stdout
        assert "terraform_data.a" in addresses(objects(cloud, backend)["demo.tfstate"])

    def test_a_killed_toolkit_leaves_terraform_to_finish(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(SLOW)
        running = apply_elsewhere(workspace, cloud, backend)
        output = log(workspace, running)
        wait_for(has(output, "provision_start"), "the slow resource")
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        (workspace.project.root / "pipe").write_text("continue\n")
        wait_for(has(output, "change_summary"), "Terraform's own end")
        wait_for(lambda: set(objects(cloud, backend)) == {"demo.tfstate"}, "the lock's release")
        assert not workspace.plan().has_changes


class TestStateThatCannotBeStored:
    def test_a_rejected_state_is_kept_and_can_be_pushed(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(SLOW)
        running = apply_elsewhere(workspace, cloud, backend)
        wait_for(has(log(workspace, running), "provision_start"), "the slow resource")
        self.delete_bucket(cloud, backend)
        (workspace.project.root / "pipe").write_text("continue\n")
        stdout, _ = running.communicate(timeout=HANG_SECONDS)

        assert running.returncode == 5
        assert not (workspace.stack / "errored.tfstate").is_file()
        (saved,) = workspace.directory.glob("errored-*.tfstate")
        assert addresses(json.loads(saved.read_text())) >= {"terraform_data.a", "terraform_data.slow"}
        assert str(workspace.project.relative(saved)) in stdout

        cloud.client("s3").create_bucket(Bucket=setting(backend, "bucket"))
        command = stdout.rpartition("is reachable, run: ")[2].strip()
        environment = {**os.environ, **cloud.environment}
        subprocess.run(command, shell=True, check=True, cwd=workspace.project.root, env=environment)  # noqa: S602
        assert not workspace.plan().has_changes

    def test_two_environments_keep_their_own_states(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(SLOW.replace("cat ../../../pipe", 'cat \\"$PIPE\\"'))
        other = replace(
            workspace,
            directory=workspace.project.environment_build("other") / "demo",
            backend_file=backend.with_name("other.tfbackend"),
        )
        assert other.backend_file
        key = setting(backend, "key")
        other.backend_file.write_text(backend.read_text().replace(key, f"{key}.other"))
        other.init()
        runs = {
            "test": (workspace, apply_elsewhere(workspace, cloud, backend)),
            "other": (other, apply_elsewhere(other, cloud, other.backend_file, "other")),
        }
        for run, process in runs.values():
            wait_for(has(log(run, process), "provision_start"), "the slow resource")
        self.delete_bucket(cloud, backend)
        slow = {}
        for env, (run, process) in runs.items():
            pipe = run.project.root / ("pipe" if env == "test" else "pipe-other")
            pipe.write_text("continue\n")
            assert process.wait(HANG_SECONDS) == 5
            (saved,) = run.directory.glob("errored-*.tfstate")
            output = (run.directory / "apply.log").read_text()
            (slow[env],) = re.findall(
                r"terraform_data.slow: Creation complete after \d+s \[id=([^\]]+)", output
            )
            assert slow[env] in saved.read_text()
        assert slow["test"] != slow["other"]

    def test_the_state_of_an_earlier_run_is_not_claimed(
        self, remote: Callable[[str], Workspace], console_output: io.StringIO
    ) -> None:
        failing = 'provisioner "local-exec" { command = "echo not this; exit 1" }'
        workspace = remote(f'{ONE}resource "terraform_data" "b" {{\n  {failing}\n}}\n')
        (workspace.stack / "errored.tfstate").write_text("the state of another environment")
        with pytest.raises(TerraformError, match="not this") as caught:
            workspace.apply(workspace.plan())
        assert "state push" not in str(caught.value)
        assert list(workspace.directory.glob("errored*")) == []
        (moved,) = workspace.project.build.glob("errored-demo-*.tfstate")
        assert moved.read_text() == "the state of another environment"
        assert workspace.project.relative(moved) in console_output.getvalue()

    def test_the_state_of_a_killed_toolkits_terraform_is_found(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path
    ) -> None:
        workspace = remote(SLOW)
        running = apply_elsewhere(workspace, cloud, backend)
        output = log(workspace, running)
        wait_for(has(output, "provision_start"), "the slow resource")
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        self.delete_bucket(cloud, backend)
        (workspace.project.root / "pipe").write_text("continue\n")
        wait_for(has(output, "Failed to persist state"), "the unstored state")
        (saved,) = unstored_state.find(workspace.directory)
        assert "terraform_data.slow" in addresses(json.loads(saved.read_text()))
        assert not output.exists()

    def test_a_pushed_state_must_continue_the_stored_one(
        self,
        remote: Callable[[str], Workspace],
        cloud: Any,
        backend: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        workspace = remote(ONE)
        workspace.apply(workspace.plan())
        stored, file = objects(cloud, backend)["demo.tfstate"], tmp_path / "pushed.tfstate"
        refused = (
            {"lineage": "0e6a3c5e-0000-4000-8000-000000000001"},
            {"serial": stored["serial"], "resources": []},
            {"serial": stored["serial"] - 1},
        )
        for change in refused:
            file.write_text(json.dumps({**stored, **change}))
            with pytest.raises(StateError, match="does not continue the stored state"):
                workspace.push_state(file)
        assert objects(cloud, backend)["demo.tfstate"] == stored
        file.write_text(json.dumps({**stored, "serial": stored["serial"] + 1, "resources": []}))
        # Errors name files relative to the working directory.
        monkeypatch.chdir(tmp_path)
        workspace.push_state(Path(file.name))
        assert objects(cloud, backend)["demo.tfstate"]["resources"] == []

    def test_a_push_past_a_lock_is_refused_with_a_remedy(
        self, remote: Callable[[str], Workspace], cloud: Any, backend: Path, tmp_path: Path
    ) -> None:
        workspace = remote(ONE)
        workspace.apply(workspace.plan())
        stored, file = objects(cloud, backend)["demo.tfstate"], tmp_path / "pushed.tfstate"
        file.write_text(json.dumps({**stored, "serial": stored["serial"] + 1}))
        lock_by_hand(cloud, backend)
        for change in (
            lambda: workspace.push_state(file),
            lambda: workspace.untaint("terraform_data.a"),
        ):
            with pytest.raises(
                StateError, match="locked by ana@laptop since 2026-11-22 10:00:00 UTC"
            ) as caught:
                change()
            assert "force-unlock 0e6a3c5e" in str(caught.value.remedy)

    @staticmethod
    def delete_bucket(cloud: Any, backend: Path) -> None:
        s3, bucket = cloud.client("s3"), setting(backend, "bucket")
        for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=item["Key"])
        s3.delete_bucket(Bucket=bucket)


def test_an_apply_whose_output_is_cut_off_is_an_error(
    remote: Callable[[str], Workspace], cloud: Any, backend: Path
) -> None:
    """Terraform ignores that the disk is full, here that its output is too large, and exits 0."""
    workspace = remote(ONE)
    limit = "import resource\n    resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))"
    limited = f"plan = workspace.plan()\n    {limit}\n    workspace.apply(plan)"
    script = APPLY.replace("workspace.apply(workspace.plan())", limited)
    running = apply_elsewhere(workspace, cloud, backend, script=script)
    output, _ = running.communicate(timeout=HANG_SECONDS)
    assert running.returncode == 5, output
    assert "the output of terraform apply is incomplete" in output
    assert f"free disk space in {workspace.directory}" in output
    assert not workspace.plan().has_changes


def break_first_read(suffix: str, fault: Fault) -> Callable[[AwsRequest], Fault | None]:
    """Fail the first request that reads an object."""

    def choose(request: AwsRequest) -> Fault | None:
        method, _, target = request.operation.partition(" ")
        reads = method == "GET" and target.partition("?")[0].endswith(suffix)
        return fault if reads and request.occurrence == 1 else None

    return choose


@pytest.fixture
def distant(remote: Callable[[str], Workspace], cloud: Any) -> Iterator[tuple[Workspace, Proxy]]:
    """An applied stack, and a proxy in front of its state."""
    workspace = remote(ONE)
    workspace.apply(workspace.plan())
    with faults.running() as proxy:
        proxy.upstream = int(cloud.environment["AWS_ENDPOINT_URL"].rpartition(":")[2])
        url = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.port}"}
        yield replace(workspace, environment={**cloud.environment, **url}), proxy


@pytest.mark.parametrize("fault", [Fault.RESET_INSIDE, Fault.SERVER_ERROR])
def test_the_state_is_read_in_spite_of_faults(distant: tuple[Workspace, Proxy], fault: Fault) -> None:
    """Terraform repeats what `drift` reads, also if a response breaks off."""
    workspace, proxy = distant
    proxy.begin(break_first_read(".tfstate", fault))
    assert not workspace.plan(refresh_only=True).drift
    assert fault in [entry.fault for entry in proxy.journal]


def test_a_lock_that_was_not_released_has_a_remedy(distant: tuple[Workspace, Proxy]) -> None:
    workspace, proxy = distant
    proxy.begin(break_first_read(".tflock", Fault.RESET_INSIDE))
    with pytest.raises(TerraformError, match="cannot release the state lock") as caught:
        replace(workspace, unlock="toolkit unlock --env test").plan(refresh_only=True)
    assert str(caught.value.remedy).endswith("toolkit unlock --env test")


def test_new_backend_settings_are_used_and_reported(
    remote: Callable[[str], Workspace], backend: Path, console_output: io.StringIO
) -> None:
    workspace = remote(ONE)
    workspace.apply(workspace.plan())
    bucket, key = setting(backend, "bucket"), setting(backend, "key")
    backend.write_text(backend.read_text().replace(key, f"{key}.other"))
    assert workspace.init() is True
    assert (
        f"the state is now in {bucket}/{key}.other; the state in {bucket}/{key} is unchanged"
        in console_output.getvalue()
    )
    assert workspace.plan().has_changes
