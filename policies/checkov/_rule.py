"""What the rules in Python have in common. Names with an underscore are helpers, every other file is a rule.

checkov hands over each attribute wrapped in a list and each block as a list of such attributes, alike for
plans and for source code. Values that are known only after the apply, or that it could not work out from
source code, come as words; a rule must not judge those.
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

# Expressions of source code that checkov leaves as they are, besides references to variables and resources.
_EXPRESSION = re.compile(r"^(each|count|self|path|terraform)\.|^\w+\(|\$\{")


class Rule(BaseResourceCheck):
    """One rule on the values of one resource.

    Attributes:
        id, name: as people refer to it; the name says what is right.
        severity: LOW, MEDIUM, HIGH or CRITICAL.
        reason: what happens otherwise.
        remedy: what to do.
        resources: types of resources it judges.
        data: types of data sources it judges too.
        replaces: ids of checkov's own rules that are not run, because this one knows more.
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
        """What is wrong, without any values that could be secret; None if it can't be told yet."""


def value(conf: Conf, name: str) -> Any:
    """An attribute's value, None if it is not set."""
    found = conf.get(name)
    while isinstance(found, list) and len(found) == 1:
        found = found[0]
    return None if found in ("", "null", []) else found


def values(conf: Conf, name: str) -> list[Any]:
    """The elements of an attribute that is a list."""
    found = value(conf, name)
    return found if isinstance(found, list) else [] if found is None else [found]


def blocks(conf: Conf, name: str) -> list[Conf]:
    """The nested blocks of a type."""
    found = conf.get(name) or []
    flat = [each for item in found for each in (item if isinstance(item, list) else [item])]
    return [block for block in flat if isinstance(block, dict)]


def unknown(found: Any) -> bool:
    """Whether a value is known only later."""
    if found == TRUE_AFTER_UNKNOWN or is_terraform_variable_dependent(found):
        return True
    return isinstance(found, str) and bool(_EXPRESSION.search(found))


def enabled(found: Any) -> bool:
    """Whether a value is true, as a plan or as source code writes it."""
    return str(found).lower() == "true"


def number(found: Any) -> float | None:
    """A value as a number; None if it is none."""
    try:
        return float(found)
    except (TypeError, ValueError):
        return None
