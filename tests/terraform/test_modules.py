"""Plans of the modules' examples, and of disabled modules."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gateway.metrics import _UNITS, NAMESPACE

from tests.support.terraform import ACCOUNT, Planned, Rig, show, statements

pytestmark = pytest.mark.slow

EXAMPLES = """
variable "packages" {
  type = object({ gateway = string, authorizer = string })
}

provider "aws" {
  region = "us-east-1"
}

module "bucket_baseline" {
  source = "../../modules/bucket_baseline/examples/basic"
}

module "model_store" {
  source = "../../modules/model_store/examples/basic"
}

module "execution_role" {
  source = "../../modules/execution_role/examples/basic"
}

module "deployer_policies" {
  source = "../../modules/deployer_policies/examples/basic"
}

module "ci_roles" {
  source = "../../modules/ci_roles/examples/basic"
}

module "sagemaker_endpoint" {
  source = "../../modules/sagemaker_endpoint/examples/basic"
}

module "api_logging" {
  source = "../../modules/api_logging/examples/basic"
}

module "observability" {
  source = "../../modules/observability/examples/basic"
}

module "inference_api" {
  source   = "../../modules/inference_api/examples/basic"
  packages = var.packages
}
"""

FURTHER_MODULES = """
module "off_bucket_baseline" {
  source  = "../../modules/bucket_baseline"
  enabled = false
  bucket  = "off"
}

module "off_model_store" {
  source  = "../../modules/model_store"
  enabled = false
  bucket  = "off"
}

module "off_execution_role" {
  source             = "../../modules/execution_role"
  enabled            = false
  region             = "us-east-1"
  account_id         = "123456789012"
  model_store_bucket = "off"
}

module "off_deployer_policies" {
  source   = "../../modules/deployer_policies"
  enabled  = false
  policies = { off = { description = "off", document = "{}" } }
}

module "off_ci_roles" {
  source      = "../../modules/ci_roles"
  enabled     = false
  account_id  = "123456789012"
  policy_arns = {}
  roles = {
    off = {
      issuer   = "off.example.com"
      audience = "off"
      subjects = ["repo:off/off:ref:refs/heads/main"]
      policies = ["off"]
    }
  }
}

module "off_sagemaker_endpoint" {
  source             = "../../modules/sagemaker_endpoint"
  enabled            = false
  name               = "off"
  execution_role_arn = "arn:aws:iam::123456789012:role/off"
  variants           = { off = { image = "off", instance_type = "ml.c7i.large", capacity = { max = 2 } } }
}

module "off_api_logging" {
  source     = "../../modules/api_logging"
  enabled    = false
  name       = "off"
  region     = "us-east-1"
  account_id = "123456789012"
}

module "off_observability" {
  source  = "../../modules/observability"
  enabled = false
  name    = "off"
  region  = "us-east-1"
  api     = { name = "off", stage = "off", gateway = "off" }
  cost_alarms = {
    emails    = ["a@example.com"]
    monthly   = { amount = 1 }
    anomalies = { minimum_impact = 1 }
  }
}

module "bare_observability" {
  source    = "../../modules/observability"
  name      = "bare"
  region    = "us-east-1"
  api       = { name = "bare", stage = "live", gateway = "bare-gateway" }
  alarms    = { server_error_percent = null }
  dashboard = true
  cost_alarms = {
    topic_arn = "arn:aws:sns:us-east-1:123456789012:spending"
    anomalies = { minimum_impact = 1, monitor_arn = "arn:aws:ce::123456789012:anomalymonitor/a" }
  }
}

module "off_inference_api" {
  source     = "../../modules/inference_api"
  enabled    = false
  name       = "off"
  region     = "us-east-1"
  account_id = "123456789012"
  models     = {}
  gateway    = { package = "does-not-exist.zip" }
  authorizer = { package = "does-not-exist.zip" }
}

module "pipelines" {
  source             = "../../modules/ci_roles"
  account_id         = "123456789012"
  existing_providers = ["gitlab.example.com"]
  policy_arns        = { viewer = "arn:aws:iam::123456789012:policy/viewer" }
  roles = {
    deploy = {
      issuer   = "token.actions.githubusercontent.com"
      audience = "sts.amazonaws.com"
      subjects = [
        "repo:example/llm:ref:refs/heads/release/*",
        "repo:example@123456/llm@456789:environment:production",
      ]
      policies = ["viewer"]
    }
    viewer = {
      issuer   = "gitlab.example.com"
      audience = "https://gitlab.example.com"
      subjects = ["project_path:example/llm:ref_type:branch:ref:main"]
      policies = ["viewer"]
    }
    agent = {
      principals = ["arn:aws:iam::123456789012:root"]
      policies   = ["viewer"]
    }
  }
}

