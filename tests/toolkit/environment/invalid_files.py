"""A valid environment file, and changes that make it invalid."""

from __future__ import annotations

VALID = """\
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
tags: {team: platform}
account:
  execution_role: {name: HuggingfaceExecuteRole}
models:
  qwen3-8b:
    serving:
      engine: vllm
      options: {max_model_len: 16384}
      environment: {VLLM_LOGGING_LEVEL: INFO}
    source:
      hub: Qwen/Qwen3-8B
      revision: b968826d9c46dd6066d109eabc6255188de91218
    instance_type: ml.g6.2xlarge
    capacity: {min: 1, max: 4}
    aliases: [chat]
api:
  throttle: {rate_per_second: 2.5, burst: 5}
"""
TINY = """
  tiny:
    serving: {engine: llama_cpp}
    source: {path: weights/}
    instance_type: ml.c7i.xlarge
"""


def in_region(region: str) -> str:
    """The valid file in a region where AWS does not publish the layer that the gateway needs."""
    layer = f"arn:aws:lambda:{region}:123456789012:layer:adapter:1"
    return f"{VALID.replace('us-east-1', region)}  gateway: {{web_adapter_layer_arn: '{layer}'}}\n"


def alarms(section: str, path: str, remedy: str) -> tuple[str, str, int, str, str]:
    """A change with these cost alarms."""
    return "api:", f"cost: {{alarms: {section}}}\napi:", 20, f"cost.alarms{path}", remedy


