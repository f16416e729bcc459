"""A plan's summary: parts, consequences, destructive changes and drift."""

from __future__ import annotations

import pytest

from tests.support.plans import ENDPOINT, resource, rollout, summary
from toolkit.report import drift

MODEL = 'module.endpoint["qwen3"].aws_sagemaker_model.this["{}"]'


def updated(**deployment: object) -> dict[str, object]:
    """An endpoint that is updated to a new configuration."""
    common = {"name": "llm-dev-qwen3", **deployment}
    return resource(
        ENDPOINT,
        "update",
        {**common, "endpoint_config_name": "old"},
        {**common, "endpoint_config_name": "new"},
    )


@pytest.mark.parametrize(
    ("deployment", "says"),
    [
        (
            rollout("CANARY", canary_size=[{"value": 10}], wait_interval_in_seconds=600),
            "a canary takes 10 % of the traffic, the rest shifts after 600 s",
        ),
        (
            rollout("LINEAR", linear_step_size=[{"value": 25}], wait_interval_in_seconds=60),
            "in steps of 25 %, 60 s apart",
        ),
        (
            rollout("ALL_AT_ONCE"),
            "all traffic shifts at once; the old fleet is kept for 300 s; 2 alarms",
        ),
        (
            {
                "deployment_config": [
                    {
                        "rolling_update_policy": [
                            {"maximum_batch_size": [{"value": 20}], "wait_interval_in_seconds": 30}
                        ]
                    }
                ]
            },
            "20 % of the instances at a time, 30 s apart",
        ),
    ],
)
def test_an_endpoint_update_describes_its_rollout(deployment: dict[str, object], says: str) -> None:
    (part,) = summary(updated(**deployment)).parts
    assert part.name == "model qwen3"
    (sentence,) = part.consequences
    assert sentence.startswith("endpoint llm-dev-qwen3 is updated to a new configuration")
    assert says in sentence


@pytest.mark.parametrize(
    ("variant", "says"),
    [
        (
            {"instance_type": "ml.g6.2xlarge", "initial_instance_count": 2},
            "with 2 ml.g6.2xlarge; charges start for its instances and their detailed metrics in CloudWatch",
        ),
        ({"serverless_config": [{}]}, "starts, serverless; charges start"),
    ],
)
def test_a_new_endpoint_describes_its_charges(variant: dict[str, object], says: str) -> None:
    configuration = 'module.endpoint["qwen3"].aws_sagemaker_endpoint_configuration.this["0"]'
    changes = [
        resource(ENDPOINT, "create", None, {"name": "llm-dev-qwen3"}),
        resource(configuration, "create", None, {"production_variants": [variant]}),
    ]
    (part,) = summary(*changes).parts
    assert part.consequences[0].endswith(says)


def test_an_endpoint_update_is_not_destructive() -> None:
    assert summary(updated()).destructive_changes == ()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (ENDPOINT, "llm-dev stops serving"),
        ("module.api.aws_api_gateway_rest_api.this[0]", "every client's base URL changes"),
        ("module.api.aws_api_gateway_usage_plan.this[0]", "API keys are rejected"),
        ("module.model_store.aws_s3_bucket.this", "deleted with its objects"),
        ("aws_kms_key.this", "becomes unreadable"),
        ('module.endpoint["qwen3"].aws_cloudwatch_log_group.this[0]', "the logs in llm-dev are deleted"),
    ],
)
@pytest.mark.parametrize("actions", ["delete", "delete+create", "create+delete"])
def test_losing_state_is_a_destructive_change(address: str, says: str, actions: str) -> None:
    values = {"name": "llm-dev"}
    plan = summary(resource(address, actions, values, values if "create" in actions else None))
    ((sentence, change),) = plan.destructive_changes
    assert says in sentence
    assert change.address == address


def test_an_endpoint_replaced_under_a_new_name_breaks_clients() -> None:
    plan = summary(
        resource(
            ENDPOINT,
            "delete+create",
            {"name": "old"},
            {"name": "new"},
            replace_paths=[["name"]],
            action_reason="replace_because_cannot_update",
        )
    )
    ((sentence, change),) = plan.destructive_changes
    assert "old stops serving: new replaces it; clients that call it by name break" in sentence
    assert change.reason == "name cannot be updated in place"


def test_replacing_a_failed_endpoint_is_not_destructive() -> None:
    values = {"name": "llm-dev-qwen3"}
    failed = resource(ENDPOINT, "delete+create", values, values, action_reason="replace_by_request")
    assert summary(failed).destructive_changes == ()


def test_replacing_a_tainted_endpoint_is_destructive() -> None:
    values = {"name": "llm-dev-qwen3"}
    tainted = resource(ENDPOINT, "delete+create", values, values, action_reason="replace_because_tainted")
    ((sentence, _),) = summary(tainted).destructive_changes
    assert "llm-dev-qwen3 stops serving" in sentence


