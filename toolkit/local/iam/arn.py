"""Amazon Resource Names."""

from __future__ import annotations

from dataclasses import dataclass

# An ARN has five colons before its resource part, which may hold further ones.
ARN_COLONS = 5


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN; all but partition, service and resource may be empty."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn | None:
        """Read an ARN; None if `text` is none, such as `*`."""
        parts = text.split(":", ARN_COLONS)
        if len(parts) <= ARN_COLONS or parts[0] != "arn":
            return None
        return cls(*parts[1:])

    def __str__(self) -> str:
        return ":".join(("arn", self.partition, self.service, self.region, self.account, self.resource))
