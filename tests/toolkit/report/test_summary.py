"""What a plan is said to do: by part, in SageMaker's and API Gateway's terms, with its dangers."""

from __future__ import annotations

import pytest

from tests.support.plans import ENDPOINT, resource, rollout, summary
from toolkit.report import drift

MODEL = 'module.endpoint["qwen3"].aws_sagemaker_model.this["{}"]'


def moved(**deployment: object) -> dict[str, object]:
    """An endpoint that goes to another configuration."""
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
            "a canary of 10 % gets traffic first, and after 600 s all of it follows",
        ),
        (
            rollout("LINEAR", linear_step_size=[{"value": 25}], wait_interval_in_seconds=60),
            "in steps of 25 %, 60 s apart",
        ),
        (
            rollout("ALL_AT_ONCE"),
            "all traffic moves over at once; the old fleet stays 300 s longer; 2 alarms",
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
            "20 % of the instances at a time, waiting 30 s",
        ),
    ],
)
def test_a_rollout_is_told_as_sagemaker_does_it(deployment: dict[str, object], says: str) -> None:
    (part,) = summary(moved(**deployment)).parts
    assert part.name == "model qwen3"
    (sentence,) = part.consequences
    assert sentence.startswith("the endpoint llm-dev-qwen3 rolls over to a new configuration")
    assert says in sentence


def test_an_update_loses_nothing() -> None:
    assert summary(moved()).dangers == ()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (ENDPOINT, "llm-dev stops answering"),
        ("module.api.aws_api_gateway_rest_api.this[0]", "every client's base URL changes"),
        ("module.api.aws_api_gateway_usage_plan.this[0]", "API keys"),
        ("module.model_store.aws_s3_bucket.this", "deleted with what lies in it"),
        ("aws_kms_key.this", "cannot be read afterwards"),
        ('module.endpoint["qwen3"].aws_cloudwatch_log_group.this[0]', "the logs in llm-dev are deleted"),
    ],
)
@pytest.mark.parametrize("actions", ["delete", "delete+create", "create+delete"])
def test_what_is_lost_is_a_danger(address: str, says: str, actions: str) -> None:
    values = {"name": "llm-dev"}
    found = summary(resource(address, actions, values, values if "create" in actions else None))
    ((sentence, change),) = found.dangers
    assert says in sentence
    assert change.address == address


def test_a_replaced_endpoint_with_another_name_breaks_clients() -> None:
    found = summary(
        resource(
            ENDPOINT,
            "delete+create",
            {"name": "old"},
            {"name": "new"},
            replace_paths=[["name"]],
            action_reason="replace_because_cannot_update",
        )
    )
    ((sentence, change),) = found.dangers
    assert "old stops answering: it is replaced by new; clients that call it by name break" in sentence
    assert change.reason == "name cannot be changed in place"


@pytest.mark.parametrize("reason", ["replace_because_tainted", "replace_by_request"])
def test_with_an_endpoint_that_failed_nothing_is_lost(reason: str) -> None:
    values = {"name": "llm-dev-qwen3"}
    assert summary(resource(ENDPOINT, "delete+create", values, values, action_reason=reason)).dangers == ()


def test_what_is_left_of_a_replacement_that_was_cut_off_is_no_loss() -> None:
    address = "module.api.aws_api_gateway_rest_api.this[0]"
    left = {**resource(address, "delete", {"name": "llm-dev"}), "deposed": "0e5fed2e"}
    found = summary(left)
    assert found.dangers == ()
    (change,) = found.changes
    assert change.action == "destroy"
    assert change.reason == "what replaces it is there; an apply that was cut off or failed has left it"


def test_another_version_of_something_immutable_is_one_change_with_its_difference() -> None:
    def values(name: str, context: str) -> dict[str, object]:
        return {
            "name": name,
            "primary_container": [{"environment": {"CTX": context}, "image": "i", "mode": None}],
        }

    gone = values("m-1", "4096")
    gone["primary_container"][0]["mode"] = "SingleModel"  # type: ignore[index] - the provider's own choice
    found = summary(
        resource(MODEL.format(1), "delete", gone),
        resource(MODEL.format(2), "create", None, values("m-2", "2048")),
    )
    (change,) = found.changes
    assert (change.action, change.old_name, change.name, change.new_version) == (
        "replace",
        "m-1",
        "m-2",
        True,
    )
    assert [(each.path, each.old, each.new) for each in change.differences] == [
        ("primary_container[0].environment.CTX", '"4096"', '"2048"')
    ]
    assert found.dangers == ()


def test_versions_are_paired_with_the_one_that_differs_least() -> None:
    def version(key: str, actions: str, image: str, context: str) -> dict[str, object]:
        values = {"name": f"m-{key}", "image": image, "context": context}
        sides = (values, None) if actions == "delete" else (None, values)
        return resource(MODEL.format(key), actions, *sides)

    found = summary(
        version("1", "delete", "a", "1"),
        version("2", "delete", "b", "1"),
        version("3", "create", "b", "2"),
        version("4", "create", "a", "2"),
    )
    assert [(each.old_name, each.name) for each in found.changes] == [("m-2", "m-3"), ("m-1", "m-4")]


def test_what_a_model_has_no_successor_for_is_destroyed() -> None:
    (change,) = summary(resource(MODEL.format(1), "delete", {"name": "m-1"})).changes
    assert change.action == "destroy"


def test_terraforms_own_records_are_no_changes() -> None:
    record = {
        "address": "terraform_data.x",
        "mode": "managed",
        "type": "terraform_data",
        "change": {"actions": ["create"]},
    }
    assert summary(record).parts == ()


def test_changes_are_told_by_part() -> None:
    found = summary(
        resource(
            "module.api.aws_lambda_function.gateway[0]",
            "update",
            {"source_code_hash": "a"},
            {"source_code_hash": "b"},
        ),
        moved(),
    )
    assert [part.name for part in found.parts] == ["API", "model qwen3"]
    assert "runs new code" in found.parts[0].consequences[0]


def drifted(*resources: dict[str, object], own: tuple[dict[str, object], ...] = ()) -> list[str]:
    prior = {"values": {"root_module": {"resources": list(own)}}}
    return [each.name for each in drift.read({"resource_drift": list(resources), "prior_state": prior})]


def test_drift_is_what_was_really_changed() -> None:
    group = "module.api.aws_cloudwatch_log_group.this"
    assert drifted(resource(group, "update", {"name": "g", "tags": None}, {"name": "g", "tags": {}})) == []
    assert drifted(resource(group, "update", {"name": "g", "days": 30}, {"name": "g", "days": 7})) == ["g"]
    assert drifted(resource(group, "delete", {"name": "g"}, None)) == ["g"]


def test_what_aws_fills_in_by_itself_is_no_drift_and_what_it_shows_of_a_change_is() -> None:
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

    # One that can be set, and is not: somebody has set it.
    assert drifted(function("", "arn:k")) == ["f"]


def test_a_roles_own_rights_are_no_drift_and_strange_ones_are() -> None:
    own = {"type": "aws_iam_role_policy", "values": {"role": "r", "name": "run"}}

    def role(*policies: str) -> dict[str, object]:
        rights = [{"name": each, "policy": "{}"} for each in policies]
        return resource("aws_iam_role.x", "update", {"name": "r"}, {"name": "r", "inline_policy": rights})

    assert drifted(role("run"), own=(own,)) == []
    assert drifted(role("run", "backdoor"), own=(own,)) == ["r"]
