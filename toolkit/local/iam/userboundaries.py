"""Permissions boundaries of users: moto keeps them for roles only, and silently drops a user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.iam.models import User
from moto.iam.responses import IamResponse


def install() -> None:
    """Teach moto users' boundaries; doing it again changes nothing."""
    responses: Any = IamResponse
    if hasattr(responses, "put_user_permissions_boundary"):
        return
    user: Any = User
    user.permissions_boundary_arn = None
    user.permissions_boundary = property(_boundary)
    responses.create_user = _creating(responses.create_user)
    responses.put_user_permissions_boundary = _put
    responses.delete_user_permissions_boundary = _delete


def _creating(create_user: Callable[[Any], ActionResult]) -> Callable[[Any], ActionResult]:
    def create_with_boundary(response: Any) -> ActionResult:
        result = create_user(response)
        _put(response)
        return result

    return create_with_boundary


def _boundary(user: Any) -> dict[str, str] | None:
    """As GetUser shows it."""
    if not user.permissions_boundary_arn:
        return None
    return {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": user.permissions_boundary_arn,
    }


def _put(response: Any) -> ActionResult:
    user = response.backend.get_user(response._get_param("UserName"))
    user.permissions_boundary_arn = response._get_param("PermissionsBoundary")
    return EmptyResult()


def _delete(response: Any) -> ActionResult:
    response.backend.get_user(response._get_param("UserName")).permissions_boundary_arn = None
    return EmptyResult()
