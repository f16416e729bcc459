"""Orphans of an interrupted apply: resources by name and tags, imported or deleted."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import front
from tests.support.cloud import create_role
from tests.support.contexts import opened
from tests.support.handlers import handling
from toolkit.aws import state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.deployment.context import Context
from toolkit.deployment.recovery import cleanup, imports, registry
from toolkit.deployment.recovery.orphans import OwnedResources
from toolkit.terraform import Change, Counts, Plan

ROLE = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/llama-cpp:server-sagemaker-cpu-v1"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
ALLOW = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}


def tags(env: str) -> list[dict[str, str]]:
    """Return the stack's default_tags."""
    return [{"Key": key, "Value": value} for key, value in {**front.tags(env), "team": "x"}.items()]


Open = Callable[[str], Context]


@pytest.fixture
def context(account: AwsAccess, tmp_path: Path) -> Open:
    """Open an environment with the model `m.x`."""
    return functools.cache(lambda env: opened(tmp_path / env, account, ("m.x",), env).context)


def plan(*addresses: str, action: str = "create") -> Plan:
    changes = tuple(Change(address, action, address.split(".")[-2]) for address in addresses)
    return Plan(Path("plan"), True, False, Counts(), changes, ())


def model(account: AwsAccess, name: str, env: str | None) -> None:
    create_role(account.iam)
    account.sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={"Image": IMAGE},
        Tags=tags(env) if env else [],  # type: ignore[arg-type]
    )


def role(account: AwsAccess, env: str) -> None:
    name = f"llm-{env}-gateway"
    account.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=tags(env))  # type: ignore[arg-type]


MODEL = 'module.endpoint["m.x"].aws_sagemaker_model.this["{}"]'


def test_existing_resources_that_a_plan_creates_are_imported(
    account: AwsAccess, context: Open, tmp_path: Path
) -> None:
    model(account, "llm-adopt-m-x-0a", "adopt")
    account.iam.create_role(RoleName="llm-adopt-gateway", AssumeRolePolicyDocument=TRUST, Tags=tags("adopt"))  # type: ignore[arg-type]
    account.logs.create_log_group(logGroupName="/aws/lambda/llm-adopt-gateway")
    api_tags = {tag["Key"]: tag["Value"] for tag in tags("adopt")}
    api = account.apigateway.create_rest_api(name="llm-adopt", tags=api_tags)["id"]
    plans = {
        name: account.apigateway.create_usage_plan(name=name, tags=api_tags)["id"]
        for name in ("llm-adopt", "llm-adopt-partner-a")
    }
    resources = imports.find(
        context("adopt"),
        plan(
            MODEL.format("0a"),
            MODEL.format("0b"),  # not there
            'module.endpoint["m.x"].aws_sagemaker_endpoint.this[0]',
            'module.api.aws_iam_role.function["gateway"]',
            'module.api.aws_cloudwatch_log_group.this["gateway"]',
            "module.api.aws_lambda_function.gateway[0]",
            "module.api.aws_api_gateway_rest_api.this[0]",
            "module.api.aws_api_gateway_stage.this[0]",
            'module.api.aws_api_gateway_usage_plan.this["default"]',
            'module.api.aws_api_gateway_usage_plan.this["partner-a"]',
            "module.somewhere.aws_else.this[0]",
        ),
    )
    variables = json.loads(imports.write(resources, tmp_path).read_text())["imports"]
    assert variables == {
        "module.endpoint.aws_sagemaker_model.this": [{"id": "llm-adopt-m-x-0a", "model": "m.x", "key": "0a"}],
        "module.api.aws_iam_role.function": [{"id": "llm-adopt-gateway", "key": "gateway"}],
        "module.api.aws_cloudwatch_log_group.this": [
            {"id": "/aws/lambda/llm-adopt-gateway", "key": "gateway"}
        ],
        "module.api.aws_api_gateway_rest_api.this": [{"id": api, "key": "0"}],
        "module.api.aws_api_gateway_usage_plan.this": [
            {"id": plans["llm-adopt"], "key": "default"},
            {"id": plans["llm-adopt-partner-a"], "key": "partner-a"},
        ],
    }
    assert "importing sagemaker model llm-adopt-m-x-0a" in imports.describe(resources)[0]


