"""What moto holds."""

from __future__ import annotations

from moto.s3.models import s3_backends

from toolkit.local.service import ACCOUNT_ID


def has_buckets() -> bool:
    """Whether there is an S3 bucket: Terraform's state is in one, so without it nothing is deployed."""
    return any(backend.buckets for backend in s3_backends[ACCOUNT_ID].values())
