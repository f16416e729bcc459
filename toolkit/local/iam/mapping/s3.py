"""S3: many operations share an action, and some need several."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from toolkit.local.iam.exceptions import UnmappedRequestError
from toolkit.local.iam.mapping.operations import ApiCall
from toolkit.local.iam.mapping.reference import Check, action
from toolkit.local.iam.models import PARTITION

# Operation → action, where the names differ.
_ACTIONS: Mapping[str, str] = {
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeleteObjects": "DeleteObject",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycle": "GetLifecycleConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycle": "PutLifecycleConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutObjectLockConfiguration": "PutBucketObjectLockConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
# These actions have other names for a specific object version.
_VERSIONED = re.compile(r"(Get|Delete|Put)Object(|Acl|Tagging|Attributes)")
# Parameters of an upload that need another action.
_UPLOAD_EXTRAS: Mapping[str, str] = {
    "ACL": "PutObjectAcl",
    "Tagging": "PutObjectTagging",
    "ObjectLockLegalHoldStatus": "PutObjectLegalHold",
    "ObjectLockMode": "PutObjectRetention",
}


def checks(call: ApiCall, parameters: Mapping[str, Any]) -> Iterator[Check]:
    """The checks of an S3 operation.

    Raises:
        UnmappedRequestError: the operation has no known action.
    """
    name = _ACTIONS.get(call.operation, call.operation)
    bucket = parameters.get("Bucket", "*")
    if call.operation == "DeleteObjects":
        for item in (parameters.get("Delete") or {}).get("Objects", []):
            yield _check(name, bucket, item.get("Key"), item.get("VersionId"))
        return
    yield _check(name, bucket, parameters.get("Key"), parameters.get("VersionId"))
    if name == "PutObject":
        for parameter, extra in _UPLOAD_EXTRAS.items():
            if parameters.get(parameter):
                yield _check(extra, bucket, parameters.get("Key"))
    if "CopySource" in parameters:
        yield _source(parameters["CopySource"])
    if (parameters.get("CreateBucketConfiguration") or {}).get("Tags"):
        yield _check("TagResource", bucket)


def _source(text: str) -> Check:
    path, _, query = text.lstrip("/").partition("?")
    bucket, _, key = unquote(path).partition("/")
    return _check("GetObject", bucket, key, parse_qs(query).get("versionId", [None])[0])


def _check(name: str, bucket: str, key: str | None = None, version: str | None = None) -> Check:
    if version is not None and _VERSIONED.fullmatch(name):
        name = name.replace("Object", "ObjectVersion", 1)
    needed = action("s3", name)
    if needed is None:
        raise UnmappedRequestError(f"unknown action for S3's {name}")
    types = {kind.name for kind in needed.resource_types}
    # AWS's examples name `arn:aws:s3:::*` for ListAllMyBuckets, too.
    resource = f"arn:{PARTITION}:s3:::{bucket if types else '*'}"
    if "object" in types:
        resource += f"/{key if key is not None else '*'}"
    return Check(needed, resource)