def test_deleting_a_deposed_object_is_not_destructive() -> None:
    address = "module.api.aws_api_gateway_rest_api.this[0]"
    deposed = {**resource(address, "delete", {"name": "llm-dev"}), "deposed": "0e5fed2e"}
    plan = summary(deposed)
    assert plan.destructive_changes == ()
    (change,) = plan.changes
    assert change.action == "destroy"
    assert change.reason == "its replacement exists; an interrupted or failed apply left it behind"


def test_a_new_version_of_an_immutable_resource_is_one_change() -> None:
    def values(name: str, context: str) -> dict[str, object]:
        return {
            "name": name,
            "primary_container": [{"environment": {"CTX": context}, "image": "i", "mode": None}],
        }

    old = values("m-1", "4096")
    old["primary_container"][0]["mode"] = "SingleModel"  # type: ignore[index] - the provider's own choice
    plan = summary(
        resource(MODEL.format(1), "delete", old),
        resource(MODEL.format(2), "create", None, values("m-2", "2048")),
    )
    (change,) = plan.changes
    assert (change.action, change.old_name, change.name, change.new_version) == (
        "replace",
        "m-1",
        "m-2",
        True,
    )
    assert [(diff.path, diff.old, diff.new) for diff in change.differences] == [
        ("primary_container[0].environment.CTX", '"4096"', '"2048"')
    ]
    assert plan.destructive_changes == ()


def test_versions_are_paired_by_least_difference() -> None:
    def version(key: str, actions: str, image: str, context: str) -> dict[str, object]:
        values = {"name": f"m-{key}", "image": image, "context": context}
        sides = (values, None) if actions == "delete" else (None, values)
        return resource(MODEL.format(key), actions, *sides)

    plan = summary(
        version("1", "delete", "a", "1"),
        version("2", "delete", "b", "1"),
        version("3", "create", "b", "2"),
        version("4", "create", "a", "2"),
    )
    assert [(change.old_name, change.name) for change in plan.changes] == [("m-2", "m-3"), ("m-1", "m-4")]


def test_a_version_without_successor_is_destroyed() -> None:
    (change,) = summary(resource(MODEL.format(1), "delete", {"name": "m-1"})).changes
    assert change.action == "destroy"


def test_state_only_resources_are_not_changes() -> None:
    record = {
        "address": "terraform_data.x",
        "mode": "managed",
        "type": "terraform_data",
        "change": {"actions": ["create"]},
    }
    assert summary(record).parts == ()


def test_changes_are_grouped_by_part() -> None:
    plan = summary(
        resource(
            "module.api.aws_lambda_function.gateway[0]",
            "update",
            {"source_code_hash": "a"},
            {"source_code_hash": "b"},
        ),
        updated(),
    )
    assert [part.name for part in plan.parts] == ["API", "model qwen3"]
    assert "runs new code" in plan.parts[0].consequences[0]


def drifted(*resources: dict[str, object], own: tuple[dict[str, object], ...] = ()) -> list[str]:
    prior = {"values": {"root_module": {"resources": list(own)}}}
    return [
        change.name for change in drift.changes({"resource_drift": list(resources), "prior_state": prior})
    ]


def test_drift_is_a_real_change_or_a_deletion() -> None:
    group = "module.api.aws_cloudwatch_log_group.this"
    assert drifted(resource(group, "update", {"name": "g", "tags": None}, {"name": "g", "tags": {}})) == []
    assert drifted(resource(group, "update", {"name": "g", "days": 30}, {"name": "g", "days": 7})) == ["g"]
    assert drifted(resource(group, "delete", {"name": "g"}, None)) == ["g"]


def test_late_computed_attributes_are_not_drift() -> None:
    def policy(old: object, new: object, **more: object) -> dict[str, object]:
        before = {"name": "p", "alarm_arns": old, "policy_type": "StepScaling"}
        return resource("aws_appautoscaling_policy.x", "update", before, before | {"alarm_arns": new} | more)

    assert drifted(policy([], ["arn:a"])) == []
    assert drifted(policy([], ["arn:a"], policy_type="TargetTrackingScaling")) == ["p"]
    assert drifted(policy(["arn:a"], ["arn:b"])) == ["p"]
    assert drifted(policy(["arn:a"], [])) == ["p"]

    def function(old: object, new: object) -> dict[str, object]:
        before, after = {"function_name": "f", "kms_key_arn": old}, {"function_name": "f", "kms_key_arn": new}
        return resource("aws_lambda_function.x", "update", before, after)

    # A configurable attribute: someone has set it.
    assert drifted(function("", "arn:k")) == ["f"]


def test_only_foreign_role_policies_are_drift() -> None:
    own = {"type": "aws_iam_role_policy", "values": {"role": "r", "name": "run"}}

    def role(*policies: str) -> dict[str, object]:
        inline = [{"name": policy, "policy": "{}"} for policy in policies]
        return resource("aws_iam_role.x", "update", {"name": "r"}, {"name": "r", "inline_policy": inline})

    assert drifted(role("run"), own=(own,)) == []
    assert drifted(role("run", "backdoor"), own=(own,)) == ["r"]
