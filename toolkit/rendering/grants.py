"""Permissions of the execution role beyond reading the model store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toolkit.environment import Environment
from toolkit.rendering import s3_uris

# The attributes of the variable `execution_role_grants` of `stacks/account`.
KINDS = ("write_s3_uris", "topic_arns", "kms_key_arns", "subnet_ids", "security_group_ids")


def role_grants(environments: Iterable[Environment]) -> dict[str, list[str]]:
    """The permissions that the models of all environments need, independent of their order."""
    grants: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for environment in environments:
        for kind, value in _grants(environment):
            grants[kind].add(value)
    return {kind: sorted(values) for kind, values in grants.items()}


def _grants(environment: Environment) -> Iterator[tuple[str, str]]:
    grants: list[tuple[str, str | None]] = []
    for name, model in environment.models.items():
        grants.append(("kms_key_arns", model.kms_key_arn))
        if model.asynchronous is not None:
            asynchronous = model.asynchronous
            grants += [("write_s3_uris", uri) for uri in s3_uris.async_output(environment, name)]
            grants.append(("topic_arns", asynchronous.success_topic_arn))
            grants.append(("topic_arns", asynchronous.error_topic_arn))
        if model.data_capture is not None:
            grants.append(("write_s3_uris", s3_uris.data_capture(environment, name)))
            grants.append(("kms_key_arns", model.data_capture.kms_key_arn))
        if model.vpc is not None:
            grants += [("subnet_ids", subnet) for subnet in model.vpc.subnet_ids]
            grants += [("security_group_ids", group) for group in model.vpc.security_group_ids]
    yield from ((kind, value) for kind, value in grants if value is not None)
