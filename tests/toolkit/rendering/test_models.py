"""Variables of models: variants, capacity, rollout, network, encryption and data capture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.toolkit.rendering.conftest import environment
from toolkit.environment.api import Api
from toolkit.environment.gateway_variables import gateway_variables
from toolkit.rendering.models import model_variables

STORE = "s3://llm-models-123456789012-us-east-1"
CPU = "serving: {engine: llama_cpp}\nsource: {path: weights/}\ninstance_type: ml.c7i.xlarge\n"
ARCHIVE = "s3://llm-models-123456789012-us-east-1/m/model.tar.gz"
SERVERLESS = f"serving: {{engine: llama_cpp}}\nsource: {{s3: '{ARCHIVE}'}}\n"
REGISTRY = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
OWN = f"'{REGISTRY}/llama-cpp:own'"
TEXT = ["chat", "completions"]
AMI = "al2-ami-sagemaker-inference-gpu-3-1"
ALARM = {"server_error_percent": 5, "model_error_percent": None, "latency_ms": None, "extra": ()}
NO_ALARM = ALARM | {"server_error_percent": None}


def variables(
    tmp_path: Path,
    model: str,
    uris: dict[str, str] | None = None,
    **kwargs: str,
) -> dict[str, Any]:
    uris = {"m": f"{STORE}/m/0123/"} if uris is None else uris
    return model_variables(environment(tmp_path, model, **kwargs), "m", uris)


def test_api_settings_of_a_model(tmp_path: Path) -> None:
    plain = variables(tmp_path / "plain", CPU)
    unset = {"max_tokens_default": None, "max_tokens_ceiling": None, "body_bytes": None}
    assert (plain["dialect"], plain["limits"], plain["fallback"]) == ("llama_cpp", unset, None)
    tei = CPU.replace("llama_cpp", "tei") + "limits: {body_bytes: 9}\n"
    rendered = variables(tmp_path / "tei", tei)
    assert (rendered["dialect"], rendered["limits"]) == ("tei", unset | {"body_bytes": 9})


def test_expectations_and_objectives_are_not_deployed(tmp_path: Path) -> None:
    declared = f"{CPU}expectations: [{{name: a, prompt: Hi, min_tokens: 1}}]\nobjectives: {{total_ms: 9}}\n"
    assert variables(tmp_path / "plain", CPU) == variables(tmp_path / "declared", declared)
    models = [environment(tmp_path / name, model).models for name, model in (("a", CPU), ("b", declared))]
    assert len({str(gateway_variables("llm-dev", served, Api())) for served in models}) == 1


def test_the_gateway_knows_what_a_model_does_besides_text(tmp_path: Path) -> None:
    """llama.cpp answers 5xx to images without a projector, to embeddings and to reranking without the option.

    A reranker's embeddings are zeros.

    A plain model takes no room in the function's variables, which Lambda limits to 4 KB.
    """
    assert variables(tmp_path / "text", CPU)["capabilities"] == []
    for index, (settings, capabilities) in enumerate(
        (
            ("options: {mmproj: /opt/ml/model/mmproj.gguf}", ["media"]),
            ("options: {mmproj_url: 'https://example.com/mmproj.gguf'}", ["media"]),
            ("environment: {LLAMA_ARG_MMPROJ: /opt/ml/model/mmproj.gguf}", ["media"]),
            ("environment: {LLAMA_ARG_MMPROJ_URL: 'https://example.com/mmproj.gguf'}", ["media"]),
            ("options: {embeddings: true}", ["embeddings"]),
            ("options: {embeddings: false}", []),
            ("environment: {LLAMA_ARG_EMBEDDINGS: '1'}", ["embeddings"]),
            ("environment: {LLAMA_ARG_EMBEDDINGS: '0'}", []),
            ("options: {embeddings: false}, environment: {LLAMA_ARG_EMBEDDINGS: 'on'}", ["embeddings"]),
            ("options: {embeddings: true}, environment: {LLAMA_ARG_EMBEDDINGS: '0'}", ["embeddings"]),
            ("options: {reranking: true}", ["rerank"]),
            ("options: {embeddings: true, rerank: true}", ["rerank"]),
            ("environment: {LLAMA_ARG_RERANKING: '1'}", ["rerank"]),
        )
    ):
        serving = CPU.replace("llama_cpp", f"llama_cpp, {settings}, image: {OWN}")
        assert variables(tmp_path / str(index), serving)["capabilities"] == capabilities
    gpu = CPU.replace("llama_cpp", "{engine}").replace("c7i.xlarge", "g6.2xlarge")
    for index, (engine, capabilities) in enumerate(
        (
            ("vllm", []),
            ("vllm, task: embeddings", ["embeddings"]),
            ("vllm, task: rerank", ["rerank"]),
            ("lmi", []),
            ("'lmi', options: {task: text-embedding}", ["embeddings"]),
            ("tei", []),
            ("tei, task: rerank", ["rerank"]),
        )
    ):
        serving = gpu.replace("{engine}", engine)
        assert variables(tmp_path / f"gpu{index}", serving)["capabilities"] == capabilities


@pytest.mark.parametrize(
    ("serving", "operations"),
    [
        ("llama_cpp", ["chat"]),
        (f"llama_cpp, image: {OWN}", TEXT),
        (f"llama_cpp, image: {OWN}, options: {{embeddings: true}}", [*TEXT, "embeddings"]),
        (
            f"llama_cpp, image: {OWN}, options: {{reranking: true}}",
            [*TEXT, "rerank", "score"],
        ),
        # A mirror of AWS's image.
        (f"llama_cpp, image: {REGISTRY}/llama-cpp:server-sagemaker-cpu-v1", ["chat"]),
        ("vllm, task: embeddings", None),
        ("lmi", TEXT),
        ("lmi, version: '0.34.0'", ["chat"]),
        ("lmi, options: {task: feature-extraction}", ["embeddings"]),
        (f"lmi, image: {REGISTRY}/djl:1", None),
        ("tgi", TEXT),
        ("tei", ["embeddings", "rerank", "score"]),
        (f"tei, image: {REGISTRY}/tei:1", ["embeddings", "rerank", "score"]),
        (f"custom, image: {REGISTRY}/server:1, inference_ami_version: {AMI}", None),
    ],
)
def test_the_gateway_knows_what_the_image_serves(
    tmp_path: Path, serving: str, operations: list[str] | None
) -> None:
    model = CPU.replace("llama_cpp", serving)
    if not serving.startswith("llama_cpp"):
        model = model.replace("c7i.xlarge", "g6.2xlarge")
    assert variables(tmp_path, model)["operations"] == operations


def test_variants_share_the_operations_that_all_serve(tmp_path: Path) -> None:
    model = CPU.replace("llama_cpp", "vllm").replace("c7i.xlarge", "g6.2xlarge")
    both = f"{model}variants:\n  a: {{}}\n  b: {{serving: {{engine: lmi}}}}\n"
    assert variables(tmp_path, both)["operations"] == TEXT


def test_embeddings_of_lmi_have_the_settings_of_its_guide(tmp_path: Path) -> None:
    model = CPU.replace("llama_cpp", "lmi, options: {task: text-embedding}").replace("c7i", "g6")
    (variant,) = variables(tmp_path, model)["variants"].values()
    options = {name: value for name, value in variant["environment"].items() if name.startswith("OPTION_")}
    assert options == {
        "OPTION_SERVED_MODEL_NAME": "m",
        "OPTION_TASK": "text-embedding",
        "OPTION_ASYNC_MODE": "true",
        "OPTION_ROLLING_BATCH": "disable",
    }


def test_a_minimal_model(tmp_path: Path) -> None:
    rendered = variables(tmp_path, CPU)
    variants = rendered["variants"]
    assert list(variants) == ["AllTraffic"]
    assert variants["AllTraffic"] | {"image": ""} == {
        "weight": 1,
        "image": "",
        "environment": {"SM_LLAMA_CPP_ALIAS": "m"},
        "model_data_s3_uri": f"{STORE}/m/0123/",
        "network_isolation": True,
        "startup_timeout_seconds": 600,
        "download_timeout_seconds": 600,
        "instance_type": "ml.c7i.xlarge",
        "inference_ami_version": None,
        "volume_size_gb": None,
        "capacity": {
            "min": 1,
            "max": 1,
            "concurrent_requests": 8,
            "scale_in_cooldown_seconds": 600,
            "scale_out_cooldown_seconds": 60,
            "schedules": {},
        },
    }
    assert rendered["endpoint"] == {"type": "realtime", "serverless": None, "async": None}
    assert rendered["routing"] == "least_outstanding_requests"
    assert rendered["rollout"] == {
        "strategy": "all_at_once",
        "percent": None,
        "wait_seconds": None,
        "bake_seconds": 0,
        "timeout_seconds": None,
        "alarms": NO_ALARM,
    }
    assert [rendered[key] for key in ("shadow", "kms_key_arn", "vpc", "data_capture")] == [None] * 4


def test_the_download_timeout_defaults_to_that_of_the_start(tmp_path: Path) -> None:
    rendered = variables(tmp_path, f"{CPU}startup_timeout_seconds: 1800")["variants"]["AllTraffic"]
    assert (rendered["startup_timeout_seconds"], rendered["download_timeout_seconds"]) == (1800, 1800)


def test_a_serverless_endpoint(tmp_path: Path) -> None:
    rendered = variables(tmp_path, f"{SERVERLESS}endpoint: {{serverless: {{memory_mb: 6144}}}}")
    assert rendered["endpoint"] == {
        "type": "serverless",
        "serverless": {"memory_mb": 6144, "max_concurrency": 5, "provisioned_concurrency": None},
        "async": None,
    }
    variant = rendered["variants"]["AllTraffic"]
    assert variant["image"].endswith("/llama-cpp:server-sagemaker-cpu-v1.0.1")
    unset = ("instance_type", "inference_ami_version", "capacity")
    assert [variant[key] for key in unset] == [None] * 3
    assert variant["network_isolation"] is False
    assert variant["model_data_s3_uri"] == ARCHIVE
    assert rendered["routing"] is None
    assert rendered["rollout"] is None


def test_an_asynchronous_endpoint(tmp_path: Path) -> None:
    topic = "arn:aws:sns:us-east-1:123456789012:done"
    rendered = variables(
        tmp_path, f"{CPU}capacity: {{max: 3}}\nendpoint: {{async: {{success_topic_arn: '{topic}'}}}}"
    )
    assert rendered["endpoint"]["type"] == "async"
    assert rendered["endpoint"]["async"] == {
        "output_s3_uri": f"{STORE}/m/async/",
        "failure_s3_uri": f"{STORE}/m/async/",
        "success_topic_arn": topic,
        "error_topic_arn": None,
        "max_concurrent_invocations": None,
    }
    capacity = rendered["variants"]["AllTraffic"]["capacity"]
    assert (capacity["min"], capacity["max"]) == (0, 3)


def test_an_asynchronous_endpoint_without_scale_to_zero(tmp_path: Path) -> None:
    rendered = variables(
        tmp_path,
        f"{CPU}capacity: {{min: 2, max: 3}}\nendpoint: {{async: {{scale_to_zero: false,"
        f" output_s3: '{STORE}/answers/', failure_s3: '{STORE}/failures/'}}}}",
    )
    assert rendered["variants"]["AllTraffic"]["capacity"]["min"] == 2
    assert rendered["endpoint"]["async"]["output_s3_uri"] == f"{STORE}/answers/"
    assert rendered["endpoint"]["async"]["failure_s3_uri"] == f"{STORE}/failures/"
    assert rendered["rollout"]["strategy"] == "canary"


def test_variants_inherit_settings_of_the_model(tmp_path: Path) -> None:
    model = (
        f"{CPU}capacity: {{max: 2}}\nvariants:\n"
        "  old: {weight: 9}\n"
        "  new:\n"
        "    source: {path: other/}\n"
        "    serving: {engine: llama_cpp, options: {ctx_size: 8192}}\n"
        "    instance_type: ml.c7g.xlarge\n"
        "    capacity: {min: 1, max: 5}\n"
    )
    uris = {"m": f"{STORE}/m/0123/", "m/new": f"{STORE}/m/new/4567/"}
    rendered = variables(tmp_path, model, uris)["variants"]
    old, new = rendered["old"], rendered["new"]
    assert (old["weight"], new["weight"]) == (9, 1)
    assert (old["model_data_s3_uri"], new["model_data_s3_uri"]) == (uris["m"], uris["m/new"])
    assert "SM_LLAMA_CPP_CTX_SIZE" not in old["environment"]
    assert new["environment"]["SM_LLAMA_CPP_CTX_SIZE"] == "8192"
    assert (old["instance_type"], new["instance_type"]) == ("ml.c7i.xlarge", "ml.c7g.xlarge")
    assert ("llama-cpp-arm64" in old["image"], "llama-cpp-arm64" in new["image"]) == (False, True)
    assert (old["capacity"]["max"], new["capacity"]["max"]) == (2, 5)


def test_a_shadow(tmp_path: Path) -> None:
    model = f"{CPU}shadow: {{sampling_percent: 12.5, instance_count: 2, instance_type: ml.c7g.xlarge}}"
    shadow = variables(tmp_path, model)["shadow"]
    assert shadow["sampling_percent"] == 12.5
    assert shadow["instance_count"] == 2
    assert shadow["instance_type"] == "ml.c7g.xlarge"
    assert "llama-cpp-arm64" in shadow["image"]
    assert shadow["environment"] == {"SM_LLAMA_CPP_ALIAS": "m"}
    assert shadow["model_data_s3_uri"] == f"{STORE}/m/0123/"


def test_a_missing_prefix_of_a_variant_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="staged weights of m/new"):
        variables(tmp_path, f"{CPU}variants:\n  new: {{source: {{path: other/}}}}")


def test_capacity(tmp_path: Path) -> None:
    model = (
        f"{CPU}capacity:\n  max: 4\n  concurrent_requests: 2.5\n  scale_in_cooldown_seconds: 0\n"
        "  schedules:\n"
        "    - {name: night, cron: '0 20 ? * * *', timezone: Europe/Berlin, max: 1}\n"
        "    - {name: party, at: '2026-12-24T18:00:00', min: 4}\n"
    )
    capacity = variables(tmp_path, model)["variants"]["AllTraffic"]["capacity"]
    assert capacity == {
        "min": 1,
        "max": 4,
        "concurrent_requests": 2.5,
        "scale_in_cooldown_seconds": 0,
        "scale_out_cooldown_seconds": 60,
        "schedules": {
            "night": {"schedule": "cron(0 20 ? * * *)", "timezone": "Europe/Berlin", "min": None, "max": 1},
            "party": {"schedule": "at(2026-12-24T18:00:00)", "timezone": "UTC", "min": 4, "max": None},
        },
    }


@pytest.mark.parametrize(
    ("rollout", "expected"),
    [
        ("strategy: canary", ("canary", 10, 300, 300, ALARM)),
        ("strategy: canary, percent: 50, wait_seconds: 60", ("canary", 50, 60, 300, ALARM)),
        ("strategy: linear", ("linear", 25, 120, 300, ALARM)),
        ("strategy: rolling", ("rolling", 25, 120, None, ALARM)),
        ("strategy: all_at_once", ("all_at_once", None, None, 0, NO_ALARM)),
        (
            "strategy: all_at_once, bake_seconds: 600, alarms: {latency_ms: 2000, extra: [mine]}",
            ("all_at_once", None, None, 600, NO_ALARM | {"latency_ms": 2000, "extra": ("mine",)}),
        ),
    ],
)
def test_rollouts(tmp_path: Path, rollout: str, expected: tuple[Any, ...]) -> None:
    rendered = variables(tmp_path, f"{CPU}capacity: {{min: 2, max: 4}}\nrollout: {{{rollout}}}")["rollout"]
    keys = ("strategy", "percent", "wait_seconds", "bake_seconds", "alarms")
    assert tuple(rendered[key] for key in keys) == expected
    # Nothing changes without it, not even the recorded variables.
    assert "quality_namespace" not in rendered


def test_quality_has_a_namespace_of_the_environment(tmp_path: Path) -> None:
    rollout = "rollout: {strategy: all_at_once, bake_seconds: 300, quality: true}"
    expectations = "expectations: [{name: one, prompt: Hi, min_tokens: 1}]"
    rendered = variables(tmp_path, f"{CPU}{rollout}\n{expectations}")["rollout"]
    assert rendered["quality_namespace"].startswith("InferenceQuality/llm-")


@pytest.mark.parametrize(
    ("capacity", "strategy"),
    [
        ("capacity: {min: 1, max: 4}", "all_at_once"),
        ("capacity: {min: 2, max: 4}", "canary"),
        (
            "capacity: {min: 2, max: 4, schedules: [{name: night, cron: '0 20 ? * * *', min: 1}]}",
            "all_at_once",
        ),
        ("capacity: {min: 2, max: 4}\nvariants: {a: {}, b: {capacity: {max: 2}}}", "all_at_once"),
    ],
)
def test_the_default_rollout_is_a_canary_if_possible(tmp_path: Path, capacity: str, strategy: str) -> None:
    assert variables(tmp_path, f"{CPU}{capacity}")["rollout"]["strategy"] == strategy


def test_network_encryption_and_data_capture(tmp_path: Path) -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/1234"
    rendered = variables(
        tmp_path,
        f"{CPU}routing: random\nkms_key_arn: {key}\naliases: [chat]\n"
        "vpc: {subnet_ids: [subnet-0a1b2c3d, subnet-4a1b2c3d], security_group_ids: [sg-0a1b2c3d]}\n"
        "data_capture: {percent: 10}\n",
    )
    assert rendered["routing"] == "random"
    assert rendered["kms_key_arn"] == key
    assert rendered["aliases"] == ["chat"]
    assert list(rendered["vpc"]["subnet_ids"]) == ["subnet-0a1b2c3d", "subnet-4a1b2c3d"]
    assert list(rendered["vpc"]["security_group_ids"]) == ["sg-0a1b2c3d"]
    assert rendered["data_capture"] == {
        "percent": 10,
        "s3_uri": f"{STORE}/m/data-capture/",
        "kms_key_arn": None,
    }
