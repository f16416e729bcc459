"""The quotas of each region, and their values."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from toolkit.local.service import ACCOUNT_ID
from toolkit.serving import catalogue

SAGEMAKER, LAMBDA = "sagemaker", "lambda"
CONCURRENCY = "Concurrent executions"
# Those of AWS depend on the account's age and use, and a new account may have none of an instance type
# (aws/amazon-sagemaker-examples#307). Only a test or a rehearsal knows which it wants, so this one is out of
# the way of any other.
_DEFAULT = 1000.0


def endpoint_usage(instance_type: str) -> str:
    """Name of the quota of an instance type (aws-samples/aws-genai-llm-chatbot#244)."""
    return f"{instance_type} for endpoint usage"


@dataclass(frozen=True)
class Quota:
    """A quota in one region.

    Attributes:
        code: AWS's for Lambda's concurrency, otherwise made from the name.
    """

    service: str
    name: str
    value: float
    region: str

    @property
    def code(self) -> str:
        if self.name == CONCURRENCY:
            return "L-B99A9384"
        return f"L-{hashlib.sha256(self.name.encode()).hexdigest()[:8].upper()}"

    @property
    def arn(self) -> str:
        return f"arn:aws:servicequotas:{self.region}:{ACCOUNT_ID}:{self.service}/{self.code}"


@dataclass
class Quotas:
    """The quotas of the account."""

    _changes: dict[tuple[str, str, str], float | None] = field(default_factory=dict)

    def all(self, region: str, service: str, *, applied: bool = True) -> list[Quota]:
        """The quotas of a service.

        Args:
            region: the region.
            service: its code, such as `sagemaker`.
            applied: with the values of the account, instead of the defaults.
        """
        quotas = []
        for name in _names(service):
            value = self._changes.get((region, service, name), _DEFAULT)
            if value is not None:
                quotas.append(Quota(service, name, value if applied else _DEFAULT, region))
        return quotas

    def value(self, region: str, service: str, name: str) -> float | None:
        """The value of a quota; None if there is no such quota."""
        default = _DEFAULT if name in _names(service) else None
        return self._changes.get((region, service, name), default)

    def set(self, region: str, service: str, name: str, value: float | None) -> None:
        """Change a quota; None removes it, as in a region without the instance type.

        Raises:
            LookupError: there is no such quota.
        """
        if name not in _names(service):
            raise LookupError(f"{service} has no quota {name}")
        self._changes[region, service, name] = value


def _names(service: str) -> list[str]:
    return {
        SAGEMAKER: [endpoint_usage(name) for name in catalogue.instances()],
        LAMBDA: [CONCURRENCY],
    }.get(service, [])


# Of this process, like moto's resources.
QUOTAS = Quotas()


def concurrency(region: str) -> int:
    """Lambda's concurrent executions in a region."""
    return int(QUOTAS.value(region, LAMBDA, CONCURRENCY) or 0)