@pytest.mark.parametrize("env", [None, "other"])
def test_resources_of_other_owners_are_ignored(account: AwsAccess, context: Open, env: str | None) -> None:
    name = f"llm-mine-m-x-{env or 'untagged'}".lower()
    model(account, name, env)
    address = MODEL.format(name.rpartition("-")[2])
    assert imports.find(context("mine"), plan(address)) == []
    assert registry.find_orphans(context("mine"), {}) == []


def test_resources_in_the_state_are_not_looked_up(account: AwsAccess, context: Open) -> None:
    model(account, "llm-known-m-x-0a", "known")
    assert imports.find(context("known"), plan(MODEL.format("0a"), action="update")) == []


def test_orphans_of_a_destroy_are_listed_and_removed(account: AwsAccess, context: Open) -> None:
    model(account, "llm-rest-m-x-0a", "rest")
    model(account, "llm-rest-m-x-0b", "rest")
    model(account, "llm-rest-eu-m-x-0a", "rest-eu")  # of the environment `rest-eu`, whose prefix is longer
    role(account, "rest")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [ALLOW]})
    account.iam.put_role_policy(RoleName="llm-rest-gateway", PolicyName="run", PolicyDocument=policy)
    opened = context("rest")
    state = {"aws_sagemaker_model": frozenset({"llm-rest-m-x-0b"})}
    for name in ("llm-rest", "llm-rest-eu"):
        body = json.dumps({"widgets": [{"properties": {"metrics": [["N", "F", f"{name}-gateway"]]}}]})
        account.cloudwatch.put_dashboard(DashboardName=name, DashboardBody=body)
    labels = {tag["Key"]: tag["Value"] for tag in tags("rest")}
    # Of a model that the environment file no longer has, and of another environment.
    account.logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/llm-rest-removed", tags=labels)
    account.logs.create_log_group(logGroupName="/aws/sagemaker/Endpoints/llm-rest-eu-m")
    assert [str(orphan) for orphan in registry.find_orphans(opened, state)] == [
        "model llm-rest-m-x-0a",
        "dashboard llm-rest",
        "role llm-rest-gateway",
        "log group /aws/sagemaker/Endpoints/llm-rest-removed",
    ]
    for orphan in registry.find_orphans(opened, {}):
        orphan.remove()
    assert registry.find_orphans(opened, {}) == []
    assert account.sagemaker.describe_model(ModelName="llm-rest-eu-m-x-0a")
    assert account.cloudwatch.get_dashboard(DashboardName="llm-rest-eu")


BUDGET = "api: {usage_plans: {default: {tokens: {per_minute: 1}}}}\n"
TABLE = "module.api.aws_dynamodb_table.budgets[0]"


@pytest.mark.parametrize("env", ["own", "untagged"])
def test_a_table_of_budgets_is_imported_or_removed(account: AwsAccess, tmp_path: Path, env: str) -> None:
    context = opened(tmp_path, account, ("m",), env, BUDGET).context
    assert imports.find(context, plan(TABLE)) == registry.find_orphans(context, {}) == []
    name = f"llm-{env}-budgets"
    account.dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "api_key", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "api_key", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        **({"Tags": tags(env)} if env == "own" else {}),
    )
    ours = [f"table {name}"] if env == "own" else []
    assert [resource.id for resource in imports.find(context, plan(TABLE))] == [name] * len(ours)
    orphans = registry.find_orphans(context, {})
    assert [str(orphan) for orphan in orphans] == ours
    for orphan in orphans:
        orphan.remove()
    assert registry.find_orphans(context, {}) == []
    assert (name in account.dynamodb.list_tables()["TableNames"]) is (env == "untagged")


def test_a_dashboard_of_another_owner_is_ignored(account: AwsAccess, context: Open) -> None:
    account.cloudwatch.put_dashboard(DashboardName="llm-board", DashboardBody=json.dumps({"widgets": []}))
    assert registry.find_orphans(context("board"), {}) == []


def scaled(account: AwsAccess, env: str, variant: str, project: str = "llm") -> str:
    """A scalable target with a policy, its alarms, and a schedule."""
    resource = f"endpoint/{project}-{env}-m-x/variant/{variant}"
    key: Any = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": resource,
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    labels = {tag["Key"]: tag["Value"] for tag in tags(env)}
    account.autoscaling.register_scalable_target(**key, MinCapacity=1, MaxCapacity=4, Tags=labels)
    metric: Any = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    account.autoscaling.put_scaling_policy(
        **key,
        PolicyName="tracking",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 8,
            "PredefinedMetricSpecification": metric,
        },
    )
    account.autoscaling.put_scheduled_action(
        **key,
        ScheduledActionName="day",
        Schedule="cron(0 8 * * ? *)",
        ScalableTargetAction={"MinCapacity": 2},
    )
    return resource


