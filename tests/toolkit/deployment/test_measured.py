"""The subject of a benchmark: each part of a deployment that affects its figures is in the subject."""

from __future__ import annotations

import copy
import json
from dataclasses import asdict
from typing import Any

import pytest

from toolkit.bench.results import Subject
from toolkit.deployment.measured import Resources, UnknownError

STORE = "llm-models-123456789012-us-east-1"
CONTAINER = {
    "image": "763104351884.dkr.ecr.us-east-1.amazonaws.com/djl-inference:0.36.0-lmi23.0.0-cu130-v1.0",
    "environment": {"HF_MODEL_ID": "/opt/ml/model", "OPTION_MAX_MODEL_LEN": "8192"},
    "model_data_url": "",
    "model_data_source": [
        {"s3_data_source": [{"s3_uri": f"s3://{STORE}/qwen3/0123456789abcdef/", "s3_data_type": "S3Prefix"}]}
    ],
}
VARIANT = {
    "variant_name": "AllTraffic",
    "model_name": "llm-dev-qwen3-1",
    "instance_type": "ml.g6.2xlarge",
    "inference_ami_version": "",
    "initial_instance_count": 1,
    "serverless_config": [],
    "routing_config": [{"routing_strategy": "LEAST_OUTSTANDING_REQUESTS"}],
}
OUTPUTS = {
    "models": {
        "qwen3": {
            "endpoint_name": "llm-dev-qwen3",
            "endpoint_type": "realtime",
            "endpoint_config_name": "llm-dev-qwen3-2",
            "variant_names": ["AllTraffic"],
            "model_names": {"AllTraffic": "llm-dev-qwen3-1"},
            "instance_types": {"AllTraffic": "ml.g6.2xlarge"},
            "alarm_names": [],
        }
    },
    "functions": {"gateway": "llm-dev-gateway"},
}
RESOURCES: list[tuple[str, dict[str, Any]]] = [
    ("aws_sagemaker_model", {"name": "llm-dev-qwen3-1", "primary_container": [CONTAINER]}),
    ("aws_sagemaker_endpoint_configuration", {"name": "llm-dev-qwen3-2", "production_variants": [VARIANT]}),
    ("aws_lambda_function", {"function_name": "llm-dev-gateway", "source_code_hash": "Dc4c2PHI="}),
    ("aws_lambda_function", {"function_name": "llm-dev-authorizer", "source_code_hash": "AAAA="}),
]


def subject(part: str = "container", **changes: object) -> Subject:
    """The subject of the deployed model after a change of its container, its variant or its function."""
    resources = copy.deepcopy(RESOURCES)
    model, configuration, function = (attributes for _, attributes in resources[:3])
    parts: dict[str, Any] = {
        "container": model["primary_container"][0],
        "variables": model["primary_container"][0]["environment"],
        "variant": configuration["production_variants"][0],
        "function": function,
    }
    parts[part].update(changes)
    selected = Resources.of(resources, OUTPUTS, STORE)
    return selected.subject(selected.deployed["qwen3"])


def test_staged_weights_are_known_by_their_digest() -> None:
    assert subject().weights == "sha256:0123456789abcdef"
    assert subject().image == CONTAINER["image"]
    assert subject().instance_type == "ml.g6.2xlarge"
    assert subject().gateway == "sha256:Dc4c2PHI="


OTHER = [{"s3_data_source": [{"s3_uri": f"s3://{STORE}/qwen3/fedcba9876543210/"}]}]


@pytest.mark.parametrize(
    ("part", "changes", "member"),
    [
        ("container", {"model_data_source": OTHER}, "weights"),
        ("container", {"image": "other:1"}, "image"),
        ("variables", {"OPTION_MAX_MODEL_LEN": "4096"}, "options"),
        ("variables", {"OPTION_DTYPE": "fp8"}, "options"),
        ("variant", {"inference_ami_version": "al2-ami-sagemaker-inference-gpu-3-1"}, "options"),
        ("variant", {"routing_config": [{"routing_strategy": "RANDOM"}]}, "options"),
        ("variant", {"instance_type": "ml.g6.4xlarge"}, "instance_type"),
        (
            "variant",
            {"instance_type": "", "serverless_config": [{"memory_size_in_mb": 4096}]},
            "instance_type",
        ),
        ("function", {"source_code_hash": "other"}, "gateway"),
        # Does not change what one instance does.
        ("variant", {"initial_instance_count": 4, "volume_size_in_gb": 100}, None),
        ("variant", {"inference_ami_version": None}, None),
        # Not used: mounted weights precede.
        ("variables", {"HF_MODEL_ID": "Qwen/Qwen3-8B"}, None),
    ],
)
def test_a_change_is_a_change_of_one_member(part: str, changes: dict[str, Any], member: str | None) -> None:
    before, after = asdict(subject()), asdict(subject(part, **changes))
    assert {name for name in before if before[name] != after[name]} == ({member} if member else set())


