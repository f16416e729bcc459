"""Prerequisites of the gateway: its layer, and room for its variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gateway.settings import BedrockGuardrail, GuardSettings, Settings

from toolkit.environment import EnvironmentFileError, load
from toolkit.environment.environment import endpoint_name
from toolkit.environment.gateway_variables import MAX_VARIABLES_BYTES, gateway_variables, variables_bytes
from toolkit.project import Project
from toolkit.serving import catalogue

MODEL = "{serving: {engine: llama_cpp}, source: {path: weights/}, instance_type: ml.c7i.xlarge}"
FILE = """\
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
models:
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "terraform" / "environments").mkdir(parents=True)
    return Project(tmp_path)


def write(project: Project, models: int, rest: str = "", region: str = "us-east-1") -> None:
    lines = "".join(f"  model-{number:02}: {MODEL}\n" for number in range(models))
    project.environment_file("dev").write_text(FILE.replace("us-east-1", region) + lines + rest)


def size(project: Project) -> int:
    environment = load(project, "dev")
    return variables_bytes(gateway_variables(environment.prefix, environment.models, environment.api))


def test_fifty_models_fit_without_the_names_of_their_endpoints(project: Project) -> None:
    write(project, 2)
    few = load(project, "dev")
    models = json.loads(gateway_variables(few.prefix, few.models, few.api)["GATEWAY_MODELS"])
    assert models["model-00"]["endpoint"] == "llm-dev-model-00"
    write(project, 50)
    many = load(project, "dev")
    variables = gateway_variables(many.prefix, many.models, many.api)
    assert variables_bytes(variables) < MAX_VARIABLES_BYTES
    # The gateway derives them.
    settings = Settings.from_environment(variables)
    assert settings.models["model-49"].endpoint == endpoint_name(many.prefix, "model-49")


def test_all_variables_count_with_escaped_quotation_marks(project: Project) -> None:
    write(project, 1)
    before = size(project)
    write(project, 1, 'api: {cors: {allow_origins: ["https://a.example"]}}\n')
    # ,"GATEWAY_CORS_ORIGINS":"[\"https://a.example\"]"
    assert size(project) - before == 1 + 22 + 1 + 2 + 2 + len("https://a.example") + 2 * 2
    origins = ", ".join(f'"https://{number}.chat.example.com"' for number in range(120))
    write(project, 1, f"api: {{cors: {{allow_origins: [{origins}]}}}}\n")
    with pytest.raises(EnvironmentFileError, match="Lambda allows 4096; use fewer or shorter names"):
        load(project, "dev")


def test_the_guard_that_the_gateway_reads(project: Project) -> None:
    write(project, 1, 'api: {guard: {bedrock: {id: abc, version: "1"}, window_characters: null}}\n')
    environment = load(project, "dev")
    guard = Settings.from_environment(
        gateway_variables(environment.prefix, environment.models, environment.api)
    ).guard
    assert guard == GuardSettings(bedrock=BedrockGuardrail("abc", "1"), window=None)


def test_regions_without_the_layer_need_one(project: Project) -> None:
    """As published by aws/aws-lambda-web-adapter, .github/workflows/prod.json."""

    def problems(region: str, rest: str = "") -> list[str]:
        write(project, 1, rest, region)
        try:
            load(project, "dev")
        except EnvironmentFileError as error:
            return [str(problem) for _, problem in error.problems if "Lambda Web Adapter" in str(problem)]
        return []

    refused = {region for region in catalogue.regions() if problems(region)}
    assert {"us-gov-west-1", "cn-north-1", "me-south-1", "us-iso-east-1", "eusc-de-east-1"} <= refused
    assert not {"us-east-1", "eu-central-1", "ap-southeast-7", "il-central-1", "mx-central-1"} & refused
    for region in refused:
        layer = f"arn:aws:lambda:{region}:123456789012:layer:adapter:1"
        assert problems(region, f"api: {{gateway: {{web_adapter_layer_arn: '{layer}'}}}}\n") == []
