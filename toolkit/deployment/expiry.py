"""When environments expire: a record in the state bucket, next to the state, for `toolkit reap`.

An apply writes the record before it creates anything, so that an interrupted first apply expires, too. The
record contains what a destruction needs, since the file of a preview is usually gone by then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from pydantic import AwareDatetime

from toolkit import documents
from toolkit.aws import state_bucket
from toolkit.deployment.context import Context
from toolkit.environment import Environment, EnvironmentFileError, read_text, recorded
from toolkit.environment.loader import RESERVED_NAMES
from toolkit.errors import InputError, StateError
from toolkit.report.drift import utc

_RESTORE = "restore the object's earlier version (docs/how-to/restore.md), or destroy the environment"


@dataclass(frozen=True)
class Expiry:
    """The expiry of an environment, as its last apply recorded it.

    Attributes:
        environment: its name.
        applied_at: when that apply began.
        expires_at: when `toolkit reap` may destroy it; None if it does not expire any more.
        file: text of the environment file.
        variables: the rendered Terraform variables.
    """

    environment: str
    applied_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    file: str = ""
    variables: str = ""


def key(name: str) -> str:
    """Key of the record in the state bucket."""
    return f"{name}/expiry.json"


def renew(context: Context) -> None:
    """Record that the environment is applied now; without `ttl`, end an earlier expiry."""
    environment = context.environment
    seconds = environment.ttl_seconds
    if seconds is None:
        end(context)
        return
    now = context.access.now()
    expires_at = now + timedelta(seconds=seconds)
    expiry = Expiry(
        environment=environment.name,
        applied_at=now,
        expires_at=expires_at,
        file=read_text(context.project, environment.name),
        variables=(context.build / "inference.tfvars").read_text(encoding="utf-8"),
    )
    _write(context, expiry)
    context.console.line(f"{environment.name} expires at {utc(expires_at)}")


def end(context: Context, destroyed: Expiry | None = None) -> None:
    """Record that the environment does not expire any more, if it did.

    Args:
        context: the environment.
        destroyed: the record by which it was destroyed, which another apply may have replaced; None for any.
    """
    environment = context.environment
    content = state_bucket.read(context.access, environment.state_bucket, key(environment.name))
    if content is None:
        return
    try:
        expiry = documents.parse(content, Expiry)
    except documents.DamagedError:
        expiry = Expiry(environment.name, context.access.now(), context.access.now())
    if expiry.expires_at is not None and destroyed in (None, expiry):
        _write(context, replace(expiry, expires_at=None, file="", variables=""))


def read(context: Context, name: str) -> Expiry | None:
    """The record of an environment in the context's state bucket; None if it does not expire.

    Raises:
        StateError: the record is damaged, or of another environment.
    """
    bucket = context.environment.state_bucket
    content = state_bucket.read(context.access, bucket, key(name))
    expiry = None if content is None else parse(content, name, f"s3://{bucket}/{key(name)}")
    return expiry if expiry is not None and expiry.expires_at is not None else None


def parse(content: bytes, name: str, where: str) -> Expiry:
    """Read the stored record of an environment.

    Raises:
        StateError: it is damaged, or of another environment.
    """
    message = f"cannot read when {name} expires: its record was changed after it was stored"
    expiry = documents.read(content, Expiry, StateError(message, where=where, remedy=_RESTORE))
    if expiry.environment != name:
        raise StateError(f"{message}: it is of {expiry.environment[:40]!r}", where=where, remedy=_RESTORE)
    return expiry


def environment_of(context: Context, expiry: Expiry) -> Environment:
    """The environment as it was applied last.

    Raises:
        StateError: its recorded file has problems, or is of another account.
    """
    name, bucket = expiry.environment, context.environment.state_bucket
    where = f"s3://{bucket}/{key(name)}"
    try:
        file = context.project.relative(context.project.environment_file(name))
        environment = recorded(name, file, expiry.file)
    except (EnvironmentFileError, InputError) as error:
        message = f"cannot read the recorded file of {name}: {error.message}"
        raise StateError(message, where=where, details=error.details, remedy=_RESTORE) from error
    own = (context.environment.account_id, context.environment.region, bucket)
    if (environment.account_id, environment.region, environment.state_bucket) != own:
        message = f"the recorded file of {name} is of another account, region or state bucket"
        raise StateError(message, where=where, remedy=_RESTORE)
    return environment


def names(context: Context) -> Iterator[str]:
    """The environments with a folder in the state bucket."""
    pages = context.access.s3.get_paginator("list_objects_v2").paginate(
        Bucket=context.environment.state_bucket, Delimiter="/"
    )
    for page in pages:
        for prefix in page.get("CommonPrefixes", []):
            name = prefix["Prefix"].rstrip("/")
            if name not in RESERVED_NAMES:
                yield name


def _write(context: Context, expiry: Expiry) -> None:
    content = json.dumps(asdict(expiry), indent=2, sort_keys=True, ensure_ascii=False, default=_text)
    bucket = context.environment.state_bucket
    context.access.s3.put_object(
        Bucket=bucket, Key=key(expiry.environment), Body=content.encode(), ContentType="application/json"
    )


def _text(moment: object) -> str:
    if not isinstance(moment, datetime):
        raise TypeError(type(moment).__name__)
    return moment.isoformat(timespec="seconds")
