"""Rules of Lambda's control plane that moto lacks, and the states that it reports.

As LocalStack recorded them on AWS (localstack/localstack, `tests/aws/services/lambda_/*.snapshot.json`).
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from moto.awslambda.exceptions import LambdaClientError
from moto.awslambda.models import LambdaBackend, LambdaFunction

from toolkit.local.quotas.models import concurrency

# Developer guide, "Defined runtime environment variables". The service model's pattern excludes the others.
_RESERVED: Final = frozenset(
    {
        *("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME"),
        *("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE"),
        *("AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API"),
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
    }
)
# Of the account's quota, and of one function (developer guide, "Lambda quotas").
_MIN_UNRESERVED, _MAX_VARIABLES_BYTES = 100, 4096
_CREATING: Final = ("The function is being created.", "Creating")


def extend() -> None:
    """Extend moto in this process."""
    _check_requests()
    _report_states()


class _ConflictError(LambdaClientError):
    code = 409

    def __init__(self, message: str) -> None:
        super().__init__("ResourceConflictException", message)


def _check_requests() -> None:
    create_function, add_permission = LambdaBackend.create_function, LambdaBackend.add_permission
    update_configuration, get_code = LambdaBackend.update_function_configuration, LambdaFunction.get_code
    put_concurrency, list_versions = (
        LambdaBackend.put_function_concurrency,
        LambdaBackend.list_versions_by_function,
    )

    def create(self: LambdaBackend, spec: dict[str, Any]) -> LambdaFunction:
        _check_environment(spec)
        _check_zip((spec.get("Code") or {}).get("ZipFile"))
        # AWS takes an ARN for a name.
        name = spec["FunctionName"]
        return create_function(self, {**spec, "FunctionName": name.partition("function:")[2] or name})

    def update(
        self: LambdaBackend, function_name: str, qualifier: str, body: dict[str, Any]
    ) -> dict[str, Any] | None:
        _check_environment(body)
        return update_configuration(self, function_name, qualifier, body)

    def permit(self: LambdaBackend, function_name: str, qualifier: str, raw: str) -> dict[str, Any]:
        name = json.loads(raw)["StatementId"]
        statements = self.get_function(function_name, qualifier).policy.statements
        if any(statement.get("Sid") == name for statement in statements):
            message = (
                f"The statement id ({name}) provided already exists. Please provide a new statement id, or "
            )
            raise _ConflictError(f"{message}remove the existing statement.")
        return add_permission(self, function_name, qualifier, raw)

    def reserve(self: LambdaBackend, function_name: str, reserved_concurrency: str) -> str:
        name = self.get_function(function_name).function_name
        others = [item.reserved_concurrency for item in self.list_functions() if item.function_name != name]
        if (
            sum(map(int, filter(None, others))) + int(reserved_concurrency)
            > concurrency(self.region_name) - _MIN_UNRESERVED
        ):
            message = (
                "Specified ReservedConcurrentExecutions for function decreases account's "
                f"UnreservedConcurrentExecution below its minimum value of [{_MIN_UNRESERVED}]."
            )
            raise LambdaClientError("InvalidParameterValueException", message)
        return put_concurrency(self, function_name, reserved_concurrency)

    def code_with_reservation(self: LambdaFunction) -> dict[str, Any]:
        response = get_code(self)
        # moto omits 0; the provider reads the reservation from this member, and -1 without it.
        if self.reserved_concurrency is not None:
            reservation = {"ReservedConcurrentExecutions": int(self.reserved_concurrency)}
            response["Concurrency"] = reservation
        return response

    def versions(self: LambdaBackend, function_name: str) -> Iterable[LambdaFunction]:
        self.get_function(function_name)
        return list_versions(self, function_name)

    LambdaFunction.get_code = code_with_reservation  # type: ignore[method-assign]
    LambdaBackend.put_function_concurrency = reserve  # type: ignore[method-assign]
    LambdaBackend.list_versions_by_function = versions  # type: ignore[method-assign]
    LambdaBackend.create_function = create  # type: ignore[method-assign]
    LambdaBackend.update_function_configuration = update  # type: ignore[method-assign]
    LambdaBackend.add_permission = permit  # type: ignore[method-assign]


def _check_zip(encoded: str | bytes | None) -> None:
    if encoded and not zipfile.is_zipfile(io.BytesIO(base64.b64decode(encoded))):
        message = "Could not unzip uploaded file. Please check your file, then try to upload again."
        raise LambdaClientError("InvalidParameterValueException", message)


def _check_environment(spec: dict[str, Any]) -> None:
    variables = (spec.get("Environment") or {}).get("Variables") or {}
    # Escaped quotation marks count: github-aws-runners/terraform-aws-github-runner#3594.
    measured = json.dumps(variables, separators=(",", ":"), ensure_ascii=False)
    if len(measured.encode()) > _MAX_VARIABLES_BYTES:
        message = (
            "Lambda was unable to configure your environment variables because the environment variables you "
            f"have provided exceeded the 4KB limit. String measured: {measured}"
        )
        raise LambdaClientError("InvalidParameterValueException", message)
    reserved = sorted(_RESERVED & set(variables))
    if reserved:
        message = (
            "Lambda was unable to configure your environment variables because the environment variables you "
            "have provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
        raise LambdaClientError("InvalidParameterValueException", message)


def _report_states() -> None:
    """Report a new function as Pending and an update as InProgress, in the response to the request only.

    Each update changes the time of the last modification.
    """
    describe, update_code = LambdaFunction.get_configuration, LambdaFunction.update_function_code
    update_configuration = LambdaFunction.update_configuration

    def configuration(self: LambdaFunction, on_create: bool = False) -> dict[str, Any]:
        reason, code = _CREATING
        pending = {"State": "Pending", "StateReason": reason, "StateReasonCode": code} if on_create else {}
        return {**describe(self, on_create), "LastModified": _timestamp(self.last_modified), **pending}

    def in_progress(self: LambdaFunction, description: dict[str, Any]) -> dict[str, Any]:
        self.last_modified = datetime.now(UTC).isoformat()
        reason, code = _CREATING
        status = {"LastUpdateStatus": "InProgress", "LastUpdateStatusReason": reason}
        modified = {"LastModified": _timestamp(self.last_modified)}
        return {**description, **status, **modified, "LastUpdateStatusReasonCode": code}

    LambdaFunction.get_configuration = configuration  # type: ignore[method-assign]
    LambdaFunction.update_function_code = (  # type: ignore[method-assign]
        lambda self, updated_spec: in_progress(self, update_code(self, updated_spec))
    )
    LambdaFunction.update_configuration = (  # type: ignore[method-assign]
        lambda self, config_updates: in_progress(self, update_configuration(self, config_updates))
    )


def _timestamp(moment: str) -> str:
    """A moment as Lambda writes it: 2020-04-10T19:06:32.563+0000 (botocore's examples of the service)."""
    utc = datetime.fromisoformat(moment).astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='milliseconds')}+0000"