@pytest.mark.parametrize(
    ("container", "weights"),
    [
        (
            {"environment": {"HF_MODEL_ID": "Qwen/Qwen3-8B", "HF_REVISION": "b968826d"}},
            "Qwen/Qwen3-8B@b968826d",
        ),
        (
            {"environment": {"SM_VLLM_MODEL": "Qwen/Qwen3-8B", "SM_VLLM_REVISION": "main"}},
            "Qwen/Qwen3-8B@main",
        ),
        ({"environment": {"HF_MODEL_ID": "Qwen/Qwen3-8B"}}, "Qwen/Qwen3-8B@unpinned"),
        ({"environment": {}}, "in the image"),
        # In a bucket of the user, where the last part may be anything.
        ({"model_data_url": "s3://own/qwen3/0123456789abcdef/"}, "s3://own/qwen3/0123456789abcdef/"),
        ({"model_data_url": f"s3://{STORE}/qwen3.tar.gz"}, f"s3://{STORE}/qwen3.tar.gz"),
        (
            {"environment": {"OPENAI_BASE_URL": "http://me:secret@127.0.0.1:1/v1", "OPENAI_MODEL": "qwen3"}},
            "qwen3 at 127.0.0.1:1",
        ),
    ],
)
def test_other_weights_are_known_by_their_source(container: dict[str, Any], weights: str) -> None:
    source: dict[str, Any] = {"model_data_source": [], "model_data_url": "", **container}
    assert subject(**source).weights == weights


def test_each_variant_is_named_where_they_differ() -> None:
    resources, outputs = copy.deepcopy(RESOURCES), copy.deepcopy(OUTPUTS)
    configuration: Any = resources[1][1]
    configuration["production_variants"] = [
        {**VARIANT, "variant_name": "a"},
        {**VARIANT, "variant_name": "b", "instance_type": "ml.g6.4xlarge"},
    ]
    models: Any = outputs["models"]
    models["qwen3"]["variant_names"] = ["a", "b"]
    models["qwen3"]["model_names"] = dict.fromkeys("ab", "llm-dev-qwen3-1")
    selected = Resources.of(resources, outputs, STORE)
    merged = selected.subject(selected.deployed["qwen3"], 3, 7)
    assert merged.instance_type == "a: ml.g6.2xlarge, b: ml.g6.4xlarge"
    assert (merged.weights, merged.instances, merged.release) == ("sha256:0123456789abcdef", 3, 7)


@pytest.mark.parametrize("missing", range(3))
def test_a_missing_part_is_not_guessed(missing: int) -> None:
    resources = [item for index, item in enumerate(RESOURCES) if index != missing]
    selected = Resources.of(resources, OUTPUTS, STORE)
    with pytest.raises(UnknownError):
        selected.subject(selected.deployed["qwen3"])


def test_a_state_and_a_plan_are_read_alike() -> None:
    state = {
        "version": 4,
        "serial": 1,
        "lineage": "l",
        "outputs": {name: {"value": value} for name, value in OUTPUTS.items()},
        "resources": [
            {"mode": "managed", "type": kind, "instances": [{"attributes": values}]}
            for kind, values in RESOURCES
        ],
    }
    plan = {
        "planned_values": {
            "outputs": {"api_id": {"sensitive": False}, **{n: {"value": v} for n, v in OUTPUTS.items()}},
            "root_module": {
                "child_modules": [
                    {"resources": [{"mode": "managed", "type": kind, "values": values}]}
                    for kind, values in RESOURCES
                ]
            },
        }
    }
    for selected in (
        Resources.of_state(json.dumps(state).encode(), "state", STORE),
        Resources.of_plan(plan, STORE),
    ):
        assert selected.subject(selected.deployed["qwen3"]) == subject()
