"""Each operation that Terraform and the toolkit use needs the recorded action."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from botocore import xform_name
from moto.core.base_backend import BackendDict

from tests.support.iam import ACCOUNT
from toolkit.local.iam.mapping import reference
from toolkit.local.iam.mapping.checks import checks
from toolkit.local.iam.mapping.operations import identify, is_form
from toolkit.local.iam.models import Account

RECORDED = [
    line.split()
    for line in Path(__file__).with_name("operations.txt").read_text().splitlines()
    if not line.startswith("#")
]
SERVICES = {
    "ApplyGuardrail": "bedrock-runtime",
    **dict.fromkeys(
        ("InvokeEndpoint", "InvokeEndpointAsync", "InvokeEndpointWithResponseStream"), "sagemaker-runtime"
    ),
}
SESSION = boto3.Session()


def least(shape):
    """A minimal value of a shape."""
    if shape.type_name == "structure":
        return {name: least(shape.members[name]) for name in shape.required_members}
    simple = {
        "list": [],
        "map": {},
        "integer": 1,
        "long": 1,
        "double": 1.0,
        "boolean": True,
        "blob": b"",
        "timestamp": 0,
    }
    if shape.type_name == "list" and shape.metadata.get("min"):
        return [least(shape.member)]
    text = shape.enum[0] if getattr(shape, "enum", None) else "x" * max(3, shape.metadata.get("min", 0))
    return simple.get(shape.type_name, text)


@pytest.mark.parametrize(("operation", "action"), RECORDED, ids=[operation for operation, _ in RECORDED])
def test_operations_map_to_their_actions(capture, operation, action):
    BackendDict.reset()
    prefix, name = operation.split(":")
    service = SERVICES.get(name, prefix)
    shape = (
        SESSION.client(service, region_name="us-east-1").meta.service_model.operation_model(name).input_shape
    )
    scope, body = capture(service, xform_name(name), **(least(shape) if shape is not None else {}))

    call = identify(scope, body if is_form(scope) else b"")
    content = body if call.needs_body else b""
    needed = checks(call, call.parameters(content), content, Account(ACCOUNT))

    assert (f"{call.prefix}:{call.operation}", needed[0].action.name) == (operation, action)
    # Another action replaces the operation's only where AWS's reference has none of its name.
    own = reference.action(prefix, name)
    assert own is None or needed[0].action == own
    # An action with resource types has an ARN of such a type.
    if any(kind.required for kind in needed[0].action.resource_types):
        assert needed[0].resource.startswith("arn:aws:")
