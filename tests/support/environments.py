"""A table of environments: each engine on each kind of endpoint, in a VPC or not, with each rollout."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ruamel.yaml import YAML
from ruamel.yaml.compat import StringIO

# Different from the account stack's, which other tests create in the same cloud.
ROLE = "ModelExecution"
REVISION = "b968826d9c46dd6066d109eabc6255188de91218"
STORE = "s3://llm-models-123456789012-us-east-1"
KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOPIC = "arn:aws:sns:us-east-1:123456789012:answers"

Settings = dict[str, object]

ENGINES: dict[str, Settings] = {
    "vllm": {
        "serving": {"engine": "vllm", "options": {"max_model_len": 16384}},
        "source": {"hub": "Qwen/Qwen3-8B", "revision": REVISION, "staged": True},
        "instance_type": "ml.g6.12xlarge",
    },
    "lmi": {
        "serving": {"engine": "lmi"},
        "source": {"s3": f"{STORE}/qwen3-8b/"},
        "instance_type": "ml.g6.2xlarge",
    },
    "tgi": {
        "serving": {"engine": "tgi"},
        "source": {"hub": "Qwen/Qwen3-8B", "revision": REVISION},
        "instance_type": "ml.g5.2xlarge",
    },
    "llama-cpp": {
        "serving": {"engine": "llama_cpp", "options": {"ctx_size": 4096}},
        "source": {"s3": f"{STORE}/smollm2/"},
        "instance_type": "ml.c7i.2xlarge",
    },
    "tei": {
        "serving": {"engine": "tei"},
        "source": {"hub": "BAAI/bge-small-en-v1.5", "revision": REVISION},
        "instance_type": "ml.c7i.xlarge",
    },
    "custom": {
        "serving": {
            "engine": "custom",
            "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/ours:1.0",
            "environment": {"MODEL_ROOT": "/opt/ml/model"},
        },
        "instance_type": "ml.c7i.xlarge",
    },
}
ROLLOUTS: dict[str, Settings] = {
    "at-once": {"strategy": "all_at_once", "bake_seconds": 300, "alarms": {"latency_ms": 30000}},
    "canary": {"strategy": "canary"},
    "linear": {"strategy": "linear", "percent": 50, "alarms": {"server_error_percent": 1, "extra": ["mine"]}},
    "rolling": {"strategy": "rolling", "timeout_seconds": 7200},
}
ENDPOINTS: dict[str, Settings] = {
    "realtime": {},
    "async": {"endpoint": {"async": {"scale_to_zero": False, "error_topic_arn": TOPIC}}},
}
VPC: Settings = {
    "vpc": {"subnet_ids": ["subnet-0a1a2a3a", "subnet-0b1b2b3b"], "security_group_ids": ["sg-0a1a2a3a"]},
    "kms_key_arn": KEY,
}
# Settings common to all engines and rollouts.
MIXED: dict[str, Settings] = {
    "split": {
        **ENGINES["vllm"],
        "aliases": ["chat"],
        "price": {"input_per_million": 0.2, "output_per_million": 1},
        "capacity": {
            "min": 2,
            "max": 4,
            "concurrent_requests": 16,
            "schedules": [
                {
                    "name": "day",
                    "cron": "0 8 ? * MON-FRI *",
                    "timezone": "Europe/Berlin",
                    "min": 3,
                    "max": 6,
                },
                {"name": "party", "at": "2030-12-24T18:00:00", "max": 8},
            ],
        },
        "variants": {
            "stable": {"weight": 9},
            "larger": {"instance_type": "ml.g6.48xlarge", "capacity": {"min": 2, "max": 2}},
            "other": {**ENGINES["lmi"], "capacity": {"min": 2, "max": 2}},
        },
        "rollout": {"strategy": "linear", "percent": 50, "alarms": {"latency_ms": 60000, "extra": ["mine"]}},
        "routing": "random",
        "data_capture": {"percent": 10, "kms_key_arn": KEY},
    },
    "shadowed": {
        **ENGINES["llama-cpp"],
        "capacity": {"min": 1, "max": 1},
        "startup_timeout_seconds": 900,
        "download_timeout_seconds": 1800,
        "shadow": {"sampling_percent": 10, "instance_type": "ml.c7i.4xlarge", "instance_count": 2},
    },
    "warm": {
        "serving": ENGINES["tei"]["serving"],
        "source": ENGINES["tei"]["source"],
        "endpoint": {"serverless": {"memory_mb": 3072, "max_concurrency": 10, "provisioned_concurrency": 1}},
    },
    "subscribed": {
        **ENGINES["custom"],
        "endpoint": {
            "async": {
                "output_s3": f"{STORE}/answers/",
                "failure_s3": f"{STORE}/failures/",
                "success_topic_arn": TOPIC,
                "max_concurrent_invocations": 4,
            }
        },
        "kms_key_arn": KEY,
    },
}
BUDGETS: Settings = {
    "usage_plans": {
        "trial": {
            "tokens": {"per_minute": 20000, "per_month": 5000000},
            "dollars_per_month": 25.5,
            "models": ["chat"],
        }
    },
    "keys": {"guests": {"usage_plan": "trial"}, "another": {"usage_plan": "trial"}, "website": {}},
}
# Engines that run without a GPU, as on serverless endpoints.
ON_CPUS = ("llama-cpp", "tei", "custom")


COST: Settings = {
    "alarms": {
        "emails": ["a@example.com", "b@example.com"],
        "monthly": {"amount": 4500.5, "forecast_percent": [90]},
        "anomalies": {"minimum_impact": 25},
    }
}
NAMES = (*ENGINES, "mixed")


@cache
def table() -> dict[str, str]:
    """Return the text of each environment file by name."""
    models = {engine: dict(_models(engine)) for engine in ENGINES} | {"mixed": MIXED}
    return {
        name: _text(model, *((BUDGETS, COST) if name == "mixed" else ({}, {})))
        for name, model in models.items()
    }


def _text(models: dict[str, Settings], api: Settings, cost: Settings) -> str:
    text = StringIO()
    YAML().dump(
        {
            "target": "aws",
            "name": "llm",
            "region": "us-east-1",
            "account_id": "123456789012",
            "account": {"execution_role": {"name": ROLE}},
            "models": models,
            "api": api,
            "cost": cost,
        },
        text,
    )
    return str(text.getvalue())


def _models(engine: str) -> Iterator[tuple[str, Settings]]:
    # A step of a rollout is at most half of a fleet.
    common = {**ENGINES[engine], "capacity": {"min": 2, "max": 4}}
    for kind, endpoint in ENDPOINTS.items():
        for strategy, rollout in ROLLOUTS.items():
            for suffix, network in (("", {}), ("-vpc", VPC)):
                yield f"{kind}-{strategy}{suffix}", {**common, **endpoint, "rollout": rollout, **network}
    to_zero = {"endpoint": {"async": {}}, "capacity": {"max": 3}}
    yield "async-to-zero", {**common, **to_zero}
    if engine in ON_CPUS:
        serverless = {key: value for key, value in ENGINES[engine].items() if key != "instance_type"}
        if engine == "llama-cpp":
            serverless["source"] = {"s3": f"{STORE}/smollm2/model.tar.gz"}
        yield "serverless", {**serverless, "endpoint": {"serverless": {"memory_mb": 6144}}}
