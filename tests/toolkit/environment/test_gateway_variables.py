"""Prerequisites of the gateway: its layer, and room for its variables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from authorizer.tokens import Settings as TokenSettings
from gateway.settings import BedrockGuardrail, Budget, GuardSettings, Settings

from toolkit.environment import EnvironmentFileError, load
from toolkit.environment.environment import endpoint_name
from toolkit.environment.gateway_variables import (
    MAX_VARIABLES_BYTES,
    authorizer_variables,
    gateway_variables,
    variables_bytes,
)
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


def variables(project: Project) -> dict[str, str]:
    environment = load(project, "dev")
    return gateway_variables(environment.prefix, environment.models, environment.api)


def size(project: Project) -> int:
    return variables_bytes(variables(project))


def test_fifty_models_fit_without_the_names_of_their_endpoints(project: Project) -> None:
    write(project, 2)
    models = json.loads(variables(project)["GATEWAY_MODELS"])
    assert models["model-00"]["endpoint"] == "llm-dev-model-00"
    write(project, 50)
    many = variables(project)
    assert variables_bytes(many) < MAX_VARIABLES_BYTES
    # The gateway derives them.
    settings = Settings.from_environment(many)
    assert settings.models["model-49"].endpoint == endpoint_name("llm-dev", "model-49")


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


BUDGETS = """\
api:
  usage_plans:
    default: {tokens: {per_minute: 100}}
    trial: {dollars_per_month: 2.5, tokens: {per_month: 9}}
    unlimited: {rate_per_second: 5}
    unused: {tokens: {per_minute: 1}}
  keys:
    guest: {usage_plan: trial}
    website: {usage_plan: unlimited}
    other: {}
"""


def test_budgets_are_those_of_the_usage_plans(project: Project) -> None:
    write(project, 1)
    assert "GATEWAY_BUDGETS" not in variables(project)
    assert "price" not in variables(project)["GATEWAY_MODELS"]
    priced = MODEL.replace("{serving", "{price: {input_per_million: 0.5, output_per_million: 2}, serving")
    text = f"{FILE}  model-00: {priced}\n{BUDGETS}"
    project.environment_file("dev").write_text(text)
    with_budgets = variables(project)
    assert with_budgets["GATEWAY_BUDGET_TABLE"] == "llm-dev-budgets"
    settings = Settings.from_environment(with_budgets)
    assert settings.models["model-00"].price == [0.5, 2]
    assert settings.budgets == {
        "*": Budget(tokens_per_minute=100),
        "guest": Budget(tokens_per_month=9, dollars_per_month=2.5),
        "other": Budget(tokens_per_minute=100),
        # `*` does not apply to a key of a plan without a budget.
        "website": None,
    }


def test_money_needs_the_prices_of_all_models_of_the_plan(project: Project) -> None:
    write(project, 2, "api: {usage_plans: {batch: {dollars_per_month: 5, models: [model-01]}}}\n")
    with pytest.raises(EnvironmentFileError, match=r"no price is known of the model model-01; set models\."):
        load(project, "dev")
    write(project, 2, "api: {usage_plans: {batch: {dollars_per_month: 5}}}\n")
    with pytest.raises(EnvironmentFileError, match="of the models model-00, model-01"):
        load(project, "dev")


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


def test_callers_with_a_jwt_have_the_limits_of_their_plan(project: Project) -> None:
    jwt = "{issuer: 'https://login.example', audience: [llm], default_usage_plan: trial}"
    plans = "{trial: {models: [model-00], tokens: {per_month: 9}}}"
    write(project, 2, f"api: {{jwt: {jwt}, usage_plans: {plans}}}\n")
    settings = Settings.from_environment(variables(project))
    assert settings.key_models == {"jwt/trial": frozenset({"model-00"})}
    assert settings.budgets["jwt/trial"] == Budget(tokens_per_month=9)
    authorizer = json.loads(authorizer_variables(load(project, "dev").api)["JWT"])
    assert TokenSettings(**authorizer).default_usage_plan == "trial"


def test_a_restricted_default_plan_leaves_other_plans_alone(project: Project) -> None:
    plans = "{default: {models: [model-00]}, staff: {}}"
    write(project, 2, f"api: {{usage_plans: {plans}, keys: {{ops: {{usage_plan: staff}}}}}}\n")
    settings = Settings.from_environment(variables(project))
    assert settings.key_models == {"*": frozenset({"model-00"}), "ops": None}


def test_a_guard_has_no_name_of_the_gateways_libraries(project: Project, checkout: Path) -> None:
    lines = (checkout / "lambda_src/gateway/requirements.txt").read_text().splitlines()
    libraries = [line.partition("==")[0].replace("-", "_") for line in lines if "==" in line]
    assert len(libraries) > 3
    for library in libraries:
        write(project, 1, f"api: {{guard: {{python: {{path: guards, function: '{library}:check'}}}}}}\n")
        with pytest.raises(EnvironmentFileError, match=f"{library} is a module that the gateway uses"):
            load(project, "dev")