def test_a_scalable_target_without_a_state_is_imported(account: AwsAccess, context: Open) -> None:
    scaled(account, "target", "Ours")
    account.autoscaling.register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/llm-target-m-x/variant/Theirs",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=1,
        MaxCapacity=1,
    )
    owned = OwnedResources(context("target"))
    imported = owned.registered_target("endpoint/llm-target-m-x/variant/Ours")
    assert imported == "sagemaker/endpoint/llm-target-m-x/variant/Ours/sagemaker:variant:DesiredInstanceCount"
    assert owned.registered_target("endpoint/llm-target-m-x/variant/Theirs") is None
    assert owned.registered_target("endpoint/llm-target-m-x/variant/None") is None


def test_scaling_of_orphaned_endpoints_is_deleted_too(account: AwsAccess, context: Open) -> None:
    orphan, managed = (scaled(account, "scaled", variant) for variant in ("Left", "Known"))
    neighbours = {
        scaled(account, "scaled-eu", "Other"),
        scaled(account, "scaled", "Other", project="other"),
    }
    opened = context("scaled")
    resources = registry.find_orphans(opened, {"aws_appautoscaling_target": frozenset({managed})})
    assert [str(resource) for resource in resources] == [f"scalable target {orphan}"]
    for _ in range(2):  # as another command may have done meanwhile
        resources[0].remove()

    autoscaling = account.autoscaling
    targets = autoscaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    policies = autoscaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    actions = autoscaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    for rows in (targets, policies, actions):
        remaining = {row["ResourceId"] for row in rows if "-scaled-" in row["ResourceId"]}
        assert remaining == {managed, *neighbours}
    alarms = account.cloudwatch.describe_alarms(AlarmNamePrefix=f"TargetTracking-{orphan}")["MetricAlarms"]
    assert alarms == []


def deployment(account: AwsAccess, api: str, description: str, **stage: str) -> str:
    created = account.apigateway.create_deployment(restApiId=api, description=description, **stage)  # type: ignore[arg-type]
    return created["id"]


def test_api_deployments_that_no_stage_serves_are_deleted(account: AwsAccess, context: Open) -> None:
    gateway, opened = account.apigateway, context("superseded")
    api = gateway.create_rest_api(name="llm-superseded")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    kept = {
        deployment(account, api, "OpenAPI document 0a", stageName="live"),
        deployment(account, api, "by hand"),
    }
    recorded = deployment(account, api, "OpenAPI document 0b")
    superseded = deployment(account, api, "OpenAPI document 0a")
    ids = {"aws_api_gateway_rest_api": [api], "aws_api_gateway_deployment": [recorded]}
    store(account, opened, ids)

    cleanup.remove_superseded_deployments(opened)
    remaining = {item["id"] for item in gateway.get_deployments(restApiId=api)["items"]}
    assert remaining == {*kept, recorded}
    assert superseded not in remaining


def store(account: AwsAccess, opened: Context, ids: dict[str, list[str]]) -> None:
    """Store a state with these resources."""
    resources = [
        {
            "mode": "managed",
            "type": kind,
            "name": "this",
            "instances": [{"attributes": {"id": id_}} for id_ in of_kind],
        }
        for kind, of_kind in ids.items()
    ]
    state = {"version": 4, "lineage": "x", "serial": 1, "outputs": {}, "resources": resources}
    environment = opened.environment
    state_bucket.ensure(account, environment.state_bucket)
    content = json.dumps(state).encode()
    state_bucket.write(account, environment.state_bucket, environment.state_key, content)


def test_log_groups_of_many_models_take_one_request(account: AwsAccess, context: Open) -> None:
    for number in range(60):  # more than a page
        account.logs.create_log_group(logGroupName=f"/aws/sagemaker/Endpoints/llm-many-m{number}")
    requests: list[str] = []
    count = lambda model, **_: requests.append(model.name)  # noqa: E731 - a handler
    block = 'module.endpoint["{}"].aws_cloudwatch_log_group.this[0]'
    planned = plan(*(block.format(f"m{number}") for number in range(50, 70)))
    with handling(account.logs, "before-call", count):
        resources = imports.find(context("many"), planned)
    assert [resource.id[-3:] for resource in resources] == [f"m{number}" for number in range(50, 60)]
    assert requests == ["DescribeLogGroups"] * 2


