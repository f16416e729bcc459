"""A plan in Terraform's JSON format: reads it and resolves references across modules."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from toolkit import documents
from toolkit.errors import InputError
from toolkit.terraform.plan_json import PlanDocument

REMEDY = "create one from a saved Terraform plan: `terraform show -json PLAN > plan.json`"
_TOOLKIT_REMEDY = (
    "`toolkit plan` has already checked it: see the findings in its plan.json; `apply --plan` checks it again"
)


def read(path: Path) -> PlanDocument | None:
    """Read a plan; None if the path is a directory.

    Raises:
        InputError: the path does not exist, or is not a plan in JSON.
    """
    if path.is_dir():
        return None
    try:
        content = documents.load(path)
    except FileNotFoundError:
        raise InputError("no such file or directory", where=str(path)) from None
    is_archive = content.startswith(b"PK")
    kind = "neither a directory nor a plan in JSON" if is_archive else "not a plan in Terraform's JSON format"
    is_ours = _is_toolkit_plan(content) if is_archive else _is_toolkit_summary(content)
    error = InputError(kind, where=str(path), remedy=_TOOLKIT_REMEDY if is_ours else REMEDY)
    return documents.read(content, PlanDocument, error)


def resolve_references(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the plan with references to module variables replaced by what the caller passes.

    checkov connects resources by the references in their expressions, but does not follow variables: it
    reports a bucket as unprotected as soon as its protection is in a module.

    Args:
        document: output of `terraform show -json`.
    """
    configuration = copy.deepcopy(document.get("configuration", {}))
    _resolve_module(configuration.get("root_module", {}), {})
    return {**document, "configuration": configuration}


def _is_toolkit_plan(content: bytes) -> bool:
    try:
        with documents.archive(content) as archive:
            return {"manifest.json", "terraform.tfplan"} <= set(archive.namelist())
    except documents.DamagedError:
        return False


def _is_toolkit_summary(content: bytes) -> bool:
    try:
        return {"dangers", "parts", "policy"} <= documents.parse(content, dict[str, Any]).keys()
    except documents.DamagedError:
        return False


def _resolve_module(module: dict[str, Any], inputs: Mapping[str, list[str]]) -> None:
    """Resolve references in place.

    Args:
        module: a module's configuration.
        inputs: by variable, the references in the value that the caller passes.
    """
    for resource in module.get("resources", []):
        _resolve(resource.get("expressions", {}), inputs)
    for call in module.get("module_calls", {}).values():
        arguments = call.get("expressions", {})
        _resolve(arguments, inputs)
        passed = {
            name: [reference for part in _expressions(argument) for reference in part["references"]]
            for name, argument in arguments.items()
        }
        _resolve_module(call.get("module", {}), passed)


def _resolve(node: Any, inputs: Mapping[str, list[str]]) -> None:
    for expression in _expressions(node):
        expression["references"] = [
            resolved
            for reference in expression["references"]
            for resolved in _targets(str(reference), inputs)
        ]


def _targets(reference: str, inputs: Mapping[str, list[str]]) -> list[str]:
    kind, _, rest = reference.partition(".")
    return inputs.get(rest.partition(".")[0], []) if kind == "var" else [reference]


def _expressions(node: Any) -> Iterator[dict[str, Any]]:
    """All expressions with references in an attribute or block, at any depth."""
    if isinstance(node, list):
        for item in node:
            yield from _expressions(item)
    elif isinstance(node, dict):
        if isinstance(node.get("references"), list):
            yield node
        for item in node.values():
            yield from _expressions(item)