def exception(content: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """An exception of the policy gate."""
    return (
        "api:",
        f"policy:\n  exceptions:\n    - {content}\napi:",
        22,
        f"policy.exceptions[0]{key}",
        expected,
    )


# (text to replace, replacement, line, key, part of the message)
CASES = {
    "syntax": ("name: llm", "name: [llm", 3, "", "not valid YAML"),
    "tab": ("  qwen3-8b:", "\tqwen3-8b:", 9, "", "not valid YAML"),
    "control character": ("name: llm", "name: l\x07m", 2, "", "U+0007"),
    "unknown alias": ("name: llm", "name: *other", 2, "", "undefined alias 'other'"),
    "tag": ("name: llm", "name: !secret llm", 2, "name", "tag !secret is not supported"),
    "two documents": ("api:", "---\napi:", 20, "", "another document"),
    "duplicate key": ("name: llm", "name: llm\nname: other", 3, "name", "already in line 2"),
    "no mapping": (VALID, "- a\n- b\n", 1, "", "is a list, not a mapping"),
    "unknown key": ("capacity:", "capcity:", 18, "models.qwen3-8b.capcity", "did you mean capacity?"),
    "unknown key without a similar one": (
        "capacity:",
        "xyzzy:",
        18,
        "models.qwen3-8b.xyzzy",
        "aliases, capacity",
    ),
    "unknown key of a source": (
        "revision:",
        "revison:",
        16,
        "models.qwen3-8b.source.revison",
        "mean revision?",
    ),
    "key in the wrong place": (
        "name: llm",
        "name: llm\ncapacity: {min: 1}",
        3,
        "capacity",
        "use one of acc",
    ),
    "missing key": (
        "    instance_type: ml.g6.2xlarge\n",
        "",
        9,
        "models.qwen3-8b.instance_type",
        "is missing",
    ),
    "missing engine": ("      engine: vllm\n", "", 10, "models.qwen3-8b.serving.engine", "is missing"),
    "missing account": ('account_id: "123456789012"\n', "", 1, "account_id", 'account_id: "123456789012"'),
    "account as a number": ('"123456789012"', "012345678901", 4, "account_id", 'quote it: "012345678901"'),
    "short account": ('"123456789012"', '"12345"', 4, "account_id", "12 digits"),
    "target": ("target: aws", "target: azure", 1, "target", "'local' or 'aws'"),
    "name": ("name: llm", "name: My LLM", 2, "name", "up to 16 lower-case letters"),
    "region": ("us-east-1", "us-esat-1", 3, "region", "did you mean us-east-1"),
    "instance type": (
        "ml.g6.2xlarge",
        "g6.2xlarge",
        17,
        "models.qwen3-8b.instance_type",
        "mean ml.g6.2xlarge?",
    ),
    "old instance type": (
        "aliases: [chat]",
        "aliases: [chat]" + TINY.replace("ml.c7i.xlarge", "ml.t2.large"),
        23,
        "models.tiny.instance_type",
        "use ml.c7i.large",
    ),
    "string for a number": ("min: 1", 'min: "1"', 18, "models.qwen3-8b.capacity.min", "without quotes"),
    "fraction": ("min: 1", "min: 1.5", 18, "models.qwen3-8b.capacity.min", "use a whole number"),
    "YAML 1.1's yes": (
        "api:",
        "protected: yes\napi:",
        20,
        "protected",
        "use true or false, without quotes",
    ),
    "no value": ("name: llm", "name:", 2, "name", "is empty; use a string"),
    "list for a mapping": (
        "{min: 1, max: 4}",
        "[1, 4]",
        18,
        "models.qwen3-8b.capacity",
        "not a mapping; use a mapping",
    ),
    "string for a list": ("[chat]", "chat", 19, "models.qwen3-8b.aliases", "not a list; use a list"),
    "no models": (
        VALID[VALID.index("models:") : VALID.index("api:")],
        "models: {}\n",
        8,
        "models",
        "at least 1",
    ),
    "model name": ("qwen3-8b:", "Qwen3/8B:", 9, 'models."Qwen3/8B"', "use lower-case letters"),
    "min over max": ("min: 1", "min: 5", 18, "models.qwen3-8b.capacity", "min 5 is more than max 4"),
    "min of zero": ("min: 1", "min: 0", 18, "models.qwen3-8b.capacity.min", "at least 1"),
    "unknown engine": (
        "engine: vllm",
        "engine: vlm",
        11,
        "models.qwen3-8b.serving.engine",
        "did you mean vllm?",
    ),
    "CPU for vLLM": (
        "ml.g6.2xlarge",
        "ml.c7i.xlarge",
        17,
        "models.qwen3-8b.instance_type",
        "use an instance type with GPU",
    ),
    "version as a number": (
        "engine: vllm",
        "engine: vllm\n      version: 2.10",
        12,
        "models.qwen3-8b.serving.version",
        'quote it: "2.10"',
    ),
    "unknown version": (
        "engine: vllm",
        'engine: vllm\n      version: "2.99"',
        12,
        "models.qwen3-8b.serving.version",
        "use one of the versions in us-east-1: 2.6",
    ),
    "version not in the region": (
        VALID,
        in_region("us-gov-west-1").replace("engine: vllm", 'engine: vllm\n      version: "2.6"'),
        12,
        "models.qwen3-8b.serving.version",
        "versions in us-gov-west-1: 2.4",
    ),
    "no image in the region": (
        VALID,
        in_region("sa-west-1"),
        11,
        "models.qwen3-8b.serving.engine",
        "sa-east-1",
    ),
    "version and image": (
        "engine: vllm",
        'engine: vllm\n      version: "2.6"\n      image: registry/image:tag',
        10,
        "models.qwen3-8b.serving",
        "both version and image",
    ),
    "machine image": (
        "engine: vllm",
        "engine: vllm\n      inference_ami_version: al2",
        12,
        "models.qwen3-8b.serving.inference_ami_version",
        "al2-ami-sagemaker-inference-gpu-3-1",
    ),
    "option out of range": (
        "max_model_len: 16384",
        "gpu_memory_utilization: 90",
        12,
        "models.qwen3-8b.serving.options.gpu_memory_utilization",
        "at most 1",
    ),
    "option of a wrong type": (
        "16384",
        "16k",
        12,
        "models.qwen3-8b.serving.options.max_model_len",
        "a string, not a whole number",
    ),
    "option with hyphens": (
        "{max_model_len: 16384}",
        "{--max-num-seqs: 4}",
        12,
        "models.qwen3-8b.serving.options.--max-num-seqs",
        "not a valid option name; use max_num_seqs",
    ),
    "option of the toolkit": (
        "max_model_len: 16384",
        "served_model_name: other",
        12,
        "models.qwen3-8b.serving.options.served_model_name",
        "set by the toolkit",
    ),
    "list as an option": (
        "16384",
        "16384, lora_modules: [a]",
        12,
        "models.qwen3-8b.serving.options.lora_modules",
        "is not a scalar",
    ),
    "more GPUs than there are": (
        "16384",
        "16384, tensor_parallel_size: 4",
        12,
        "models.qwen3-8b.serving.options.tensor_parallel_size",
        "ml.g6.2xlarge has 1",
    ),
    "secret's name": (
        "VLLM_LOGGING_LEVEL: INFO",
        "HF_TOKEN: abc",
        13,
        "models.qwen3-8b.serving.environment.HF_TOKEN",
        "looks like the name of a secret; remove it",
    ),
    "secret in an option": (
        "max_model_len: 16384",
        "hf_token: abc",
        12,
        "models.qwen3-8b.serving.options.hf_token",
        "name of a secret",
    ),
    "secret's value": (
        "INFO",
        "hf_" + "a1B2" * 9,
        13,
        "models.qwen3-8b.serving.environment.VLLM_LOGGING_LEVEL",
        "looks like a secret",
    ),
    "option as a variable": (
        "VLLM_LOGGING_LEVEL: INFO",
        "SM_VLLM_DTYPE: half",
        13,
        "models.qwen3-8b.serving.environment.SM_VLLM_DTYPE",
        "options.dtype",
    ),
    "variable as a number": (
        "INFO",
        "1",
        13,
        "models.qwen3-8b.serving.environment.VLLM_LOGGING_LEVEL",
        'quote it: "1"',
    ),
    "variable too long": (
        "INFO",
        "x" * 1025,
        13,
        "models.qwen3-8b.serving.environment.VLLM_LOGGING_LEVEL",
        "use at most 1024, SageMaker's limit",
    ),
    "two sources": (
        "hub: Qwen/Qwen3-8B",
        "hub: Qwen/Qwen3-8B\n      s3: s3://bucket/weights/",
        14,
        "models.qwen3-8b.source",
        "s3 and hub exclude each other",
    ),
    "no source": (
        "      hub: Qwen/Qwen3-8B\n",
        "",
        14,
        "models.qwen3-8b.source",
        "exactly one of package, path, s3, hub, server",
    ),
    "unpinned revision": (
        "b968826d9c46dd6066d109eabc6255188de91218",
        "main",
        16,
        "models.qwen3-8b.source.revision",
        "40 hexadecimal digits",
    ),
    "no revision": (
        "      revision: b968826d9c46dd6066d109eabc6255188de91218\n",
        "",
        14,
        "models.qwen3-8b.source.revision",
        "is missing",
    ),
    "hub address": (
        "Qwen/Qwen3-8B",
        "https://huggingface.co/Qwen/Qwen3-8B",
        15,
        "models.qwen3-8b.source.hub",
        "owner/name",
    ),
    "server on AWS": (
        "hub: Qwen/Qwen3-8B\n      revision: b968826d9c46dd6066d109eabc6255188de91218",
        "server: http://127.0.0.1:11434/v1",
        15,
        "models.qwen3-8b.source.server",
        "target: local",
    ),
    "S3 file": (
        "hub: Qwen/Qwen3-8B\n      revision: b968826d9c46dd6066d109eabc6255188de91218",
        "s3: s3://llm-models-123456789012-us-east-1/model.gguf",
        15,
        "models.qwen3-8b.source.s3",
        "with a slash at the end",
    ),
    "S3 elsewhere": (
        "hub: Qwen/Qwen3-8B\n      revision: b968826d9c46dd6066d109eabc6255188de91218",
        "s3: s3://elsewhere/qwen/",
        15,
        "models.qwen3-8b.source.s3",
        "copy the weights to s3://llm-models-123456789012-us-east-1/",
    ),
    "vLLM on the local target": (
        "target: aws",
        "target: local",
        11,
        "models.qwen3-8b.serving.engine",
        "use llama_cpp",
    ),
    "alias is a model": (
        "aliases: [chat]",
        "aliases: [chat, tiny]" + TINY,
        19,
        "models.qwen3-8b.aliases[1]",
        "already a name of the model tiny",
    ),
    "alias of two models": (
        "aliases: [chat]",
        "aliases: [chat]" + TINY + "    aliases: [small, chat]\n",
        24,
        "models.tiny.aliases[1]",
        "already a name of the model qwen3-8b",
    ),
    "alias is its own name": ("[chat]", "[qwen3-8b]", 19, "models.qwen3-8b.aliases[0]", "already"),
    "endpoint name too long": (
        "qwen3-8b:",
        f"{'q' * 60}:",
        9,
        f"models.{'q' * 60}",
        "SageMaker allows 63",
    ),
    "endpoint names alike": (
        "aliases: [chat]",
        "aliases: [chat]" + TINY.replace("tiny", "qwen3.8b"),
        20,
        'models."qwen3.8b"',
        "the endpoint name llm-dev-qwen3-8b is also that of qwen3-8b",
    ),
    "role and ARN": (
        "{name: HuggingfaceExecuteRole}",
        "{name: Role, arn: 'arn:aws:iam::123456789012:role/Role'}",
        7,
        "account.execution_role",
        "both name and arn",
    ),
    "no role": ("{name: HuggingfaceExecuteRole}", "{}", 7, "account.execution_role", "neither name nor arn"),
    "role of another account": (
        "{name: HuggingfaceExecuteRole}",
        "{arn: 'arn:aws:iam::210987654321:role/Role'}",
        7,
        "account.execution_role.arn",
        "in account 210987654321",
    ),
    "one bucket for state and models": (
        "account:",
        "account:\n  state: {bucket: one}\n  model_store: {bucket: one}",
        7,
        "account.state.bucket",
        "use two",
    ),
    "bucket": ("account:", "account:\n  state: {bucket: My_Bucket}", 7, "account.state.bucket", "3 to 63"),
    "number as a tag": ("{team: platform}", "{team: 42}", 5, "tags.team", 'quote it: "42"'),
    "character in a tag": ("{team: platform}", "{team: 'a;b'}", 5, "tags.team", "';' is not allowed in tags"),
    "tag of the toolkit": ("team:", "Environment:", 5, "tags.Environment", "use another key"),
    "log retention": (
        "throttle:",
        "log_retention_days: 31\n  throttle:",
        21,
        "api.log_retention_days",
        "30, 60",
    ),
    "gateway timeout": (
        "capacity:",
        "startup_timeout_seconds: 7200\n    capacity:",
        18,
        "models.qwen3-8b.startup_timeout_seconds",
        "at most 3600",
    ),
    "infinite rate": ("2.5", ".inf", 21, "api.throttle.rate_per_second", "not a number"),
    "recursive alias": (
        "[chat]",
        "&a [*a]",
        19,
        "models.qwen3-8b.aliases[0]",
        "refers to its own parent",
    ),
    "unknown severity": ("api:", "policy: {fail_at: severe}\napi:", 20, "policy.fail_at", "'critical'"),
    "negative ceiling": (
        "api:",
        "cost: {ceiling_per_month: -1}\napi:",
        20,
        "cost.ceiling_per_month",
        "at least 0",
    ),
    "traffic of an unknown model": (
        "api:",
        "cost: {traffic: {qwen3-8: {requests_per_day: 1}}}\napi:",
        20,
        "cost.traffic.qwen3-8",
        "did you mean qwen3-8b?",
    ),
    "price of an unknown instance type": (
        "api:",
        "cost: {instance_prices: {ml.g6.2xlarg: 1}}\napi:",
        20,
        'cost.instance_prices."ml.g6.2xlarg"',
        "did you mean ml.g6.2xlarge?",
    ),
    "cost alarms without a recipient": alarms("{monthly: {amount: 1}}", "", "add emails or topic_arn"),
    "cost alarms of no kind": alarms("{emails: [a@b.example]}", "", "add monthly or anomalies"),
    "cost alarm without a threshold": alarms(
        "{emails: [a@b.example], monthly: {amount: 1, actual_percent: [], forecast_percent: []}}",
        ".monthly",
        "add a percentage",
    ),
    "cost alarm with one threshold twice": alarms(
        "{emails: [a@b.example], monthly: {amount: 1, actual_percent: [50, 50.0]}}",
        ".monthly.actual_percent",
        "use each percentage once",
    ),
    "recipient without a domain": alarms(
        "{emails: [team], monthly: {amount: 1}}", ".emails[0]", "team@example.com"
    ),
    "recipient that occurs twice": alarms(
        "{emails: [a@b.example, a@b.example], monthly: {amount: 1}}", ".emails", "use each address once"
    ),
    "topic of another account for cost alarms": alarms(
        "{topic_arn: 'arn:aws:sns:us-east-1:999999999999:t', monthly: {amount: 1}}",
        ".topic_arn",
        "999999999999",
    ),
    "anomaly monitor of another account": alarms(
        "{emails: [a@b.example], anomalies: {minimum_impact: 1, "
        "monitor_arn: 'arn:aws:ce::999999999999:anomalymonitor/a'}}",
        ".anomalies.monitor_arn",
        "999999999999",
    ),
    "cost alarms in GovCloud": (
        VALID,
        in_region("us-gov-west-1") + "cost: {alarms: {emails: [a@b.example], monthly: {amount: 1}}}\n",
        23,
        "cost.alarms",
        "has no alarms",
    ),
    "exception without a reason": exception(
        "{rule: CKV_LLM_9, resource: '*', reason: ' ', expires: 2027-06-30}", ".reason", "explain why"
    ),
    "exception without an end": exception(
        "{rule: CKV_LLM_9, resource: '*', reason: because}", ".expires", "is missing"
    ),
    "exception until an invalid date": exception(
        "{rule: CKV_LLM_9, resource: '*', reason: because, expires: 2027-02-30}", ".expires", "2027-06-30"
    ),
    "exception without a rule": exception(
        "{rule: '*', resource: '*', reason: because, expires: 2027-06-30}", ".rule", "CKV_LLM_9"
    ),
}