def served_api(account: AwsAccess, env: str) -> str:
    """Create an API of the environment with a stage."""
    gateway = account.apigateway
    owned = {tag["Key"]: tag["Value"] for tag in tags(env)}
    api = gateway.create_rest_api(name=f"llm-{env}", tags=owned)["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
    deployment(account, api, "OpenAPI document 0a", stageName="live")
    return api


def test_a_stage_is_that_of_the_api_in_the_state(account: AwsAccess, context: Open) -> None:
    # AWS executed CreateRestApi twice, because the response was lost.
    apis = [served_api(account, "twice") for _ in range(3)]
    for api in apis:
        recorded = {"aws_api_gateway_rest_api": frozenset([api])}
        planned = plan("module.api.aws_api_gateway_stage.this[0]")
        resources = imports.find(context("twice"), planned, recorded=recorded)
        assert [resource.id for resource in resources] == [f"{api}/live"]


def test_models_that_no_later_apply_imports_are_deleted(account: AwsAccess, context: Open) -> None:
    env = "later"
    sagemaker, environment = account.sagemaker, context(env)
    recorded, orphan, serving, foreign = (f"llm-{env}-m-{key}" for key in ("0a", "0b", "0c", "0d"))
    for name in (recorded, orphan, serving, foreign):
        owner = None if name == foreign else env
        model(account, name, owner)
        sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {
                    "VariantName": "AllTraffic",
                    "ModelName": name,
                    "InstanceType": "ml.c7i.xlarge",
                    "InitialInstanceCount": 1,
                }
            ],
            Tags=tags(env) if owner else [],  # type: ignore[arg-type]
        )
    # As after an update that SageMaker has rolled back.
    sagemaker.create_endpoint(EndpointName=f"llm-{env}-m", EndpointConfigName=serving)
    state = {
        "aws_sagemaker_model": [recorded],
        "aws_sagemaker_endpoint_configuration": [recorded],
        "aws_sagemaker_endpoint": [f"llm-{env}-m"],
    }
    store(account, environment, state)

    def existing() -> list[set[str]]:
        models = sagemaker.list_models(NameContains=f"llm-{env}", MaxResults=100)["Models"]
        configurations = sagemaker.list_endpoint_configs(NameContains=f"llm-{env}")["EndpointConfigs"]
        return [
            {item["ModelName"] for item in models},
            {item["EndpointConfigName"] for item in configurations},
        ]

    # An apply elsewhere may be creating what is younger than this one.
    cleanup.remove_superseded(environment, seconds=3600)
    assert existing() == [{recorded, orphan, serving, foreign}] * 2

    cleanup.remove_superseded(environment, seconds=-60)
    assert existing() == [{recorded, serving, foreign}] * 2


def test_apis_that_no_later_apply_imports_are_deleted(account: AwsAccess, context: Open) -> None:
    env = "later-api"
    gateway, environment = account.apigateway, context(env)
    labels: Any = {tag["Key"]: tag["Value"] for tag in tags(env)}
    bare = gateway.create_rest_api(name=f"llm-{env}", tags=labels)["id"]
    apis = [served_api(account, env) for _ in range(2)]
    plans = []
    for api in (apis[0], apis[0], apis[1]):
        stage: Any = {"apiId": api, "stage": "live"}
        plans.append(gateway.create_usage_plan(name=f"llm-{env}", apiStages=[stage], tags=labels)["id"])
    key = gateway.create_api_key(name=f"{env}-key", enabled=True)["id"]
    gateway.create_usage_plan_key(usagePlanId=plans[2], keyId=key, keyType="API_KEY")
    store(
        account,
        environment,
        {"aws_api_gateway_rest_api": [apis[0]], "aws_api_gateway_usage_plan": [plans[0]]},
    )

    def existing() -> list[set[str]]:
        resources: Any = (gateway.get_rest_apis(limit=500), gateway.get_usage_plans(limit=500))
        return [{item["id"] for item in page["items"] if item["name"] == f"llm-{env}"} for page in resources]

    # An apply elsewhere may be creating what is younger than this one. Usage plans have no date.
    cleanup.remove_superseded(environment, seconds=3600)
    assert existing() == [{bare, *apis}, {plans[0], plans[2]}]

    cleanup.remove_superseded(environment, seconds=-60)
    assert existing() == [set(apis), {plans[0], plans[2]}]
