"""Plans of the inference stack, with an applied account stack."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.front import CERTIFICATE, Front
from tests.support.terraform import Account, Planned, Rig, show
from toolkit import packaging
from toolkit.deployment.recovery.registry import Address
from toolkit.errors import TerraformError

pytestmark = pytest.mark.slow

IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/llama-cpp:server-sagemaker-cpu-v1"
API = {
    "limits": {"max_tokens_default": None, "max_tokens_ceiling": 9, "body_bytes": None},
    "fallback": "smollm2-other",
}
SERVERLESS = {
    "type": "serverless",
    "serverless": {"memory_mb": 2048, "max_concurrency": 2, "provisioned_concurrency": None},
}
TAGS = {
    "team": "platform",
    "managed-by": "terraform",
    "stack": "inference",
    "environment": "dev",
    "deployment": "example-dev",
}
# AWS has no tags for them. None is billed, except dashboards, which docs/how-to/limit-spending.md says.
UNTAGGABLE = {
    "aws_api_gateway_deployment",
    "aws_api_gateway_method_settings",
    "aws_appautoscaling_policy",
    "aws_cloudwatch_dashboard",
    "aws_iam_role_policy",
    "aws_lambda_permission",
    "terraform_data",
}
DESCRIPTION = 'A "description" with ${no} 模型'
Variables = dict[str, Any]


def model(aliases: tuple[str, ...] = (), **settings: Any) -> dict[str, Any]:
    """A model with one variant."""
    variant = {
        "image": IMAGE,
        "environment": {"SM_LLAMA_CPP_CTX_SIZE": "4096"},
        "model_data_s3_uri": "s3://example-models/smollm2/",
        "instance_type": "ml.c7i.xlarge",
        "network_isolation": True,
        **settings,
    }
    return {"aliases": list(aliases), "variants": {"AllTraffic": variant}}


@pytest.fixture(scope="module")
def variables(packages: dict[str, str]) -> Callable[..., Variables]:
    """A function that returns the stack's variables, as rendered by the toolkit."""

    def make(**settings: Any) -> Variables:
        return {
            "region": "us-east-1",
            "account_id": "123456789012",
            "environment": "dev",
            "prefix": "example-dev",
            "description": DESCRIPTION,
            "tags": {"team": "platform"},
            "execution_role": {"name": "HuggingfaceExecuteRole", "arn": None},
            "model_store_bucket": "example-models",
            "models": {"smollm2": model()},
            "api": {
                "stage": "live",
                "log_retention_days": 14,
                "throttle": {"rate_per_second": 5, "burst": 10},
                "gateway": {
                    "package": packages["gateway"],
                    "memory_mb": 512,
                    "timeout_seconds": 300,
                    "architecture": "x86_64",
                },
                "authorizer": {"package": packages["authorizer"]},
            },
            **settings,
        }

    return make


@pytest.fixture(scope="module")
def planned(rig: Rig, account: Account, variables: Callable[..., Variables]) -> Planned:
    """A plan with several models, two of which differ from the first in one setting."""
    models = {
        "smollm2": {**model(aliases=("default",)), **API},
        "smollm2.grown": model(capacity={"min": 2, "max": 4}),
        "smollm2-other": model(environment={"SM_LLAMA_CPP_CTX_SIZE": "2048"}),
        "serverless": {
            **model(
                instance_type=None,
                network_isolation=False,
                model_data_s3_uri="s3://example-models/m/model.tar.gz",
            ),
            "endpoint": SERVERLESS,
            "dialect": "tei",
            "operations": ["embeddings"],
        },
        "later": {
            **model(),
            "endpoint": {"type": "async", "async": {"output_s3_uri": "s3://example-models/a/"}},
        },
    }
    inputs = variables(models=models, instance_counts={"smollm2.grown": {"AllTraffic": 3}, "gone": {"x": 9}})
    return show(rig.workspace(rig.project.stack("inference"), inputs, account.backend))


def test_names_follow_the_prefix(planned: Planned) -> None:
    endpoint = 'module.endpoint["{}"].aws_sagemaker_endpoint.this[0]'
    assert planned.values(endpoint.format("smollm2.grown"))["name"] == "example-dev-smollm2-grown"
    roles = [planned.values(a)["name"] for a in planned.changes if ".aws_iam_role." in a]
    assert sorted(roles) == ["example-dev-authorizer", "example-dev-gateway"]


