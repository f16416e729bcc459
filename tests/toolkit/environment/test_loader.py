"""Mistakes in an environment file: each is told with its line, its key and what would be right."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from toolkit.environment import EnvironmentFileError, HubSource, load, names
from toolkit.environment.document import MAX_VALUES
from toolkit.errors import InputError
from toolkit.project import Project

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

# (what is changed, to what, line, key, what the message says)
MISTAKES = {
    "syntax": ("name: llm", "name: [llm", 3, "", "not valid YAML"),
    "tab": ("  qwen3-8b:", "\tqwen3-8b:", 9, "", "not valid YAML"),
    "control character": ("name: llm", "name: l\x07m", 2, "", "U+0007"),
    "unknown alias": ("name: llm", "name: *other", 2, "", "undefined alias 'other'"),
    "tag": ("name: llm", "name: !secret llm", 2, "name", "tag !secret is not supported"),
    "two documents": ("api:", "---\napi:", 20, "", "another document"),
    "duplicate key": ("name: llm", "name: llm\nname: other", 3, "name", "already in line 2"),
    "no mapping": (VALID, "- a\n- b\n", 1, "", "is a list, not a mapping"),
    "unknown key": ("capacity:", "capcity:", 18, "models.qwen3-8b.capcity", "did you mean capacity?"),
    "unknown key, nothing like it": ("capacity:", "xyzzy:", 18, "models.qwen3-8b.xyzzy", "aliases, capacity"),
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
        "known keys here: acc",
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
    "fraction": ("min: 1", "min: 1.5", 18, "models.qwen3-8b.capacity.min", "must be a whole number"),
    "YAML 1.1's yes": ("api:", "protected: yes\napi:", 20, "protected", "write true or false without quotes"),
    "no value": ("name: llm", "name:", 2, "name", "is empty; it must be a string"),
    "list for a mapping": ("{min: 1, max: 4}", "[1, 4]", 18, "models.qwen3-8b.capacity", "must be a mapping"),
    "string for a list": ("[chat]", "chat", 19, "models.qwen3-8b.aliases", "must be a list"),
    "no models": (
        VALID[VALID.index("models:") : VALID.index("api:")],
        "models: {}\n",
        8,
        "models",
        "at least 1",
    ),
    "model name": ("qwen3-8b:", "Qwen3/8B:", 9, 'models."Qwen3/8B"', "use lower-case letters"),
    "min over max": ("min: 1", "min: 5", 18, "models.qwen3-8b.capacity", "min 5 is more than max 4"),
    "min of none": ("min: 1", "min: 0", 18, "models.qwen3-8b.capacity.min", "at least 1"),
    "unknown engine": (
        "engine: vllm",
        "engine: vlm",
        11,
        "models.qwen3-8b.serving.engine",
        "did you mean vllm?",
    ),
    "CPU for vLLM": ("ml.g6.2xlarge", "ml.c7i.xlarge", 17, "models.qwen3-8b.instance_type", "built for GPU"),
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
        "versions in us-east-1: 2.6",
    ),
    "version not in the region": (
        VALID,
        VALID.replace("us-east-1", "us-gov-west-1").replace(
            "engine: vllm", 'engine: vllm\n      version: "2.6"'
        ),
        12,
        "models.qwen3-8b.serving.version",
        "versions in us-gov-west-1: 2.4",
    ),
    "no image in the region": ("us-east-1", "sa-west-1", 11, "models.qwen3-8b.serving.engine", "sa-east-1"),
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
    "option that is none": (
        "{max_model_len: 16384}",
        "{--max-num-seqs: 4}",
        12,
        "models.qwen3-8b.serving.options.--max-num-seqs",
        "write the flag as max_num_seqs",
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
        "not a single value",
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
        "SageMaker allows 1024",
    ),
    "two sources": (
        "hub: Qwen/Qwen3-8B",
        "hub: Qwen/Qwen3-8B\n      s3: s3://bucket/weights/",
        14,
        "models.qwen3-8b.source",
        "s3 and hub are given",
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
        "s3: s3://llm-models-123456789012-us-east-1/model.tar.gz",
        15,
        "models.qwen3-8b.source.s3",
        "ends in a slash",
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
    "hub for llama.cpp": (
        "engine: vllm\n      options: {max_model_len: 16384}",
        "engine: llama_cpp\n",
        15,
        "models.qwen3-8b.source.hub",
        "cannot load a pinned revision",
    ),
    "alias is a model": (
        "aliases: [chat]",
        "aliases: [chat, tiny]" + TINY,
        19,
        "models.qwen3-8b.aliases[1]",
        "a name of the model tiny already",
    ),
    "alias of two models": (
        "aliases: [chat]",
        "aliases: [chat]" + TINY + "    aliases: [small, chat]\n",
        24,
        "models.tiny.aliases[1]",
        "a name of the model qwen3-8b already",
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
        "called llm-dev-qwen3-8b, as that of qwen3-8b",
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
    "one bucket for two": (
        "account:",
        "account:\n  state: {bucket: one}\n  model_store: {bucket: one}",
        7,
        "account.state.bucket",
        "use two",
    ),
    "bucket": ("account:", "account:\n  state: {bucket: My_Bucket}", 7, "account.state.bucket", "3 to 63"),
    "tag of a number": ("{team: platform}", "{team: 42}", 5, "tags.team", 'quote it: "42"'),
    "character in a tag": ("{team: platform}", "{team: 'a;b'}", 5, "tags.team", "';' cannot be in a tag"),
    "tag of the toolkit": ("team:", "Environment:", 5, "tags.Environment", "choose another key"),
    "log retention": (
        "throttle:",
        "log_retention_days: 31\n  throttle:",
        21,
        "api.log_retention_days",
        "30, 60",
    ),
    "time-out": (
        "capacity:",
        "startup_timeout_seconds: 7200\n    capacity:",
        18,
        "models.qwen3-8b.startup_timeout_seconds",
        "at most 3600",
    ),
    "infinite rate": ("2.5", ".inf", 21, "api.throttle.rate_per_second", "not a number"),
    "alias in a circle": (
        "[chat]",
        "&a [*a]",
        19,
        "models.qwen3-8b.aliases[0]",
        "refers to what it stands in",
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    return Project(tmp_path)


def write(project: Project, text: str | bytes, name: str = "dev") -> Path:
    path = project.environment_file(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def mistake(project: Project, text: str | bytes) -> EnvironmentFileError:
    write(project, text)
    with pytest.raises(EnvironmentFileError) as caught:
        load(project, "dev")
    return caught.value


def test_the_file_that_the_mistakes_are_made_in_is_valid(project: Project) -> None:
    write(project, VALID)
    environment = load(project, "dev")
    model = environment.models["qwen3-8b"]
    assert isinstance(model.source, HubSource)
    assert (environment.env, environment.prefix) == ("dev", "llm-dev")
    assert environment.file == "terraform/environments/dev.yaml"
    assert environment.model_store_bucket == "llm-models-123456789012-us-east-1"


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_told_with_line_key_and_remedy(project: Project, kind: str) -> None:
    before, after, line, key, says = MISTAKES[kind]
    assert before in VALID
    text = VALID.replace(before, after, 1)
    error = mistake(project, text)
    told = [(where, str(problem)) for where, problem in error.found]
    assert len(told) == 1, told
    where, message = told[0]
    assert where == error.where == f"terraform/environments/dev.yaml:{line}"
    assert message == error.message
    assert message.startswith(f"{key}: ") if key else ": " not in message.split("; ")[0].split("not valid")[0]
    assert says in message
    assert error.exit_code == 2


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(project: Project) -> None:
    text = VALID.replace("us-east-1", "mars-1").replace("min: 1", "min: 9").replace("[chat]", "[chat, chat]")
    text = text.replace("name: llm", "name: llm\nname: llm").replace("HuggingfaceExecuteRole", "no role")
    text = text.replace(
        "api:", TINY.lstrip("\n").replace("{path: weights/}", "{s3: 's3://elsewhere/x/'}") + "api:"
    )
    text = text.replace("burst: 5", "brust: 5")
    error = mistake(project, text)
    places = [(where.rsplit(":", 1)[1], str(problem).split(": ")[0]) for where, problem in error.found]
    assert places == [
        ("3", "name"),
        ("4", "region"),
        ("8", "account.execution_role.name"),
        ("19", "models.qwen3-8b.capacity"),
        ("26", "api.throttle.brust"),
    ]
    rendered = str(error)
    assert all(f"terraform/environments/dev.yaml:{line}" in rendered for line, _ in places)


def test_what_keys_say_together_is_checked_although_others_are_wrong(project: Project) -> None:
    text = VALID.replace("name: llm", "name: llm\ncolour: red").replace("ml.g6.2xlarge", "ml.c7i.xlarge")
    assert [str(problem).split(": ")[0] for _, problem in mistake(project, text).found] == [
        "colour",
        "models.qwen3-8b.instance_type",
    ]


@pytest.mark.parametrize("content", ["", "\n# nothing\n", "---\n"])
def test_an_empty_file(project: Project, content: str) -> None:
    write(project, content)
    with pytest.raises(InputError, match="empty") as caught:
        load(project, "dev")
    assert caught.value.where == "terraform/environments/dev.yaml:1"


def test_a_file_that_is_not_utf8(project: Project) -> None:
    write(project, VALID.encode() + b"# caf\xe9\n")
    with pytest.raises(InputError, match="0xE9 is not UTF-8") as caught:
        load(project, "dev")
    assert caught.value.where == "terraform/environments/dev.yaml:22"


def test_an_environment_that_does_not_exist(project: Project) -> None:
    write(project, VALID)
    write(project, VALID, "prod")
    with pytest.raises(InputError, match="no environment prdo") as caught:
        load(project, "prdo")
    assert caught.value.remedy is not None
    assert "did you mean prod?" in caught.value.remedy
    assert "there are: dev, prod" in caught.value.remedy


def test_a_file_that_cannot_be_read(project: Project) -> None:
    project.environment_file("dev").mkdir()
    with pytest.raises(InputError, match="cannot be read") as caught:
        load(project, "dev")
    assert caught.value.where == "terraform/environments/dev.yaml"


@pytest.mark.parametrize("name", ["../dev", "Dev", "a/b", "", "account", "-x", "x" * 17])
def test_a_name_that_no_environment_can_have(project: Project, name: str) -> None:
    with pytest.raises(InputError, match="name"):
        load(project, name)


def test_aliases_and_merge_keys_of_yaml(project: Project) -> None:
    text = VALID.replace("capacity: {min: 1, max: 4}", "capacity: &few {min: 1, max: 4}").replace(
        "api:", TINY.lstrip("\n") + "    capacity: {<<: *few, max: 2}\napi:"
    )
    write(project, text)
    capacity = load(project, "dev").models["tiny"].capacity
    assert (capacity.min, capacity.max) == (1, 2)


def test_a_mistake_behind_an_alias_is_told_where_the_alias_is_used(project: Project) -> None:
    text = VALID.replace("tags: {team: platform}", "tags: {team: &t platform}").replace("min: 1", "min: *t")
    error = mistake(project, text)
    assert error.where == "terraform/environments/dev.yaml:18"


def test_aliases_that_multiply_end_in_a_message(project: Project) -> None:
    levels = [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 9)]
    error = mistake(project, "\n".join(["x0: &x0 [y]", *levels, VALID]))
    assert f"more than {MAX_VALUES} values" in str(error)


def test_deep_nesting_ends_in_a_message(project: Project) -> None:
    assert "nested too deep" in str(mistake(project, "[" * 20_000))


def test_strings_are_normalised_as_terraform_does(project: Project) -> None:
    decomposed = unicodedata.normalize("NFD", "Modèle für 서울")
    write(project, VALID.replace("name: llm", f"name: llm\ndescription: {decomposed}"))
    assert load(project, "dev").description == unicodedata.normalize("NFC", decomposed) != decomposed


def test_a_local_environment_needs_no_account(project: Project) -> None:
    text = VALID.replace("target: aws", "target: local").replace('account_id: "123456789012"\n', "")
    serving = text[text.index("    serving:") : text.index("    source:")]
    source = text[text.index("    source:") : text.index("    instance_type")]
    text = text.replace(serving, "    serving: {engine: llama_cpp}\n")
    text = text.replace(source, "    source: {server: 'http://127.0.0.1:11434/v1', model: 'qwen3:8b'}\n")
    write(project, text)
    environment = load(project, "dev")
    assert environment.is_local
    assert environment.account_id == "123456789012"


def test_the_repositorys_own_environments_are_valid() -> None:
    project = Project.find(Path(__file__))
    assert {"dev", "local"} <= set(names(project))
    for name in names(project):
        load(project, name)
