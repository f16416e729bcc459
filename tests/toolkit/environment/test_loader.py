"""Problems of an environment file are reported with line, key and remedy."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tests.toolkit.environment import (
    invalid_apis,
    invalid_ci_roles,
    invalid_endpoints,
    invalid_engines,
    invalid_expectations,
    invalid_files,
)
from tests.toolkit.environment.invalid_files import TINY, VALID
from toolkit.environment import EnvironmentFileError, HubSource, load, names
from toolkit.environment.document import MAX_VALUES
from toolkit.errors import InputError
from toolkit.project import Project

CASES = (
    invalid_files.CASES
    | invalid_engines.CASES
    | invalid_endpoints.CASES
    | invalid_expectations.CASES
    | invalid_ci_roles.CASES
    | invalid_apis.CASES
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    return Project(tmp_path)


def write(project: Project, text: str | bytes, name: str = "dev") -> Path:
    path = project.environment_file(name)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def load_invalid(project: Project, text: str | bytes) -> EnvironmentFileError:
    write(project, text)
    with pytest.raises(EnvironmentFileError) as caught:
        load(project, "dev")
    return caught.value


def test_the_base_file_is_valid(project: Project) -> None:
    write(project, VALID)
    environment = load(project, "dev")
    model = environment.models["qwen3-8b"]
    assert isinstance(model.source, HubSource)
    assert (environment.name, environment.prefix) == ("dev", "llm-dev")
    assert environment.file == "terraform/environments/dev.yaml"
    assert environment.model_store_bucket == "llm-models-123456789012-us-east-1"


@pytest.mark.parametrize("kind", CASES)
def test_a_problem_is_reported_with_line_key_and_remedy(project: Project, kind: str) -> None:
    before, after, line, key, expected = CASES[kind]
    assert before in VALID
    text = VALID.replace(before, after, 1)
    error = load_invalid(project, text)
    problems = [(location, str(problem)) for location, problem in error.problems]
    assert len(problems) == 1, problems
    location, message = problems[0]
    assert location == error.where == f"terraform/environments/dev.yaml:{line}"
    assert message == error.message
    assert message.startswith(f"{key}: ") if key else ": " not in message.split("; ")[0].split("not valid")[0]
    assert expected in message
    assert error.exit_code == 2


def test_all_problems_are_reported_in_the_order_of_lines(project: Project) -> None:
    text = VALID.replace("us-east-1", "mars-1").replace("min: 1", "min: 9").replace("[chat]", "[chat, chat]")
    text = text.replace("name: llm", "name: llm\nname: llm").replace("HuggingfaceExecuteRole", "no role")
    text = text.replace(
        "api:", TINY.lstrip("\n").replace("{path: weights/}", "{s3: 's3://elsewhere/x/'}") + "api:"
    )
    text = text.replace("burst: 5", "brust: 5")
    error = load_invalid(project, text)
    locations = [
        (location.rsplit(":", 1)[1], str(problem).split(": ")[0]) for location, problem in error.problems
    ]
    assert locations == [
        ("3", "name"),
        ("4", "region"),
        ("8", "account.execution_role.name"),
        ("19", "models.qwen3-8b.capacity"),
        ("26", "api.throttle.brust"),
    ]
    rendered = str(error)
    assert all(f"terraform/environments/dev.yaml:{line}" in rendered for line, _ in locations)


def test_checks_of_several_keys_run_despite_other_problems(project: Project) -> None:
    text = VALID.replace("name: llm", "name: llm\ncolour: red").replace("ml.g6.2xlarge", "ml.c7i.xlarge")
    assert [str(problem).split(": ")[0] for _, problem in load_invalid(project, text).problems] == [
        "colour",
        "models.qwen3-8b.instance_type",
    ]


@pytest.mark.parametrize("content", ["", "\n# nothing\n", "---\n"])
def test_an_empty_file_is_rejected(project: Project, content: str) -> None:
    write(project, content)
    with pytest.raises(InputError, match="empty") as caught:
        load(project, "dev")
    assert caught.value.where == "terraform/environments/dev.yaml:1"


def test_a_file_in_another_encoding_is_rejected(project: Project) -> None:
    write(project, VALID.encode() + b"# caf\xe9\n")
    with pytest.raises(InputError, match="0xE9 is not UTF-8") as caught:
        load(project, "dev")
    assert caught.value.where == "terraform/environments/dev.yaml:22"


def test_a_missing_environment_is_reported_with_similar_names(project: Project) -> None:
    write(project, VALID)
    write(project, VALID, "prod")
    with pytest.raises(InputError, match="environment prdo does not exist") as caught:
        load(project, "prdo")
    assert caught.value.remedy is not None
    assert "did you mean prod?" in caught.value.remedy
    assert "environments: dev, prod" in caught.value.remedy


def test_an_unreadable_file_is_reported(project: Project) -> None:
    project.environment_file("dev").mkdir()
    with pytest.raises(InputError, match="cannot read the environment file") as caught:
        load(project, "dev")
    assert caught.value.where == "terraform/environments/dev.yaml"


@pytest.mark.parametrize("name", ["../dev", "Dev", "a/b", "", "account", "-x", "x" * 17])
def test_an_invalid_name_is_rejected(project: Project, name: str) -> None:
    with pytest.raises(InputError, match="name"):
        load(project, name)


def test_aliases_and_merge_keys_of_yaml(project: Project) -> None:
    text = VALID.replace("capacity: {min: 1, max: 4}", "capacity: &few {min: 1, max: 4}").replace(
        "api:", TINY.lstrip("\n") + "    capacity: {<<: *few, max: 2}\napi:"
    )
    write(project, text)
    capacity = load(project, "dev").models["tiny"].capacity
    assert (capacity.min, capacity.max) == (1, 2)


def test_a_problem_behind_an_alias_has_the_line_of_its_use(project: Project) -> None:
    text = VALID.replace("tags: {team: platform}", "tags: {team: &t platform}").replace("min: 1", "min: *t")
    error = load_invalid(project, text)
    assert error.where == "terraform/environments/dev.yaml:18"


def test_exponential_aliases_are_rejected(project: Project) -> None:
    levels = [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 9)]
    error = load_invalid(project, "\n".join(["x0: &x0 [y]", *levels, VALID]))
    assert f"more than {MAX_VALUES} values" in str(error)


def test_deep_nesting_is_rejected(project: Project) -> None:
    assert "nested too deep" in str(load_invalid(project, "[" * 600))


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


def test_the_environments_of_this_repository_are_valid() -> None:
    project = Project.find(Path(__file__))
    assert {"dev", "local"} <= set(names(project))
    for name in names(project):
        load(project, name)
