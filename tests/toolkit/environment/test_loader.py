"""Mistakes in an environment file: each is told with its line, its key and what would be right."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from tests.toolkit.environment import (
    mistakes,
    mistakes_of_apis,
    mistakes_of_endpoints,
    mistakes_of_engines,
    mistakes_of_pipelines,
)
from tests.toolkit.environment.mistakes import TINY, VALID
from toolkit.environment import EnvironmentFileError, HubSource, load, names
from toolkit.environment.document import MAX_VALUES
from toolkit.errors import InputError
from toolkit.project import Project

MISTAKES = (
    mistakes.MISTAKES
    | mistakes_of_engines.MISTAKES
    | mistakes_of_endpoints.MISTAKES
    | mistakes_of_pipelines.MISTAKES
    | mistakes_of_apis.MISTAKES
)


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
    assert (environment.name, environment.prefix) == ("dev", "llm-dev")
    assert environment.file == "terraform/environments/dev.yaml"
    assert environment.model_store_bucket == "llm-models-123456789012-us-east-1"


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_told_with_line_key_and_remedy(project: Project, kind: str) -> None:
    before, after, line, key, says = MISTAKES[kind]
    assert before in VALID
    text = VALID.replace(before, after, 1)
    error = mistake(project, text)
    told = [(where, str(problem)) for where, problem in error.problems]
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
    places = [(where.rsplit(":", 1)[1], str(problem).split(": ")[0]) for where, problem in error.problems]
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
    assert [str(problem).split(": ")[0] for _, problem in mistake(project, text).problems] == [
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
    with pytest.raises(InputError, match="environment prdo does not exist") as caught:
        load(project, "prdo")
    assert caught.value.remedy is not None
    assert "did you mean prod?" in caught.value.remedy
    assert "environments: dev, prod" in caught.value.remedy


def test_a_file_that_cannot_be_read(project: Project) -> None:
    project.environment_file("dev").mkdir()
    with pytest.raises(InputError, match="cannot read the environment file") as caught:
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
    assert "nested too deep" in str(mistake(project, "[" * 600))


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
