"""Staging with the permissions that the documentation names, and with less."""

from __future__ import annotations

import copy
import hashlib
import io
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.access import enforce_iam
from tests.support.cloudprocess import CloudProcess
from toolkit import staging
from toolkit.aws.access import AwsAccess
from toolkit.aws.errors import explain
from toolkit.console import Console
from toolkit.environment import Environment
from toolkit.environment.serving import VllmServing
from toolkit.errors import PreflightError
from toolkit.project import Project
from toolkit.staging import description, uploads

PART = 5 * 1024 * 1024
DOCUMENTED_BUCKET = "llm-models-123456789012-us-east-1"
_numbers = itertools.count(1)

Grant = Callable[[dict[str, Any]], AwsAccess]


@pytest.fixture
def documented(checkout: Path, bucket: str) -> dict[str, Any]:
    """The policy in docs/how-to/model-weights.md, for the test's bucket."""
    text = (checkout / "docs" / "how-to" / "model-weights.md").read_text()
    (policy,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    return dict(json.loads(policy.replace(DOCUMENTED_BUCKET, bucket)))


@pytest.fixture
def grant(cloud: CloudProcess) -> Iterator[Grant]:
    """The access of a user who has a policy and nothing else, while IAM is enforced."""

    def make(policy: dict[str, Any]) -> AwsAccess:
        iam, name = cloud.client("iam"), f"stager-{next(_numbers)}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="stage", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        access = cloud.access
        session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
        for service in ("s3", "sts"):
            # Replaces the clients of the root user.
            access.__dict__[service] = session.client(service, endpoint_url=cloud.endpoint_url)  # type: ignore[call-overload]
        enforce_iam(cloud, True)
        return access

    yield make
    enforce_iam(cloud, False)


@pytest.fixture
def model(
    project: Project, environment: Callable[[str], Environment], monkeypatch: pytest.MonkeyPatch
) -> staging.StagedModel:
    """Weights of a small file and one in parts."""
    monkeypatch.setattr(uploads, "PART_BYTES", PART)
    folder = project.root / "weights"
    folder.mkdir()
    (folder / "large.gguf").write_bytes(hashlib.shake_128(b"large").digest(PART + 1))
    (folder / "small.json").write_bytes(b"{}")
    return staging.locate(project, environment("{path: weights/}"))["m"]


@pytest.fixture
def console() -> Console:
    return Console(err=io.StringIO(), interactive=False)


def test_documented_permissions_are_sufficient(
    grant: Grant, documented: dict[str, Any], model: staging.StagedModel, console: Console, access: AwsAccess
) -> None:
    # A resumed upload lists its parts.
    upload = access.s3.create_multipart_upload(
        Bucket=model.bucket, Key=f"{model.prefix}large.gguf", ChecksumAlgorithm="SHA256"
    )
    assert upload["UploadId"]
    limited = grant(documented)
    staged = staging.stage(limited, model, console)
    assert staged.uploaded == 2
    assert ":user/stager-" in staged.manifest.staged_by
    assert staging.stage(limited, model, console).uploaded == 0


@pytest.mark.parametrize(
    "action",
    [
        "s3:ListBucket",
        "s3:ListBucketMultipartUploads",
        "s3:GetObject",
        "s3:PutObject",
        "s3:ListMultipartUploadParts",
    ],
)
def test_every_documented_permission_is_necessary(  # noqa: PLR0917 - fixtures
    grant: Grant,
    documented: dict[str, Any],
    model: staging.StagedModel,
    console: Console,
    access: AwsAccess,
    action: str,
) -> None:
    access.s3.create_multipart_upload(
        Bucket=model.bucket, Key=f"{model.prefix}large.gguf", ChecksumAlgorithm="SHA256"
    )
    reduced = copy.deepcopy(documented)
    for statement in reduced["Statement"]:
        statement["Action"] = [name for name in statement["Action"] if name != action]
    limited = grant(reduced)
    with pytest.raises((ClientError, PreflightError)) as raised:
        staging.stage(limited, model, console)
    error = explain(raised.value) or raised.value
    assert isinstance(error, PreflightError)
    assert error.remedy


def test_a_missing_model_store_has_a_remedy(
    access: AwsAccess, model: staging.StagedModel, console: Console
) -> None:
    access.s3.delete_bucket(Bucket=model.bucket)
    with pytest.raises(PreflightError, match="has no model store") as raised:
        staging.stage(access, model, console)
    assert "toolkit bootstrap --env test" in str(raised.value.remedy)


def test_a_bucket_of_another_account_is_refused(
    cloud: CloudProcess, access: AwsAccess, model: staging.StagedModel, console: Console
) -> None:
    other = replace(cloud.access, account_id="999999999999")
    with pytest.raises(PreflightError, match="not of account 999999999999"):
        staging.stage(other, model, console)
    assert "Contents" not in access.s3.list_objects_v2(Bucket=model.bucket)


def test_descriptions_in_the_model_store_need_two_permissions(  # noqa: PLR0917 - fixtures
    grant: Grant,
    documented: dict[str, Any],
    project: Project,
    environment: Callable[[str], Environment],
    access: AwsAccess,
    bucket: str,
) -> None:
    config = Path(__file__).parents[1] / "serving" / "memory" / "models" / "qwen3-8b.json"
    access.s3.put_object(Bucket=bucket, Key="m/config.json", Body=config.read_bytes())
    test = environment(f"{{s3: 's3://{bucket}/m/'}}")
    (variant,) = test.models["m"].all_resolved("m")
    variant = replace(variant, serving=VllmServing(engine="vllm"))
    policy = {
        **documented,
        "Statement": [
            {**statement, "Action": [action]}
            for statement, action in zip(
                documented["Statement"], ("s3:ListBucket", "s3:GetObject"), strict=True
            )
        ],
    }
    of_model = description.in_store(grant(policy), project, test, variant)
    assert of_model is not None
    assert of_model.architecture is not None
    for missing in policy["Statement"]:
        less = {**policy, "Statement": [item for item in policy["Statement"] if item != missing]}
        with pytest.raises(ClientError, match="AccessDenied"):
            description.in_store(grant(less), project, test, variant)