def test_a_destroy_knows_all_names_that_are_not_listed(planned: Planned) -> None:
    """A new key of a `for_each` needs a name that recovery looks for, where AWS cannot list by prefix."""
    functions = {f"example-dev-{function}" for function in packaging.FUNCTIONS}
    expected = {
        ("module.api.aws_iam_role.", "name"): functions,
        ("module.api.aws_lambda_function.", "function_name"): functions,
        ("module.observability.aws_cloudwatch_dashboard.", "dashboard_name"): {"example-dev"},
        ("module.api.aws_cloudwatch_log_group.", "name"): {
            "/aws/apigateway/example-dev",
            *(f"/aws/lambda/{function}" for function in functions),
        },
    }
    for (block, attribute), names in expected.items():
        created = {planned.values(a)[attribute] for a in planned.changes if a.startswith(block)}
        assert created == names, "extend toolkit/deployment/recovery/cleanup.py"
    for address in planned.changes:
        if ".aws_sagemaker_" in address or ".aws_cloudwatch_metric_alarm." in address:
            values = planned.values(address)
            assert values.get("alarm_name", values.get("name")).startswith("example-dev-")


def test_models_use_the_account_stacks_execution_role(planned: Planned) -> None:
    (role,) = {planned.values(a)["execution_role_arn"] for a in planned.changes if "aws_sagemaker_model" in a}
    assert role == "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"


def names(planned: Planned, model: str, resource: str) -> list[str]:
    """Hashes in the names of a model's resources of a type."""
    prefix = f'module.endpoint["{model}"].{resource}.this['
    return [
        str(planned.values(a)["name"]).rpartition("-")[2] for a in planned.changes if a.startswith(prefix)
    ]


def test_instance_counts_are_not_part_of_the_hash(planned: Planned) -> None:
    (first,) = names(planned, "smollm2", "aws_sagemaker_model")
    assert names(planned, "smollm2.grown", "aws_sagemaker_model") == [first]
    assert names(planned, "smollm2-other", "aws_sagemaker_model") != [first]


def test_a_configuration_starts_with_the_current_count(planned: Planned) -> None:
    counts = {
        str(planned.values(a)["name"]).rpartition("-")[0]: planned.values(a)["production_variants"][0][
            "initial_instance_count"
        ]
        for a in planned.changes
        if ".aws_sagemaker_endpoint_configuration." in a and "smollm2" in a
    }
    assert counts == {
        "example-dev-smollm2": 1,
        "example-dev-smollm2-grown": 3,
        "example-dev-smollm2-other": 1,
    }


def test_the_gateway_can_invoke_exactly_its_models(planned: Planned) -> None:
    gateway = planned.values("module.api.aws_lambda_function.gateway[0]")
    assert gateway["layers"] == ["arn:aws:lambda:us-east-1:753240598075:layer:LambdaAdapterLayerX86:30"]
    assert json.loads(gateway["environment"][0]["variables"]["GATEWAY_MODELS"]) == {
        "serverless": {
            "endpoint": "example-dev-serverless",
            "serverless": True,
            "dialect": "tei",
            "operations": ["embeddings"],
        },
        "smollm2": {
            "endpoint": "example-dev-smollm2",
            "aliases": ["default"],
            "max_tokens_ceiling": 9,
            "fallback": "smollm2-other",
        },
        "smollm2.grown": {"endpoint": "example-dev-smollm2-grown"},
        "smollm2-other": {"endpoint": "example-dev-smollm2-other"},
    }
    policy = planned.policy('module.api.aws_iam_role_policy.function["gateway"]')
    assert policy["InvokeEndpoints"]["Resource"] == [
        f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/example-dev-{name}"
        for name in ("serverless", "smollm2", "smollm2-grown", "smollm2-other")
    ]


def test_outputs_contain_what_the_toolkit_reads(planned: Planned) -> None:
    assert set(planned.content["planned_values"]["outputs"]) == {
        "api_domain_url",
        "api_execution_arn",
        "api_id",
        "api_invoke_url",
        "api_stage",
        "functions",
        "jwt_keys",
        "log_groups",
        "models",
        "paused",
        "region",
        "usage_plan_ids",
    }
    assert planned.output("api_stage") == "live"
    assert planned.output("functions") == {
        "authorizer": "example-dev-authorizer",
        "gateway": "example-dev-gateway",
    }
    (configuration,) = names(planned, "smollm2.grown", "aws_sagemaker_endpoint_configuration")
    (served,) = names(planned, "smollm2.grown", "aws_sagemaker_model")
    assert planned.output("models")["smollm2.grown"] == {
        "endpoint_name": "example-dev-smollm2-grown",
        "endpoint_type": "realtime",
        "endpoint_config_name": f"example-dev-smollm2-grown-{configuration}",
        "variant_names": ["AllTraffic"],
        "model_names": {"AllTraffic": f"example-dev-smollm2-grown-{served}"},
        "instance_types": {"AllTraffic": "ml.c7i.xlarge"},
        "alarm_names": ["example-dev-smollm2-grown-AllTraffic-server-errors"],
        "async_output_s3_uri": None,
    }
    assert planned.output("paused") is False


