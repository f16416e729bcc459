"""The AWS provider accepts everything that `validate` accepts: each engine on each instance type."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.support.terraform import Rig
from tests.tools.provider_facts import LOCK
from toolkit.environment import EnvironmentFileError, load
from toolkit.environment.problems import Problem
from toolkit.project import Project
from toolkit.rendering.containers import container_variables
from toolkit.serving import catalogue
from toolkit.serving.engines import ENGINES

HEAD = 'target: aws\nname: llm\nregion: us-east-1\naccount_id: "123456789012"\nmodels:\n'
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/own:1"
MODEL = """\
  {name}:
    serving: {{engine: {engine}{more}}}
    source: {{s3: "s3://llm-models-123456789012-us-east-1/m/"}}
    instance_type: {instance_type}
"""
SETTINGS = 'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}\n'
RESOURCE = """
resource "aws_sagemaker_endpoint_configuration" "c{index}" {{
  production_variants {{
    model_name            = "m"
    instance_type         = "{instance_type}"
    inference_ami_version = {ami}
  }}
}}
"""
# An instance type and an inference AMI, or None.
Pair = tuple[str, str | None]


def models() -> dict[str, str]:
    """Each engine on each instance type, and an own image of each on each instance type with GPUs."""
    texts = {}
    for engine in ENGINES:
        for instance_type, instance in catalogue.instances().items():
            for more in ("", f", image: '{IMAGE}'") if instance.gpus and engine != "custom" else ("",):
                image = f", image: '{IMAGE}'" if engine == "custom" else more
                name = f"m{len(texts)}"
                texts[name] = MODEL.format(name=name, engine=engine, more=image, instance_type=instance_type)
    return texts


# The names of more models would not fit into a function's environment variables.
BATCH = 40


def pairs(tmp_path: Path, texts: dict[str, str]) -> tuple[set[Pair], set[str]]:
    """Instance types and AMIs of valid models, and the instance types that the provider does not support."""
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    file = project.environment_file("dev")
    valid: set[Pair] = set()
    refused: set[str] = set()
    for start in range(0, len(texts), BATCH):
        names = list(texts)[start : start + BATCH]
        file.write_text(HEAD + "".join(texts[name] for name in names))
        problems = _problems(project)
        refused |= {problem.reason.split(" ")[0] for problem in problems if problem.reason.startswith("ml.")}
        invalid = {problem.path[1] for problem in problems}
        if invalid == set(names):
            continue
        file.write_text(HEAD + "".join(texts[name] for name in names if name not in invalid))
        environment = load(project, "dev")
        for name, model in environment.models.items():
            rendered = container_variables(environment, model.resolved_variants(name)["AllTraffic"], None)
            ami = rendered["inference_ami_version"]
            valid.add((str(rendered["instance_type"]), None if ami is None else str(ami)))
    return valid, refused & set(catalogue.instances())


def _problems(project: Project) -> list[Problem]:
    try:
        load(project, "dev")
    except EnvironmentFileError as error:
        return [problem for _, problem in error.problems]
    return []


def test_the_provider_accepts_exactly_what_validate_accepts(rig: Rig, tmp_path: Path) -> None:
    valid, refused = pairs(tmp_path, models())
    # Refused for another reason: without automatic scaling.
    bursting = {
        instance_type for instance_type in catalogue.instances() if instance_type.startswith("ml.t2.")
    }
    assert {instance_type for instance_type, _ in valid} | refused | bursting == set(catalogue.instances())
    configurations = [*sorted(valid, key=str), *((instance_type, None) for instance_type in sorted(refused))]
    folder = rig.root("values", SETTINGS)
    (folder / "configurations.tf").write_text(
        "".join(
            RESOURCE.format(index=index, instance_type=instance_type, ami=json.dumps(ami))
            for index, (instance_type, ami) in enumerate(configurations)
        )
    )
    shutil.copy(rig.project.root / LOCK, folder)
    workspace = rig.workspace(folder, {})
    environment = os.environ | {"TF_DATA_DIR": str(workspace.data_directory)}
    validate = subprocess.run(
        [*rig.program.argv, "validate", "-json"],
        cwd=folder,
        env=environment,
        check=False,
        capture_output=True,
    )
    diagnostics = json.loads(validate.stdout)["diagnostics"]
    summaries = {diagnostic["summary"].rpartition(", got ")[2] for diagnostic in diagnostics}
    assert summaries == refused
