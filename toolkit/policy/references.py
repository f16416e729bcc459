"""Makes a plan say which resources refer to each other, also where a module's variable is in between.

checkov relates resources by the references in their expressions and does not follow variables: to it, a
bucket is unprotected as soon as its protection is in a module.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any


def see_through_modules(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same plan, with references to variables replaced by what the module's caller gave for them.

    Args:
        document: what `terraform show -json` says of the plan.
    """
    configuration = copy.deepcopy(document.get("configuration", {}))
    _resolve_module(configuration.get("root_module", {}), {})
    return {**document, "configuration": configuration}


def _resolve_module(module: dict[str, Any], inputs: Mapping[str, list[str]]) -> None:
    """Resolve in place.

    Args:
        module: a module, or the root.
        inputs: its variables, and what its caller refers to in their values.
    """
    for resource in module.get("resources", []):
        _resolve(resource.get("expressions", {}), inputs)
    for call in module.get("module_calls", {}).values():
        arguments = call.get("expressions", {})
        _resolve(arguments, inputs)
        passed = {
            name: [reference for each in _expressions(argument) for reference in each["references"]]
            for name, argument in arguments.items()
        }
        _resolve_module(call.get("module", {}), passed)


def _resolve(expression: Any, inputs: Mapping[str, list[str]]) -> None:
    for each in _expressions(expression):
        each["references"] = [found for name in each["references"] for found in _resolved(name, inputs)]


def _resolved(reference: str, inputs: Mapping[str, list[str]]) -> list[str]:
    kind, _, rest = reference.partition(".")
    return inputs.get(rest.partition(".")[0], []) if kind == "var" else [reference]


def _expressions(node: Any) -> Iterator[dict[str, Any]]:
    """The expressions with references in an attribute or block, however deep."""
    if isinstance(node, list):
        for item in node:
            yield from _expressions(item)
    elif isinstance(node, dict):
        if isinstance(node.get("references"), list):
            yield node
        for item in node.values():
            yield from _expressions(item)