def test_settings_tags_and_retention_are_applied(planned: Planned) -> None:
    api = planned.values("module.api.aws_api_gateway_rest_api.this[0]")
    assert (
        api["description"]
        == json.loads(api["body"])["info"]["description"]
        == 'A "description" with ${no} 模型'
    )
    assert api["tags_all"] == TAGS
    taggable = [change["after"] for change in planned.changes.values() if "tags_all" in change["after"]]
    assert {type(resource["tags_all"]) for resource in taggable} == {dict}
    assert [resource for resource in taggable if not resource["tags_all"].items() >= TAGS.items()] == []
    untagged = [address for address, change in planned.changes.items() if "tags_all" not in change["after"]]
    assert {Address.parse(address).resource_type for address in untagged} == UNTAGGABLE
    groups = {planned.values(a)["retention_in_days"] for a in planned.changes if "log_group" in a}
    assert groups == {14}
    (throttle,) = planned.values('module.api.aws_api_gateway_usage_plan.this["default"]')["throttle_settings"]
    assert throttle == {"rate_limit": 5, "burst_limit": 10}


def test_function_roles_have_the_permissions_boundary(planned: Planned) -> None:
    roles = {address.split('"')[1] for address in planned.changes if ".aws_iam_role.function[" in address}
    assert roles
    for role in roles:
        values = planned.values(f'module.api.aws_iam_role.function["{role}"]')
        assert values["permissions_boundary"] == (
            "arn:aws:iam::123456789012:policy/example-dev-function-boundary"
        )


def test_other_accounts_are_rejected(planned: Planned) -> None:
    provider = planned.content["configuration"]["provider_config"]["aws"]["expressions"]
    assert provider["allowed_account_ids"]["references"] == ["var.account_id"]


def test_weights_outside_the_model_store_are_rejected(
    rig: Rig, account: Account, variables: Callable[..., Variables]
) -> None:
    unstaged = variables(models={"m": model(model_data_s3_uri="s3://elsewhere/m/")})
    workspace = rig.workspace(rig.project.stack("inference"), unstaged, account.backend)
    with pytest.raises(TerraformError, match="stage the weights there, or set execution_role"):
        workspace.plan()


def test_domain_record_and_firewall_are_imported_by_id(
    rig: Rig, account: Account, variables: Callable[..., Variables]
) -> None:
    """Orphans of an interrupted apply."""
    access = rig.cloud.access
    front = Front(access, "example-dev", "import.example.com", "models")
    target, web_acl = front.domain(TAGS), front.firewall(TAGS)
    front.mapping(TAGS)
    front.record(target)
    domain = {"name": front.name, "certificate_arn": CERTIFICATE, "base_path": "models"}
    ids = {
        "aws_api_gateway_domain_name.this": front.name,
        "aws_api_gateway_base_path_mapping.this": f"{front.name}/models",
        "aws_route53_record.domain": f"{front.zone}_{front.name}_A",
        "aws_wafv2_web_acl.this": f"{web_acl['Id']}/example-dev/REGIONAL",
    }
    inputs = variables(imports={f"module.api.{name}": [{"id": id_}] for name, id_ in ids.items()})
    inputs["api"] |= {"domain": {**domain, "hosted_zone_id": front.zone}, "waf": {}}
    try:
        planned = show(rig.workspace(rig.project.stack("inference"), inputs, account.backend))
    finally:
        access.wafv2.delete_web_acl(
            Name="example-dev", Scope="REGIONAL", Id=web_acl["Id"], LockToken=web_acl["LockToken"]
        )
    changes = {resource["address"]: resource["change"] for resource in planned.content["resource_changes"]}
    imports = {name: changes[f"module.api.{name}[0]"] for name in ids}
    assert {name: change["importing"]["id"] for name, change in imports.items()} == ids
    # The mapping is updated to the new API, the firewall gets its descriptions.
    assert {name: change["actions"] for name, change in imports.items()} == {
        "aws_api_gateway_domain_name.this": ["no-op"],
        "aws_api_gateway_base_path_mapping.this": ["update"],
        "aws_route53_record.domain": ["no-op"],
        "aws_wafv2_web_acl.this": ["update"],
    }
