"""Values that the locked AWS provider accepts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.provider_facts import LOCK
from toolkit.environment import EnvironmentFileError, load
from toolkit.errors import InputError
from toolkit.project import Project

MODEL = """\
target: aws
name: llm
region: us-east-1
account_id: "123456789012"
models:
  m:
    serving: {{{serving}}}
    source: {{hub: Qwen/Qwen3-8B, revision: b968826d9c46dd6066d109eabc6255188de91218}}
    instance_type: {instance_type}
"""
AMI = "inference_ami_version: al2-ami-sagemaker-inference-gpu-3-1"


def problems(tmp_path: Path, serving: str, instance_type: str) -> list[str]:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    project.environment_file("dev").write_text(MODEL.format(serving=serving, instance_type=instance_type))
    with pytest.raises(EnvironmentFileError) as caught:
        load(project, "dev")
    return [str(problem) for _, problem in caught.value.problems]


@pytest.mark.parametrize(
    ("serving", "instance_type", "expected"),
    [
        (
            f"engine: vllm, {AMI}",
            "ml.g7e.2xlarge",
            "Server 6000 GPUs of ml.g7e.2xlarge require CUDA 12.8, but",
        ),
        ("engine: tgi", "ml.p6-b200.48xlarge", "require CUDA 12.8, but tgi image 3.3.6 has 12.4"),
        (
            "engine: lmi, version: 0.35.0",
            "ml.p6-b300.48xlarge",
            "require CUDA 12.9, but lmi image 0.35.0 has",
        ),
    ],
)
def test_blackwell_needs_newer_drivers_and_images(
    tmp_path: Path, serving: str, instance_type: str, expected: str
) -> None:
    reported = problems(tmp_path, serving, instance_type)
    assert any(expected in problem for problem in reported), reported
    # The provider refuses these instance types, which is a separate problem.
    assert sum("refuses" in problem for problem in reported) == 1


def test_another_provider_needs_its_facts_first(tmp_path: Path, checkout: Path) -> None:
    project = Project(tmp_path)
    project.environments.mkdir(parents=True)
    project.environment_file("dev").write_text(
        MODEL.format(serving="engine: vllm", instance_type="ml.g6.xlarge")
    )
    lock = tmp_path / LOCK
    lock.parent.mkdir(parents=True)
    content = (checkout / LOCK).read_text()
    lock.write_text(content)
    assert load(project, "dev").name == "dev"
    lock.write_text(content.replace('"5.100.0"', '"6.62.0"'))
    with pytest.raises(
        InputError, match=r"describes AWS provider 5\.100\.0, but the lock file selects 6\.62\.0"
    ) as caught:
        load(project, "dev")
    assert str(LOCK) in str(caught.value.where)
    assert "tests.tools.provider_facts" in caught.value.remedy
