"""Base class and helpers of the rules in Python. Files with a leading underscore are helpers, others rules.

checkov passes each attribute wrapped in a list and each block as a list of such attributes, for plans and
source code alike. Values that are known only after the apply, or that it cannot evaluate in source code, are
strings with the expression; a rule must treat them as unknown.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Any, ClassVar

from checkov.common.bridgecrew.severities import Severities
from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.common.util.consts import TRUE_AFTER_UNKNOWN
from checkov.common.util.var_utils import is_terraform_variable_dependent
from checkov.terraform.checks.data.registry import data_registry
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

Conf = dict[str, Any]

# Expressions that checkov does not evaluate, besides references to variables and resources.
_EXPRESSION = re.compile(r"^(each|count|self|path|terraform)\.|^\w+\(|\$\{")


class Rule(BaseResourceCheck):
    """A rule on the attributes of one resource.

    Attributes:
        id: such as "CKV_LLM_1".
        name: what it requires.
        severity: LOW, MEDIUM, HIGH or CRITICAL.
        reason: the risk.
        remedy: how to fix a finding.
        resources: resource types it checks.
        data: data source types it checks.
        replaces: ids of checkov's less precise built-in rules, which do not run.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    severity: ClassVar[str]
    reason: ClassVar[str]
    remedy: ClassVar[str]
    category: ClassVar[CheckCategories]
    resources: ClassVar[tuple[str, ...]]
    data: ClassVar[tuple[str, ...]] = ()
    replaces: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        severity = Severities[self.severity]
        super().__init__(
            name=self.name,
            id=self.id,
            categories=(self.category,),
            supported_resources=self.resources,
            guideline=self.remedy,
        )
        self.severity = severity
        if self.data:
            self.supported_entities = self.data
            data_registry.register(self)
            self.supported_entities = self.resources

    def scan_resource_conf(self, conf: Conf) -> CheckResult:
        problems = self.problems(conf)
        if problems is None:
            return CheckResult.UNKNOWN
        self.details.extend(problems)
        return CheckResult.FAILED if problems else CheckResult.PASSED

    @abstractmethod
    def problems(self, conf: Conf) -> list[str] | None:
        """Describe what is wrong, without values that could be secret; None if it is not known yet."""


def value(conf: Conf, name: str) -> Any:
    """An attribute's value; None if unset."""
    item = conf.get(name)
    while isinstance(item, list) and len(item) == 1:
        item = item[0]
    return None if item in ("", "null", []) else item


def values(conf: Conf, name: str) -> list[Any]:
    """The elements of a list attribute."""
    item = value(conf, name)
    return item if isinstance(item, list) else [] if item is None else [item]


def blocks(conf: Conf, name: str) -> list[Conf]:
    """The nested blocks of a type."""
    items = [
        nested for item in conf.get(name) or [] for nested in (item if isinstance(item, list) else [item])
    ]
    return [item for item in items if isinstance(item, dict)]


def unknown(item: Any) -> bool:
    """Whether a value is not known yet."""
    if item == TRUE_AFTER_UNKNOWN or is_terraform_variable_dependent(item):
        return True
    return isinstance(item, str) and bool(_EXPRESSION.search(item))


def enabled(item: Any) -> bool:
    """Whether a value is true, in a plan or in source code."""
    return str(item).lower() == "true"


def number(item: Any) -> float | None:
    """A value as a number; None if it is not a number."""
    try:
        return float(item)
    except (TypeError, ValueError):
        return None
