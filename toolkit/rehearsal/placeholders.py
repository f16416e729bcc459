"""Placeholders for what exists in an account before a deployment: weights, images, a role, a monitor."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from toolkit import staging
from toolkit.aws import state_bucket
from toolkit.deployment.attestations import KEY_SPEC
from toolkit.deployment.context import Context
from toolkit.environment import HubSource, ResolvedVariant, S3Source
from toolkit.staging import StagedModel
from toolkit.staging.manifest import Manifest, StoredFile
from toolkit.staging.store import ModelStore

# No stand-in reads it.
_CONTENT: Final = b"{}"
_OWN_IMAGE: Final = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.[\w-]+\.amazonaws\.com(\.cn)?/(?P<repository>[^:@]+)"
    r"(:(?P<tag>[^@]+))?(@(?P<digest>.+))?"
)
_MANIFEST: Final = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
# The embedded cloud creates a key or an anomaly monitor with this id.
_CUSTOM_ID: Final = "_custom_id_"
_EVERYTHING: Final = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


def place(context: Context) -> None:
    """Place them, unless they are there.

    Args:
        context: the environment, with access as the account's root user.
    """
    _place_role(context)
    _place_signer(context)
    _place_anomaly_monitor(context)
    for model in staging.locate(context.project, context.environment).values():
        if isinstance(model.source, HubSource):
            _place_weights(context, model)
    for variant in _variants(context):
        _place_image(context, variant)
        if isinstance(variant.source, S3Source):
            _place_objects(context, variant.source)


def _variants(context: Context) -> Iterator[ResolvedVariant]:
    for name, model in context.environment.models.items():
        yield from model.all_resolved(name)


def _place_role(context: Context) -> None:
    """A role outside of the environment; its own permissions are unknown here."""
    arn, iam = context.environment.account.execution_role.arn, context.access.iam
    if arn is None:
        return
    path, _, name = arn.partition(":role/")[2].rpartition("/")
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(
            RoleName=name,
            Path=f"/{path}/" if path else "/",
            AssumeRolePolicyDocument=json.dumps(_TRUST),
        )
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=json.dumps(_EVERYTHING))


def _place_signer(context: Context) -> None:
    """A key with the ARN of the signer."""
    arn, kms = context.environment.evidence.kms_key_arn, context.access.kms
    if arn is None:
        return
    try:
        kms.describe_key(KeyId=arn)
    except kms.exceptions.NotFoundException:
        tags = [{"TagKey": _CUSTOM_ID, "TagValue": arn.rpartition("/")[2]}]
        kms.create_key(KeySpec=KEY_SPEC, KeyUsage="SIGN_VERIFY", Tags=tags)


def _place_anomaly_monitor(context: Context) -> None:
    """The account's monitor of services, with the ARN that the cost alarms name."""
    alarms, explorer = context.environment.cost.alarms, context.access.cost_explorer
    arn = alarms.anomalies.monitor_arn if alarms is not None and alarms.anomalies is not None else None
    if arn is None:
        return
    try:
        explorer.get_anomaly_monitors(MonitorArnList=[arn])
    except explorer.exceptions.UnknownMonitorException:
        tags = [{"Key": _CUSTOM_ID, "Value": arn.rpartition("/")[2]}]
        monitor = {"MonitorName": "services", "MonitorType": "DIMENSIONAL", "MonitorDimension": "SERVICE"}
        explorer.create_anomaly_monitor(AnomalyMonitor=monitor, ResourceTags=tags)


def _place_weights(context: Context, model: StagedModel) -> None:
    store = ModelStore(context.access, model)
    if store.manifest() is not None:
        return
    key = f"{model.prefix}config.json"
    context.access.s3.put_object(Bucket=model.bucket, Key=key, Body=_CONTENT)
    file = StoredFile("config.json", len(_CONTENT), sha256(_CONTENT).hexdigest())
    now = datetime.now(UTC).isoformat(timespec="seconds")
    source = model.source.model_dump(mode="json")
    store.write_manifest(
        Manifest(model.name, model.uri, source, model.origin.revision, (file,), now, "arn:aws:iam::rehearsal")
    )


def _place_image(context: Context, variant: ResolvedVariant) -> None:
    """An image in the account's own registry; AWS's are known."""
    image = getattr(variant.serving, "image", None)
    match = _OWN_IMAGE.fullmatch(image) if image else None
    if match is None or match["account"] != context.environment.account_id:
        return
    ecr, repository = context.access.ecr, match["repository"]
    with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
        ecr.create_repository(repositoryName=repository)
    tag, digest = match["tag"] or "latest", match["digest"]
    # The embedded cloud keeps one image of a manifest, and does not compare its digest.
    manifest = json.dumps({**_MANIFEST, "annotations": {"image": image}})
    with contextlib.suppress(ecr.exceptions.ImageAlreadyExistsException):
        named = {"imageDigest": digest} if digest else {}
        ecr.put_image(repositoryName=repository, imageManifest=manifest, imageTag=tag, **named)


def _place_objects(context: Context, source: S3Source) -> None:
    s3 = context.access.s3
    bucket, _, key = source.s3.removeprefix("s3://").partition("/")
    # With the constraint of the region, which S3 requires.
    state_bucket.ensure(context.access, bucket)
    if not source.is_archive:
        s3.put_object(Bucket=bucket, Key=f"{key.rstrip('/')}/config.json", Body=_CONTENT)
        return
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz"):
        pass
    s3.put_object(Bucket=bucket, Key=key, Body=content.getvalue())