module "granted" {
  source             = "../../modules/execution_role"
  region             = "us-east-1"
  account_id         = "123456789012"
  model_store_bucket = "models"

  grants = {
    write_s3_uris      = ["s3://models/batch/async/"]
    topic_arns         = ["arn:aws:sns:us-east-1:123456789012:responses"]
    kms_key_arns       = ["arn:aws:kms:us-east-1:123456789012:key/k"]
    subnet_ids         = ["subnet-a", "subnet-b"]
    security_group_ids = ["sg-a"]
  }
}

module "given_execution_role" {
  source             = "../../modules/execution_role"
  role               = { arn = "arn:aws:iam::123456789012:role/teams/OurRole" }
  region             = "us-east-1"
  account_id         = "123456789012"
  model_store_bucket = "off"
}

output "off" {
  value = [
    module.off_model_store.bucket, module.off_execution_role.arn, module.off_sagemaker_endpoint.endpoint_name,
    module.off_inference_api.api_id, module.off_inference_api.functions, module.off_inference_api.log_groups,
    module.off_inference_api.usage_plan_ids,
  ]
}

output "given" {
  value = [module.given_execution_role.arn, module.given_execution_role.name]
}
"""

BASELINE = {
    "aws_s3_bucket_lifecycle_configuration.this[0]",
    "aws_s3_bucket_ownership_controls.this[0]",
    "aws_s3_bucket_policy.this[0]",
    "aws_s3_bucket_public_access_block.this[0]",
    "aws_s3_bucket_server_side_encryption_configuration.this[0]",
    "aws_s3_bucket_versioning.this[0]",
}


@pytest.fixture(scope="module")
def planned(rig: Rig, packages: dict[str, str]) -> Planned:
    """A single plan for all tests, because starting the provider takes most of the time."""
    return show(rig.workspace(rig.root("modules", EXAMPLES + FURTHER_MODULES), {"packages": packages}))


def test_a_disabled_module_plans_nothing(planned: Planned) -> None:
    assert [address for address in planned.changes if address.startswith("module.off_")] == []
    assert planned.output("off") == [None, None, None, None, {}, {}, {}]


def test_an_existing_role_is_not_created(planned: Planned) -> None:
    assert planned.addresses("module.given_execution_role") == set()
    assert planned.output("given") == ["arn:aws:iam::123456789012:role/teams/OurRole", "OurRole"]


def test_ci_roles_trust_only_their_jobs_or_principals(planned: Planned) -> None:
    module = "module.pipelines"
    roles = ("deploy", "viewer", "agent")
    assert planned.addresses(module) == {
        'aws_iam_openid_connect_provider.this["token.actions.githubusercontent.com"]',
        *(f'aws_iam_role.this["{role}"]' for role in roles),
        *(f'aws_iam_role_policy_attachment.this["{role}/viewer"]' for role in roles),
    }
    trust = planned.policy(f'{module}.aws_iam_role.this["agent"]', "assume_role_policy")
    assert trust == {
        "TrustPrincipals": {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole"],
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        }
    }
    trust = planned.policy(f'{module}.aws_iam_role.this["deploy"]', "assume_role_policy")
    provider = "arn:aws:iam::123456789012:oidc-provider"
    assert trust["TrustRepositoryJobs"] == {
        "Effect": "Allow",
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Principal": {"Federated": f"{provider}/token.actions.githubusercontent.com"},
        "Condition": {
            "StringEquals": {"token.actions.githubusercontent.com:aud": "sts.amazonaws.com"},
            "StringLike": {
                "token.actions.githubusercontent.com:sub": [
                    "repo:example/llm:ref:refs/heads/release/*",
                    "repo:example@123456/llm@456789:environment:production",
                ]
            },
        },
    }
    trust = planned.policy(f'{module}.aws_iam_role.this["viewer"]', "assume_role_policy")
    assert trust["TrustRepositoryJobs"]["Principal"] == {"Federated": f"{provider}/gitlab.example.com"}
    assert trust["TrustRepositoryJobs"]["Condition"] == {
        "StringEquals": {
            "gitlab.example.com:aud": "https://gitlab.example.com",
            "gitlab.example.com:sub": "project_path:example/llm:ref_type:branch:ref:main",
        }
    }


def test_policies_contain_the_given_documents(planned: Planned) -> None:
    module = "module.deployer_policies.module.deployer_policies"
    (statement,) = planned.policy(f'{module}.aws_iam_policy.this["example-viewer"]').values()
    assert statement["Action"] == ["sagemaker:DescribeEndpoint"]


def test_bucket_baseline_expires_old_versions(planned: Planned) -> None:
    module = "module.bucket_baseline.module.baseline"
    assert planned.addresses(module) == BASELINE
    rules = planned.values(f"{module}.aws_s3_bucket_lifecycle_configuration.this[0]")["rule"]
    assert [rule["abort_incomplete_multipart_upload"] for rule in rules] == [
        [{"days_after_initiation": 7}],
        [],
    ]
    assert rules[1]["noncurrent_version_expiration"][0]["noncurrent_days"] == 14


def test_model_store_is_private_versioned_and_encrypted(planned: Planned) -> None:
    module = "module.model_store.module.model_store"
    assert planned.addresses(module) == {
        "aws_s3_bucket.this[0]",
        *(f"module.baseline.{address}" for address in BASELINE),
    }
    baseline = f"{module}.module.baseline"
    block = planned.values(f"{baseline}.aws_s3_bucket_public_access_block.this[0]")
    assert {name for name, value in block.items() if value is True} == {
        "block_public_acls",
        "block_public_policy",
        "ignore_public_acls",
        "restrict_public_buckets",
    }
    versioning = planned.values(f"{baseline}.aws_s3_bucket_versioning.this[0]")
    assert versioning["versioning_configuration"][0]["status"] == "Enabled"
    encryption = planned.values(f"{baseline}.aws_s3_bucket_server_side_encryption_configuration.this[0]")
    (default,) = encryption["rule"][0]["apply_server_side_encryption_by_default"]
    assert default["sse_algorithm"] == "AES256"
    bucket = "arn:aws:s3:::example-models-123456789012-us-east-1"
    assert planned.policy(f"{baseline}.aws_s3_bucket_policy.this[0]") == {
        "DenyInsecureTransport": {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:*"],
            "Resource": [bucket, f"{bucket}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    }


def test_execution_role_has_only_the_needed_permissions(planned: Planned) -> None:
    module = "module.execution_role.module.execution_role"
    assert planned.addresses(module) == {"aws_iam_role.this[0]", "aws_iam_role_policy.this[0]"}
    role = planned.values(f"{module}.aws_iam_role.this[0]")
    assert role["name"] == "HuggingfaceExecuteRole"
    assert statements(role["assume_role_policy"]) == {
        "": {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": ["sts:AssumeRole"],
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }
    }
    bucket = "arn:aws:s3:::example-models-123456789012-us-east-1"
    allowed = planned.policy(f"{module}.aws_iam_role_policy.this[0]")
    assert {sid: (s["Action"], s["Resource"]) for sid, s in allowed.items()} == {
        "ReadModels": (["s3:GetObject"], [f"{bucket}/*"]),
        "ListModels": (["s3:GetBucketLocation", "s3:ListBucket"], [bucket]),
        "PullImages": (
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            ["arn:aws:ecr:us-east-1:*:repository/*"],
        ),
        "LogInToRegistriesAnyResource": (["ecr:GetAuthorizationToken"], ["*"]),
        "WriteLogs": (
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            ["arn:aws:logs:us-east-1:123456789012:log-group:/aws/sagemaker/*"],
        ),
        "PublishMetricsAnyResource": (["cloudwatch:PutMetricData"], ["*"]),
        "WatchRolloutAlarms": (
            ["cloudwatch:DescribeAlarms"],
            ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:*"],
        ),
    }
    assert {s["Effect"] for s in allowed.values()} == {"Allow"}
    assert allowed["PublishMetricsAnyResource"]["Condition"] == {
        "StringLike": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/*"]}
    }


def test_grants_are_limited_to_the_given_resources(planned: Planned) -> None:
    allowed = planned.policy("module.granted.aws_iam_role_policy.this[0]")
    plain = planned.policy("module.execution_role.module.execution_role.aws_iam_role_policy.this[0]")
    assert set(plain) < set(allowed)
    ec2 = "arn:aws:ec2:us-east-1:123456789012"
    subnets = [f"{ec2}:subnet/subnet-a", f"{ec2}:subnet/subnet-b"]
    key = "arn:aws:kms:us-east-1:123456789012:key/k"
    granted = {sid: s["Resource"] for sid, s in allowed.items() if sid not in plain}
    assert granted == {
        "WriteResponsesAndCapturedData": ["arn:aws:s3:::models/batch/async/*"],
        "NotifyTopics": ["arn:aws:sns:us-east-1:123456789012:responses"],
        "UseKeys": [key],
        "GrantKeysToAwsServices": [key],
        "CreateNetworkInterfaces": [
            f"{ec2}:network-interface/*",
            f"{ec2}:security-group/sg-a",
            *subnets,
        ],
        "ManageNetworkInterfaces": [f"{ec2}:network-interface/*"],
        "ReadNetworksAnyResource": ["*"],
    }
    assert allowed["WriteResponsesAndCapturedData"]["Action"] == ["s3:AbortMultipartUpload", "s3:PutObject"]
    # Network interfaces in these subnets only, key grants for AWS services only.
    limits = {sid: s["Condition"] for sid, s in allowed.items() if sid in granted and "Condition" in s}
    assert limits == {
        "ManageNetworkInterfaces": {"ArnEquals": {"ec2:Subnet": subnets}},
        "GrantKeysToAwsServices": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    }


def test_api_gateway_can_write_logs(planned: Planned) -> None:
    module = "module.api_logging.module.api_logging"
    role = planned.values(f"{module}.aws_iam_role.this[0]")
    assert role["name"] == "example-us-east-1-api-logs"
    assert statements(role["assume_role_policy"])[""]["Principal"] == {"Service": "apigateway.amazonaws.com"}
    allowed = planned.policy(f"{module}.aws_iam_role_policy.this[0]")
    assert allowed["WriteLogs"]["Resource"] == ["arn:aws:logs:us-east-1:123456789012:*"]
    assert f"{module}.aws_api_gateway_account.this[0]" in planned.changes


def test_alarms_exist_only_with_a_threshold(planned: Planned) -> None:
    module = "module.observability.module.observability"
    alarms = {
        change["after"]["alarm_name"]: change["after"]
        for address, change in planned.changes.items()
        if address.startswith(f"{module}.aws_cloudwatch_metric_alarm.")
    }
    errors = alarms.pop("example-dev-api-server-errors")
    assert (errors["metric_name"], errors["statistic"], errors["threshold"]) == ("5XXError", "Average", 0.02)
    assert errors["dimensions"] == {"ApiName": "example-dev", "Stage": "live"}
    first = alarms.pop("example-dev-api-time-to-first-token")
    assert (first["namespace"], first["extended_statistic"]) == ("InferenceGateway", "p99")
    assert first["threshold"] == 5000
    assert alarms == {}
    for alarm in (errors, first):
        assert alarm["alarm_actions"] == ["arn:aws:sns:us-east-1:123456789012:on-call"]
        assert alarm["treat_missing_data"] == "notBreaching"


def test_the_dashboard_shows_gateway_and_endpoint_metrics(planned: Planned) -> None:
    def metrics(module: str) -> set[tuple[str, str]]:
        body = json.loads(planned.values(f"{module}.aws_cloudwatch_dashboard.this[0]")["dashboard_body"])
        assert all(widget["properties"]["region"] == "us-east-1" for widget in body["widgets"])
        positions = [(widget["x"], widget["y"]) for widget in body["widgets"]]
        assert len(set(positions)) == len(positions)
        return {(m[0], m[1]) for widget in body["widgets"] for m in widget["properties"]["metrics"]}

    charted = metrics("module.observability.module.observability")
    assert charted >= {(NAMESPACE, name) for name in _UNITS}
    assert charted >= {("AWS/ApiGateway", "5XXError"), ("AWS/Lambda", "Throttles")}
    assert ("/aws/sagemaker/Endpoints", "GPUUtilization") in charted
    # Without models there are no graphs for them: CloudWatch rejects empty graphs.
    assert {namespace for namespace, _ in metrics("module.bare_observability")} == {
        "InferenceGateway",
        "AWS/ApiGateway",
        "AWS/Lambda",
    }
    assert planned.addresses("module.bare_observability") == {
        "aws_cloudwatch_dashboard.this[0]",
        'aws_ce_anomaly_subscription.this["topic"]',
    }


def test_an_existing_anomaly_monitor_is_subscribed_to(planned: Planned) -> None:
    """Member accounts of an organization cannot create one for a tag."""
    subscription = planned.values('module.bare_observability.aws_ce_anomaly_subscription.this["topic"]')
    assert subscription["monitor_arn_list"] == ["arn:aws:ce::123456789012:anomalymonitor/a"]
    assert subscription["frequency"] == "IMMEDIATE"


API = "module.inference_api.module.api"


def test_inference_api_creates_api_functions_and_logs(planned: Planned) -> None:
    assert planned.addresses(API) == {
        "aws_api_gateway_deployment.this[0]",
        "aws_api_gateway_method_settings.all[0]",
        "aws_api_gateway_rest_api.this[0]",
        "aws_api_gateway_stage.this[0]",
        'aws_api_gateway_usage_plan.this["default"]',
        'aws_cloudwatch_log_group.this["access"]',
        'aws_cloudwatch_log_group.this["authorizer"]',
        'aws_cloudwatch_log_group.this["gateway"]',
        'aws_iam_role.function["authorizer"]',
        'aws_iam_role.function["gateway"]',
        'aws_iam_role_policy.function["authorizer"]',
        'aws_iam_role_policy.function["gateway"]',
        "aws_lambda_function.authorizer[0]",
        "aws_lambda_function.gateway[0]",
        "aws_lambda_permission.authorizer[0]",
        "aws_lambda_permission.gateway[0]",
    }


def test_the_gateway_runs_with_the_web_adapter(planned: Planned) -> None:
    gateway = planned.values(f"{API}.aws_lambda_function.gateway[0]")
    assert (gateway["handler"], gateway["runtime"], gateway["timeout"]) == ("run.sh", "python3.13", 900)
    assert gateway["layers"] == ["arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerArm64:30"]
    variables = gateway["environment"][0]["variables"]
    assert json.loads(variables.pop("GATEWAY_MODELS")) == {
        "qwen3-8b": {"endpoint": "example-dev-qwen3-8b", "aliases": ["default"]}
    }
    assert variables == {
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap",
        "AWS_LWA_INVOKE_MODE": "response_stream",
        "AWS_LWA_READINESS_CHECK_PATH": "/healthz",
        "PORT": "8080",
        "GATEWAY_KEEPALIVE_SECONDS": "30",
        "GATEWAY_LOG_CONTENT": "false",
    }


def test_the_api_is_throttled_and_does_not_log_content(planned: Planned) -> None:
    settings = planned.values(f"{API}.aws_api_gateway_method_settings.all[0]")["settings"][0]
    assert (settings["throttling_rate_limit"], settings["throttling_burst_limit"]) == (50, 100)
    assert (settings["logging_level"], settings["data_trace_enabled"]) == ("OFF", False)


def test_functions_have_only_the_needed_permissions(planned: Planned) -> None:
    def own_log(function: str) -> dict[str, Any]:
        group = f"arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/example-dev-{function}:*"
        actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
        return {"Effect": "Allow", "Action": actions, "Resource": [group]}

    assert planned.policy(f'{API}.aws_iam_role_policy.function["authorizer"]') == {
        "WriteOwnLog": own_log("authorizer")
    }
    assert planned.policy(f'{API}.aws_iam_role_policy.function["gateway"]') == {
        "WriteOwnLog": own_log("gateway"),
        "InvokeEndpoints": {
            "Effect": "Allow",
            "Action": ["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"],
            "Resource": ["arn:aws:sagemaker:us-east-1:123456789012:endpoint/example-dev-qwen3-8b"],
        },
    }
    for function in ("authorizer", "gateway"):
        role = planned.values(f'{API}.aws_iam_role.function["{function}"]')
        (trust,) = json.loads(role["assume_role_policy"])["Statement"]
        assert trust["Principal"] == {"Service": "lambda.amazonaws.com"}
