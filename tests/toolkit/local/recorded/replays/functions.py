"""Lambda."""

from __future__ import annotations

from typing import Any

from tests.support.cloudprocess import zipped
from tests.toolkit.local.recorded.lab import ACCOUNT, GATEWAY, ROLE, Lab
from tests.toolkit.local.recorded.replays.base import REPLAYS, Replay, ask, replay

FUNCTION = {"Runtime": "python3.13", "Handler": "app.handler"}


def with_gateway(method: str, **parameters: Any) -> Replay:
    def run(lab: Lab) -> str:
        _ = lab.gateway
        return lab.ask("lambda", method, FunctionName=GATEWAY, **parameters)

    return run


def create_function(**settings: Any) -> Replay:
    def run(lab: Lab) -> str:
        _ = lab.cloud.functions
        code = {"ZipFile": zipped({"app.py": "def handler(*_): pass"})}
        return lab.ask(
            "lambda", "create_function", FunctionName=lab.name(), Code=code, **FUNCTION, **settings
        )

    return run


REPLAYS |= {
    **{
        f"{method} of what is not there": ask("lambda", method, FunctionName="nope")
        for method in ("get_function", "delete_function", "get_function_configuration")
    },
    "get_function of an unknown alias": with_gateway("get_function", Qualifier="Dev"),
    "get_alias unknown": with_gateway("get_alias", Name="Dev"),
    "create_function with a role that is not there / cannot be assumed": create_function(
        Role=f"arn:aws:iam::{ACCOUNT}:role/fid-no-such"
    ),
    "reserved environment variable AWS_REGION": create_function(
        Role=ROLE, Environment={"Variables": {"AWS_REGION": "x"}}
    ),
}


@replay("get_policy of a function without one")
def without_policy(lab: Lab) -> str:
    arn = lab.cloud.create_function(lab.name(), {"app.py": "def handler(*_): pass"})
    return lab.ask("lambda", "get_policy", FunctionName=arn)


def pending(lab: Lab) -> str:
    code = {"ZipFile": zipped({"app.py": "def handler(*_): pass"})}
    _ = lab.cloud.functions
    created = lab.client("lambda").create_function(FunctionName=lab.name(), Role=ROLE, Code=code, **FUNCTION)
    return f"{created['State']} {created['StateReasonCode']}"


def permitted_twice(lab: Lab) -> str:
    permission = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", "StatementId": "s3"}
    with_gateway("add_permission", **permission)(lab)
    return str(with_gateway("add_permission", **permission)(lab))


REPLAYS |= {
    "create_function: not a zip": lambda lab: lab.ask(
        "lambda", "create_function", FunctionName="x", Role=ROLE, Code={"ZipFile": b"x"}, **FUNCTION
    ),
    "create_function: malformed role": create_function(Role="r1"),
    "create_function: unknown architecture": create_function(Role=ROLE, Architectures=["X86_64"]),
    "create_function: State first": pending,
    "add_permission twice": permitted_twice,
    "add_permission: statement id with a dot": with_gateway(
        "add_permission",
        StatementId="example.com",
        Action="lambda:InvokeFunction",
        Principal="s3.amazonaws.com",
    ),
    "put_function_concurrency: more than the account has": with_gateway(
        "put_function_concurrency", ReservedConcurrentExecutions=990
    ),
}
