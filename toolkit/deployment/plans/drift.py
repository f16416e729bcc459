"""What differs from what the last apply left, and since when, as far as AWS says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from toolkit.aws.access import AwsAccess
from toolkit.deployment import files, outputs
from toolkit.deployment.context import Context
from toolkit.deployment.inference import STACK
from toolkit.deployment.locks import locking
from toolkit.deployment.releases import recording
from toolkit.errors import DriftError, PreflightError
from toolkit.report import Change, drift


@dataclass(frozen=True)
class Drifted:
    """A resource that differs.

    Attributes:
        change: what differs in it: `old` is what the last apply left, `new` what is there.
        modified_at: when AWS says that it was last modified, UTC; None where AWS does not tell.
    """

    change: Change
    modified_at: str | None


@dataclass(frozen=True)
class Drift:
    """An environment, compared with its last apply.

    Attributes:
        environment: its name.
        applied_at: when the state was last written, UTC: nothing that differs is older.
        release: number of the last release; None if none was recorded.
        resources: what differs.
    """

    environment: str
    applied_at: str
    release: int | None
    resources: tuple[Drifted, ...]

    def raise_if_any(self) -> None:
        """Return if nothing differs.

        Raises:
            DriftError: something does.
        """
        if self.resources:
            count = f"{len(self.resources)} resource{'' if len(self.resources) == 1 else 's'}"
            raise DriftError(
                f"{self.environment}: {count} changed outside of Terraform since {self.applied_at}",
                remedy=f"`toolkit plan --env {self.environment}` shows what an apply would do about it",
            )


def detect(context: Context) -> Drift:
    """Compare what is there with what the last apply left; changes nothing.

    Raises:
        PreflightError: the environment was not applied.
    """
    environment = context.environment
    if not outputs.stored(context).lineage:
        raise PreflightError(
            f"environment {environment.name} is not deployed", remedy=f"make apply ENV={environment.name}"
        )
    with locking.exclusive(context):
        files.write(context.project, environment, context.console)
        workspace = context.workspace(STACK)
        workspace.init()
        document = workspace.show(workspace.plan(refresh_only=True))
    head = context.access.s3.head_object(Bucket=environment.state_bucket, Key=environment.state_key)
    release = recording.releases_of(context).latest()
    return Drift(
        environment=environment.name,
        applied_at=_utc(head["LastModified"]),
        release=release.number if release else None,
        resources=tuple(Drifted(each, _modified_at(context.access, each)) for each in drift.read(document)),
    )


def _modified_at(access: AwsAccess, change: Change) -> str | None:
    """When AWS says that a resource was last modified; most kinds of resources do not tell."""
    ask = _MODIFIED.get(change.type)
    if ask is None or change.action == "destroy":
        return None
    try:
        moment = ask(access, change.values)
    except ClientError:
        return None  # a wish, not the matter itself: a viewer may not be allowed to ask
    return _utc(moment) if moment is not None else None


def _endpoint(access: AwsAccess, values: Mapping[str, str]) -> datetime:
    return access.sagemaker.describe_endpoint(EndpointName=values["name"])["LastModifiedTime"]


def _function(access: AwsAccess, values: Mapping[str, str]) -> datetime:
    found = access.lambda_.get_function_configuration(FunctionName=values["function_name"])
    return datetime.strptime(found["LastModified"], "%Y-%m-%dT%H:%M:%S.%f%z")


def _stage(access: AwsAccess, values: Mapping[str, str]) -> datetime | None:
    found = access.apigateway.get_stage(restApiId=values["rest_api_id"], stageName=values["stage_name"])
    return found.get("lastUpdatedDate")


_MODIFIED: dict[str, Callable[[AwsAccess, Mapping[str, str]], datetime | None]] = {
    "aws_sagemaker_endpoint": _endpoint,
    "aws_lambda_function": _function,
    "aws_api_gateway_stage": _stage,
}


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
