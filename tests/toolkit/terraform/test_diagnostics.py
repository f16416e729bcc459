"""Errors are short and complete, and name their location."""

from __future__ import annotations

import pytest

from toolkit.errors import StateError, TerraformError
from toolkit.terraform.diagnostics import Diagnostic, LockDeniedError, condense, error_for

LOCKED = """Error message: S3: PutObject, api error PreconditionFailed: At least one did not hold
Lock Info:
  ID:        6c1ce0d6-9d26-0a4b-7f0d-7b1f2f1d2c3e
  Path:      llm-state/dev/inference.tfstate
  Operation: OperationTypeApply
  Who:       ana@build-17
  Version:   1.11.4
  Created:   2026-11-22 10:00:00.123456789 +0000 UTC
  Info:


Terraform acquires a state lock to protect the state from being written
by multiple users at the same time."""


class FakeContext:
    """The location of these tests' commands."""

    unlock: str | None = None

    def relative(self, file: str) -> str:
        return f"stack/{file}"

    def by_hand(self, *arguments: str) -> str:
        return " ".join(["terraform", *arguments])


def error(summary: str, detail: str = "", **more: object) -> Diagnostic:
    return Diagnostic("error", summary, detail, **more)  # type: ignore[arg-type]


def apply_error(*diagnostics: Diagnostic, plain: tuple[str, ...] = ()) -> Exception:
    return error_for("apply", diagnostics, plain, FakeContext(), "build/apply.log")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        (
            "creating SageMaker AI Endpoint (llm-dev): operation error SageMaker: CreateEndpoint, "
            "https response error StatusCode: 400, RequestID: 1-2-3, api error ValidationException: "
            "Cannot create already existing endpoint",
            [
                "creating SageMaker AI Endpoint (llm-dev): SageMaker CreateEndpoint: ValidationException: "
                "Cannot create already existing endpoint"
            ],
        ),
        (
            "operation error S3: PutObject, exceeded maximum number of attempts, 3, https response error "
            "StatusCode: 0, RequestID: , HostID: , request send failed, Put: connection refused",
            ["S3 PutObject: request send failed, Put: connection refused"],
        ),
        ("wrapped by\nTerraform at\n\nsome width", ["wrapped by Terraform at", "some width"]),
        ("", []),
    ],
)
def test_sdk_noise_is_removed_and_paragraphs_kept(text: str, short: list[str]) -> None:
    assert condense(text) == short


def test_a_single_error_becomes_the_message() -> None:
    raised = apply_error(error("Bad value", "Must be\nsmall.", address="aws_x.y", file="main.tf", line=7))
    assert isinstance(raised, TerraformError)
    assert str(raised) == "stack/main.tf:7 (aws_x.y): Bad value\n  Must be small."


def test_several_errors_are_listed_once_without_preamble() -> None:
    same = error("Bad value", file="main.tf", line=7)
    raised = apply_error(
        same, error("Terraform encountered problems during initialisation, …"), same, error("Worse", "Much.")
    )
    assert str(raised).splitlines() == [
        "terraform apply reported 2 errors",
        "  stack/main.tf:7: Bad value",
        "  Worse",
        "    Much.",
    ]


def test_the_resource_is_named_from_the_code_without_an_address() -> None:
    diagnostic = Diagnostic.from_json(
        {"severity": "error", "summary": "Bad", "snippet": {"context": 'resource "aws_x" "y"'}, "range": None}
    )
    assert diagnostic.address == "aws_x.y"


def test_a_crash_without_diagnostics_shows_the_end_of_the_log() -> None:
    raised = apply_error(plain=tuple(f"line {number}" for number in range(50)))
    assert "line 49" in str(raised) and "line 3\n" not in str(raised)
    assert "build/apply.log" in str(raised)


def test_a_held_lock_names_holder_and_time() -> None:
    raised = apply_error(error("Error acquiring the state lock", LOCKED))
    assert isinstance(raised, StateError)
    assert raised.message == "the state is locked by ana@build-17 since 2026-11-22 10:00:00 UTC (apply)"
    assert raised.where == "llm-state/dev/inference.tfstate"
    assert "terraform force-unlock 6c1ce0d6-9d26-0a4b-7f0d-7b1f2f1d2c3e" in str(raised.remedy)


def test_a_race_for_the_lock_suggests_a_retry() -> None:
    raised = apply_error(
        error("Error acquiring the state lock", "Error message: api error PreconditionFailed: no")
    )
    assert isinstance(raised, StateError) and str(raised.remedy).startswith("run the command again")


def test_a_lock_failure_without_holder_is_an_ordinary_error() -> None:
    raised = apply_error(
        error("Error acquiring the state lock", "Error message: api error AccessDenied: not you")
    )
    assert isinstance(raised, TerraformError) and "AccessDenied" in str(raised)


def test_a_denied_lock_has_its_own_error() -> None:
    detail = (
        "Error message: operation error S3: PutObject, api error AccessDenied: User: ann is not authorized"
    )
    assert isinstance(apply_error(error("Error acquiring the state lock", detail)), LockDeniedError)


@pytest.mark.parametrize("summary", ["Saved plan is stale", "Saved plan does not match the given state"])
def test_a_stale_plan(summary: str) -> None:
    assert isinstance(apply_error(error(summary)), StateError)
