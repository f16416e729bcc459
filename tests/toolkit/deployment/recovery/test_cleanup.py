"""The clean-up after an apply: what it may delete, and what its failure means."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cloud import Engine, Hosting
from tests.support.contexts import deployed, opened, recorded_requests, unchanged
from tests.support.front import tags
from toolkit.aws import state_bucket, state_lock
from toolkit.aws.access import AwsAccess
from toolkit.deployment import lifecycle, releases
from toolkit.deployment.context import Context
from toolkit.deployment.outputs import DeployedModel
from toolkit.deployment.recovery import cleanup, registry


def bootstrapped(account: AwsAccess, directory: Path, env: str) -> Context:
    """Open an environment with a state bucket."""
    context = opened(directory, account, env=env).context
    state_bucket.ensure(account, context.environment.state_bucket)
    return context


def usage_plan(account: AwsAccess, env: str, **labels: str) -> str:
    name = f"llm-{env}"
    return account.apigateway.create_usage_plan(name=name, tags={**tags(env), **labels})["id"]


def usage_plans(account: AwsAccess) -> set[str]:
    return {plan["id"] for plan in account.apigateway.get_usage_plans(limit=500)["items"]}


def test_usage_plans_of_another_project_stay(account: AwsAccess, tmp_path: Path) -> None:
    """Two projects of an account may each have an environment `shared`."""
    context = bootstrapped(account, tmp_path, "shared")
    owned, foreign = usage_plan(account, "shared"), usage_plan(account, "shared", deployment="chat-shared")
    assert [orphan.id for orphan in registry.find_orphans(context, {})] == [owned]
    cleanup.remove_superseded(context, seconds=0)
    assert usage_plans(account) & {owned, foreign} == {foreign}


def test_what_an_apply_elsewhere_creates_stays(account: AwsAccess, tmp_path: Path) -> None:
    environment = opened(tmp_path, account, env="elsewhere")
    context = environment.context
    unchanged(environment, {})
    assert context.state.ids == {}
    # The other apply records its plan and leaves another one behind.
    recorded, orphan = usage_plan(account, "elsewhere"), usage_plan(account, "elsewhere")
    bucket, key = context.environment.state_bucket, context.environment.state_key
    state = json.loads(account.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    instance = {"attributes": {"id": recorded}}
    state["resources"] = [
        {"mode": "managed", "type": cleanup.USAGE_PLAN, "name": "this", "instances": [instance]}
    ]
    with state_lock.held(account, bucket, key, "apply"):
        cleanup.remove_superseded(context, seconds=0)
        assert {recorded, orphan} <= usage_plans(account)
        account.s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(state))
    cleanup.remove_superseded(context, seconds=0)
    assert usage_plans(account) & {recorded, orphan} == {recorded}
    assert state_lock.read(account, bucket, key) is None


def test_only_endpoints_of_the_environment_are_described(
    account: AwsAccess, hosting: Hosting, engine: Engine, tmp_path: Path
) -> None:
    """Deployers may not describe those of the project `my-llm`, and configurations can be deleted."""
    context = bootstrapped(account, tmp_path, "alike")
    names = ["llm-alike-m", "my-llm-alike-m"]
    for name in names:
        configuration = hosting.configuration(container=engine.container)
        hosting.endpoint(configuration, name)
        hosting.settled(name)
    serving = account.sagemaker.describe_endpoint(EndpointName="llm-alike-m")["EndpointConfigName"]
    account.sagemaker.delete_endpoint_config(EndpointConfigName=serving)
    orphan = usage_plan(account, "alike")
    with recorded_requests(account) as requests:
        cleanup.remove_superseded(context, seconds=0)
    assert requests.names == ["llm-alike-m"]
    assert orphan not in usage_plans(account)


@pytest.fixture
def serving(hosting: Hosting, engine: Engine) -> DeployedModel:
    """A model in service; once the cloud enforces IAM, its role would have to exist."""
    configuration = hosting.configuration(container=engine.container)
    endpoint = hosting.endpoint(configuration, "llm-unclean-m")
    hosting.settled(endpoint)
    return deployed(endpoint, configuration)


def test_a_failed_clean_up_does_not_fail_the_apply(
    hosting: Hosting, serving: DeployedModel, unprivileged: AwsAccess, tmp_path: Path
) -> None:
    user = unprivileged.sts.get_caller_identity()["Arn"].rpartition("/")[2]
    allow: dict[str, Any] = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    statements = [allow, {**allow, "Effect": "Deny", "Action": "sagemaker:ListModels"}]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    hosting.aws("iam").put_user_policy(UserName=user, PolicyName="most", PolicyDocument=document)
    environment = opened(tmp_path, unprivileged, env="unclean")
    prepared = replace(unchanged(environment, {"m": serving}), began=time.monotonic())
    lifecycle.deploy(environment.context, prepared)
    latest = releases.of(environment.context).latest()
    assert latest is not None
    assert latest.number == 1
    text = "\n".join(environment.stderr_lines)
    assert "warning: cannot delete what an interrupted apply left: " in text
    assert "sagemaker:ListModels" in text
    assert environment.stderr_lines[-1] == "the next apply tries again"
