"""Invalid endpoint types, capacity, rollouts, variants and network settings."""

from __future__ import annotations

from tests.toolkit.environment.invalid_files import VALID

MODEL = "models.qwen3-8b"
LAST_KEY = "    aliases: [chat]\n"
WHOLE = VALID[VALID.index("    serving:") : VALID.index(LAST_KEY)]
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/x:1"
TINY = """
  tiny:
    serving: {engine: llama_cpp}
    source: {path: weights/}
"""
ARCHIVE = "{s3: 's3://llm-models-123456789012-us-east-1/model.tar.gz'}"
SERVERLESS = TINY.replace("{path: weights/}", ARCHIVE) + "    endpoint: {serverless: {}}\n"
ASYNC = TINY + "    instance_type: ml.c7i.xlarge\n    endpoint: {async: {}}\n"


def added(line: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """An invalid line at the end of the valid model."""
    return LAST_KEY, f"{LAST_KEY}    {line}\n", 20, f"{MODEL}.{key}", expected


def capacity(content: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """Another capacity."""
    return "{min: 1, max: 4}", content, 18, f"{MODEL}.capacity{key}", expected


def with_model(model: str, line: int, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """A second model."""
    return LAST_KEY, LAST_KEY + model.lstrip("\n"), line, f"models.tiny.{key}", expected


ROLLOUTS = {
    "unknown strategy": added(
        "rollout: {strategy: bluegreen}", "rollout.strategy", "use one of all_at_once, canary"
    ),
    "no strategy": added(
        "rollout: {percent: 10}", "rollout.strategy", "add one of all_at_once, canary, linear"
    ),
    "canary over half": added(
        "rollout: {strategy: canary, percent: 60}", "rollout.percent", "use at most 50"
    ),
    "small linear steps": added("rollout: {strategy: linear, percent: 5}", "rollout.percent", "at least 10"),
    "small batches": added("rollout: {strategy: rolling, percent: 3}", "rollout.percent", "use at least 5"),
    "percent of all_at_once": added(
        "rollout: {strategy: all_at_once, percent: 5}", "rollout.percent", "use one of alarms"
    ),
    "bake time of rolling": added(
        "rollout: {strategy: rolling, bake_seconds: 5}", "rollout.bake_seconds", "unknown key"
    ),
    "canary of one instance": added(
        "rollout: {strategy: canary}", "rollout.strategy", "can have 1 instance; raise min to 2"
    ),
    "long timeout": added(
        "rollout: {strategy: all_at_once, timeout_seconds: 28800}",
        "rollout.timeout_seconds",
        "use at most 14400",
    ),
    "short timeout": added(
        "rollout: {strategy: all_at_once, timeout_seconds: 60}", "rollout.timeout_seconds", "at least 600"
    ),
    "timeout shorter than the wait": added(
        "rollout: {strategy: all_at_once, bake_seconds: 900, timeout_seconds: 900}",
        "rollout.timeout_seconds",
        "900 seconds are less than the waiting time of 900",
    ),
    "long bake": added(
        "rollout: {strategy: all_at_once, bake_seconds: 7200}", "rollout.bake_seconds", "use at most 3600"
    ),
    "alarms without a wait": added(
        "rollout: {strategy: all_at_once, alarms: {server_error_percent: 5}}",
        "rollout.bake_seconds",
        "metrics arrive every 60; wait longer",
    ),
    "percent above 100": added(
        "rollout: {strategy: all_at_once, alarms: {server_error_percent: 500}}",
        "rollout.alarms.server_error_percent",
        "use at most 100",
    ),
    "many alarms": added(
        "rollout: {strategy: all_at_once, bake_seconds: 300, alarms: {server_error_percent: 5,"
        " model_error_percent: 5, latency_ms: 9, extra: [a, b]}}\n    variants: {a: {}, b: {}, c: {}}",
        "rollout.alarms",
        "and extra are 11 alarms; remove some: SageMaker allows 10",
    ),
    "quality without expectations": added(
        "rollout: {strategy: all_at_once, bake_seconds: 300, quality: true}",
        "rollout.quality",
        "add models.qwen3-8b.expectations, or remove it",
    ),
    "too short for quality": added(
        "rollout: {strategy: all_at_once, bake_seconds: 120, quality: true}\n"
        "    expectations: [{name: one, prompt: Hi, min_tokens: 1}]",
        "rollout.bake_seconds",
        "quality needs 180; wait longer",
    ),
    "quality of an asynchronous endpoint": (
        LAST_KEY,
        LAST_KEY + ASYNC + "    rollout: {strategy: all_at_once, bake_seconds: 300, quality: true}\n",
        26,
        "models.tiny.rollout.quality",
        "make the endpoint realtime",
    ),
    "quality of an engine with its own requests": (
        LAST_KEY,
        LAST_KEY
        + TINY.replace("llama_cpp", "tei")
        + "    instance_type: ml.c7i.xlarge\n"
        + "    rollout: {strategy: all_at_once, bake_seconds: 300, quality: true}\n"
        + "    expectations: [{name: size, input: a cat, dimensions: 8}]\n",
        25,
        "models.tiny.rollout.quality",
        "and tei expects others; remove it, or use another engine",
    ),
    "many alarms with quality": added(
        "rollout: {strategy: all_at_once, bake_seconds: 300, quality: true,"
        " alarms: {extra: [a, b, c, d, e, f, g]}}\n    variants: {a: {}, b: {}, c: {}}"
        "\n    expectations: [{name: one, prompt: Hi, min_tokens: 1}]",
        "rollout.alarms",
        "quality and extra are 11 alarms",
    ),
    "alarm without a name": added(
        "rollout: {strategy: all_at_once, bake_seconds: 300, alarms: {extra: ['']}}",
        "rollout.alarms.extra[0]",
        "the name of a CloudWatch alarm",
    ),
    "rollout of ml.inf1": (
        WHOLE,
        f"    serving: {{engine: custom, image: '{IMAGE}'}}\n    instance_type: ml.inf1.xlarge\n"
        "    capacity: {min: 2, max: 4}\n    rollout: {strategy: canary}\n",
        13,
        f"{MODEL}.rollout.strategy",
        "replaces endpoints on ml.inf1.xlarge all at once",
    ),
}
API = {
    "default above the ceiling": added(
        "limits: {max_tokens_default: 9, max_tokens_ceiling: 8}",
        "limits",
        "9 is more than max_tokens_ceiling 8",
    ),
    "token limit of zero": added(
        "limits: {max_tokens_ceiling: 0}", "limits.max_tokens_ceiling", "at least 1"
    ),
    "request limit above Lambda's": added(
        "limits: {body_bytes: 9000000}", "limits.body_bytes", "use at most 6291456"
    ),
    "half a price": added("price: {input_per_million: 1}", "price.output_per_million", "is missing"),
    "negative price": added(
        "price: {input_per_million: -1, output_per_million: 0}", "price.input_per_million", "use at least 0"
    ),
    "price as text": added(
        "price: {input_per_million: 1, output_per_million: '$2'}", "price.output_per_million", "number"
    ),
    "price of a dollar per token and more": added(
        "price: {input_per_million: 2000000, output_per_million: 0}",
        "price.input_per_million",
        "use at most 1000000",
    ),
    "fallback to itself": added("fallback: qwen3-8b", "fallback", "a model cannot be its own fallback"),
    "fallback to an unknown model": added("fallback: qwen4-8b", "fallback", "did you mean qwen3-8b"),
    "fallback to an asynchronous model": (
        LAST_KEY,
        f"{LAST_KEY}    fallback: tiny\n{ASYNC[1:]}",
        20,
        f"{MODEL}.fallback",
        "tiny is asynchronous; use a realtime",
    ),
    "fallback for another task": (
        LAST_KEY,
        f"{LAST_KEY}    fallback: tiny\n  tiny:\n    serving: {{engine: tei}}\n"
        "    source: {path: weights/}\n    instance_type: ml.g6.xlarge\n",
        20,
        f"{MODEL}.fallback",
        "serves embeddings, but this model serves chat",
    ),
    "fallback whose image serves other operations": (
        LAST_KEY,
        f"{LAST_KEY}    fallback: tiny\n  tiny:\n"
        "    serving: {engine: lmi, options: {task: text-embedding}}\n"
        "    fallback: small\n    source: {path: weights/}\n    instance_type: ml.g6.xlarge\n"
        "  small:\n    serving: {engine: llama_cpp}\n    source: {path: weights/}\n"
        "    instance_type: ml.c7i.xlarge\n",
        23,
        "models.tiny.fallback",
        "small serves no operation of this model",
    ),
    "price of an asynchronous model": with_model(
        f"{ASYNC}    price: {{input_per_million: 1, output_per_million: 2}}\n",
        25,
        "price",
        "is not part of the API",
    ),
    "limits of an asynchronous model": with_model(
        f"{ASYNC}    limits: {{body_bytes: 9}}\n", 25, "limits", "is not part of the API"
    ),
}
CAPACITY = {
    "zero concurrency": capacity(
        "{min: 1, max: 4, concurrent_requests: 0}", ".concurrent_requests", "use more than 0"
    ),
    "negative cooldown": capacity(
        "{scale_in_cooldown_seconds: -1}", ".scale_in_cooldown_seconds", "use at least 0"
    ),
    "classic cron": capacity(
        "{schedules: [{name: a, cron: '0 8 * * 1-5', min: 1}]}",
        ".schedules[0].cron",
        "has 5 fields; AWS needs six",
    ),
    "cron with cron( )": capacity(
        "{schedules: [{name: a, cron: 'cron(0 8 ? * MON-FRI *)', min: 1}]}",
        ".schedules[0].cron",
        "the toolkit adds cron( ); give the fields only",
    ),
    "cron with an invalid hour": capacity(
        "{schedules: [{name: a, cron: '0 25 ? * MON-FRI *', min: 1}]}",
        ".schedules[0].cron",
        "'25' is not valid in the field hours; use 0 to 23",
    ),
    "cron without a question mark": capacity(
        "{schedules: [{name: a, cron: '0 8 * * MON-FRI *', min: 1}]}",
        ".schedules[0].cron",
        "neither is; use ?",
    ),
    "invalid time": capacity(
        "{schedules: [{name: a, at: '2026-13-01T00:00:00', min: 1}]}", ".schedules[0].at", "is not a time"
    ),
    "time with a zone": capacity(
        "{schedules: [{name: a, at: '2026-12-01T00:00:00Z', min: 1}]}",
        ".schedules[0].at",
        "with the zone in timezone",
    ),
    "unknown time zone": capacity(
        "{schedules: [{name: a, cron: '0 8 ? * * *', timezone: Europe/Berlni, min: 1}]}",
        ".schedules[0].timezone",
        "did you mean Europe/Berlin?",
    ),
    "cron and at": capacity(
        "{schedules: [{name: a, cron: '0 8 ? * * *', at: '2026-12-01T00:00:00', min: 1}]}",
        ".schedules[0]",
        "both cron and at",
    ),
    "schedule without bounds": capacity(
        "{schedules: [{name: a, cron: '0 8 ? * * *'}]}", ".schedules[0]", "set min, max or both"
    ),
    "schedule with min over max": capacity(
        "{schedules: [{name: a, cron: '0 8 ? * * *', min: 3, max: 2}]}",
        ".schedules[0]",
        "min 3 is more than max 2",
    ),
    "schedules with the same name": capacity(
        "{schedules: [{name: a, cron: '0 8 ? * * *', min: 1}, {name: a, cron: '0 9 ? * * *', min: 1}]}",
        "",
        "two schedules are named a",
    ),
    "schedule over the bounds": capacity(
        "{max: 4, schedules: [{name: a, cron: '0 8 ? * * *', min: 5}]}",
        ".schedules[0].min",
        "min 5 is more than max 4; set max as well",
    ),
    "schedule under the bounds": capacity(
        "{min: 2, max: 4, schedules: [{name: a, cron: '0 8 ? * * *', max: 1}]}",
        ".schedules[0].max",
        "max 1 is less than min 2; set min as well",
    ),
    "schedule to zero": capacity(
        "{schedules: [{name: a, cron: '0 8 ? * * *', min: 0}]}",
        ".schedules[0].min",
        "only asynchronous endpoints can scale to zero",
    ),
}

KINDS = {
    "unknown endpoint type": added("endpoint: serverless", "endpoint", "or a mapping as in `serverless:"),
    "unknown endpoint mapping": added("endpoint: {serverles: {}}", "endpoint", "did you mean serverless?"),
    "two endpoint types": added(
        "endpoint: {serverless: {}, async: {}}", "endpoint", "serverless and async exclude each other"
    ),
    "memory between two steps": with_model(
        SERVERLESS.replace("{}", "{memory_mb: 2000}"), 23, "endpoint.serverless.memory_mb", "use 1024 or 2048"
    ),
    "too much memory": with_model(
        SERVERLESS.replace("{}", "{memory_mb: 8192}"), 23, "endpoint.serverless.memory_mb", "at most 6144"
    ),
    "too much concurrency": with_model(
        SERVERLESS.replace("{}", "{max_concurrency: 201}"),
        23,
        "endpoint.serverless.max_concurrency",
        "use at most 200",
    ),
    "provisioned above maximum concurrency": with_model(
        SERVERLESS.replace("{}", "{max_concurrency: 2, provisioned_concurrency: 3}"),
        23,
        "endpoint.serverless",
        "provisioned_concurrency 3 is more than max_concurrency 2",
    ),
    "serverless on instances": with_model(
        SERVERLESS + "    instance_type: ml.c7i.xlarge\n", 24, "instance_type", "has no instances; remove it"
    ),
    "serverless GPU": (
        "    instance_type: ml.g6.2xlarge\n    capacity: {min: 1, max: 4}\n",
        "    endpoint: {serverless: {}}\n",
        11,
        f"{MODEL}.serving.engine",
        "does not run serverless (CPU on x86_64); use an instance type with GPU",
    ),
    "serverless with staged weights": with_model(
        TINY + "    endpoint: {serverless: {}}\n",
        22,
        "source",
        "cannot mount weights from the model store; use an archive such as source: {s3: s3://…/model.tar.gz}",
    ),
    "routing that the provider refuses": (
        "    capacity: {min: 1, max: 4}\n",
        "    capacity: {min: 1, max: 4}\n    routing: kv_aware\n",
        19,
        f"{MODEL}.routing",
        "AWS provider 5.100.0 refuses kv_aware; use least_outstanding_requests, or a provider later",
    ),
    "routing with settings that no provider has": (
        "    capacity: {min: 1, max: 4}\n",
        "    capacity: {min: 1, max: 4}\n    routing: prefix_aware\n",
        19,
        f"{MODEL}.routing",
        "no AWS provider up to 6.62.0 can set the prefix length that prefix_aware requires",
    ),
    "volume next to local disks": (
        "    capacity: {min: 1, max: 4}\n",
        "    capacity: {min: 1, max: 4}\n    volume_size_gb: 100\n",
        19,
        f"{MODEL}.volume_size_gb",
        "ml.g6.2xlarge stores the weights on its own disks of 450 GB; remove it",
    ),
    "serverless capacity": with_model(
        SERVERLESS + "    capacity: {max: 2}\n", 24, "capacity", "up to serverless.max_concurrency"
    ),
    "serverless in a VPC": with_model(
        SERVERLESS + "    vpc: {subnet_ids: [subnet-0a1b2c3d], security_group_ids: [sg-0a1b2c3d]}\n",
        24,
        "vpc",
        "remove it, or make the endpoint realtime",
    ),
    "serverless rollout": with_model(
        SERVERLESS + "    rollout: {strategy: all_at_once}\n",
        24,
        "rollout",
        "SageMaker replaces it all at once",
    ),
    "asynchronous shadow": with_model(
        ASYNC + "    shadow: {sampling_percent: 10}\n", 25, "shadow", "cannot have a shadow"
    ),
    "asynchronous variants": with_model(
        ASYNC + "    variants: {a: {}, b: {}}\n", 25, "variants", "has one queue"
    ),
    "asynchronous minimum": with_model(
        ASYNC + "    capacity: {min: 2, max: 2}\n", 25, "capacity.min", "scale_to_zero: false"
    ),
    "asynchronous canary": with_model(
        ASYNC + "    rollout: {strategy: canary}\n", 25, "rollout.strategy", "can have 0 instances"
    ),
    "responses outside the model store": with_model(
        ASYNC.replace("{}", "{output_s3: 's3://elsewhere/x/'}"),
        24,
        "endpoint.async.output_s3",
        "use a prefix of s3://llm-models-123456789012-us-east-1/",
    ),
    "topic": with_model(
        ASYNC.replace("{}", "{success_topic_arn: topic}"),
        24,
        "endpoint.async.success_topic_arn",
        "arn:aws:sns:us-east-1",
    ),
    "topic in another region": with_model(
        ASYNC.replace("{}", "{error_topic_arn: 'arn:aws:sns:eu-west-1:123456789012:x'}"),
        24,
        "endpoint.async.error_topic_arn",
        "it is in eu-west-1, but the environment is in us-east-1",
    ),
    "too many concurrent invocations": with_model(
        ASYNC.replace("{}", "{max_concurrent_invocations: 1001}"),
        24,
        "endpoint.async.max_concurrent_invocations",
        "use at most 1000",
    ),
}

VARIANTS = {
    "variant's name": added("variants: {a_b: {}}", "variants.a_b", "letters, digits and inner hyphens"),
    "variants that differ in case": added(
        "variants: {blue: {}, Blue: {}}", "variants.Blue", "differ only in case"
    ),
    "no weight": added("variants: {a: {weight: 0}, b: {weight: 0}}", "variants", "a weight above 0"),
    "negative weight": added("variants: {a: {weight: -1}}", "variants.a.weight", "use at least 0"),
    "variant's engine": added(
        "variants: {a: {serving: {engine: vlm}}}", "variants.a.serving.engine", "did you mean vllm?"
    ),
    "variant's option": added(
        "variants: {a: {serving: {engine: tgi, options: {max_input_tokens: 8, max_total_tokens: 8}}}}",
        "variants.a.serving.options",
        "leaves no completion tokens of max_total_tokens 8",
    ),
    "variant's source": added(
        "variants: {a: {source: {hub: Qwen/Qwen3-8B, revison: x}}}",
        "variants.a.source.revison",
        "did you mean revision?",
    ),
    "variant on a CPU": added(
        "variants: {a: {instance_type: ml.c7i.xlarge}}",
        "variants.a.instance_type",
        "use an instance type with GPU",
    ),
    "variant's capacity": added(
        "variants: {a: {capacity: {min: 2}}}", "variants.a.capacity", "min 2 is more than max 1"
    ),
    "shadow of several variants": added(
        "shadow: {sampling_percent: 10}\n    variants: {a: {}, b: {}}",
        "shadow",
        "a shadow requires a single variant",
    ),
    "variant with the name of the shadow": added(
        "variants: {shadow: {}}\n    shadow: {sampling_percent: 10}",
        "variants.shadow",
        "is the name of the shadow variant; rename the variant",
    ),
    "shadow without requests": added(
        "shadow: {sampling_percent: 0}", "shadow.sampling_percent", "use more than 0"
    ),
    "shadow's key": added("shadow: {sampling_percent: 10, weight: 1}", "shadow.weight", "use one of inst"),
    "shadow with another task": added(
        "shadow: {sampling_percent: 10, serving: {engine: tei}}",
        "shadow.serving.engine",
        "tei serves embeddings, but vllm serves chat",
    ),
    "rolling several variants": (
        f"    capacity: {{min: 1, max: 4}}\n{LAST_KEY}",
        "    capacity: {min: 2, max: 4}\n    variants: {a: {}, b: {}}\n    rollout: {strategy: rolling}\n",
        20,
        f"{MODEL}.rollout.strategy",
        "use canary or linear",
    ),
}

SURROUNDINGS = {
    "key": added("kms_key_arn: alias/mine", "kms_key_arn", "use a key ARN such as arn:aws:kms:us-east-1"),
    "KMS key in another region": added(
        "kms_key_arn: arn:aws:kms:eu-west-1:123456789012:key/1234", "kms_key_arn", "it is in eu-west-1"
    ),
    "subnet": added(
        "vpc: {subnet_ids: [10.0.0.0/24], security_group_ids: [sg-0a1b2c3d]}",
        "vpc.subnet_ids[0]",
        "use a subnet id such as subnet-0a1b2c3d",
    ),
    "no security group": added(
        "vpc: {subnet_ids: [subnet-0a1b2c3d], security_group_ids: []}",
        "vpc.security_group_ids",
        "add at least 1",
    ),
    "capture without requests": added("data_capture: {percent: 0}", "data_capture.percent", "use at least 1"),
    "capture outside the model store": added(
        "data_capture: {percent: 10, s3_uri: 's3://elsewhere/x/'}",
        "data_capture.s3_uri",
        "the only bucket that the execution role may write",
    ),
    "routing": added("routing: round_robin", "routing", "'least_outstanding_requests', 'random'"),
    "download timeout": added("download_timeout_seconds: 30", "download_timeout_seconds", "at least 60"),
}
CASES = ROLLOUTS | API | CAPACITY | KINDS | VARIANTS | SURROUNDINGS
