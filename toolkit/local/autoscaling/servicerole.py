"""The role that Application Auto Scaling works with: AWS makes it for the first target of an account."""

from __future__ import annotations

import json

from moto.iam.models import iam_backends

from toolkit.local.service import ACCOUNT_ID

NAME = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
SERVICE = "sagemaker.application-autoscaling.amazonaws.com"


def ensure() -> None:
    """Make the role unless it is there."""
    iam = iam_backends[ACCOUNT_ID]["aws"]
    if any(role.name == NAME for role in iam.get_roles()):
        return
    statement = {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"}
    iam.create_role(
        NAME,
        json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        f"/aws-service-role/{SERVICE}/",
        permissions_boundary=None,
        description="",
        tags=[],
        max_session_duration="3600",
        linked_service=SERVICE,
    )
