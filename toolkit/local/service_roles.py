"""Service-linked roles, which AWS creates when an account first uses a feature."""

from __future__ import annotations

import json
from dataclasses import dataclass

from moto.iam.models import iam_backends

from toolkit.local.service import ACCOUNT_ID


@dataclass(frozen=True)
class ServiceLinkedRole:
    """A service-linked role.

    Attributes:
        service: the service that assumes it.
    """

    service: str
    name: str

    @property
    def path(self) -> str:
        """Its path in IAM."""
        return f"/aws-service-role/{self.service}/"

    def create(self) -> None:
        """Create the role unless it exists."""
        iam = iam_backends[ACCOUNT_ID]["aws"]
        if any(role.name == self.name for role in iam.get_roles()):
            return
        trust = {"Effect": "Allow", "Principal": {"Service": self.service}, "Action": "sts:AssumeRole"}
        iam.create_role(
            self.name,
            json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
            self.path,
            permissions_boundary=None,
            description="",
            tags=[],
            max_session_duration="3600",
            linked_service=self.service,
        )


# The first scalable target of SageMaker.
AUTO_SCALING = ServiceLinkedRole(
    "sagemaker.application-autoscaling.amazonaws.com",
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
)
# The first custom domain name: "Using service-linked roles for API Gateway" in API Gateway's developer guide.
API_GATEWAY = ServiceLinkedRole("ops.apigateway.amazonaws.com", "AWSServiceRoleForAPIGateway")
