"""Those parts of an environment file that are right by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from toolkit.environment.account import Account
from toolkit.environment.api import Api
from toolkit.environment.environment import model_store_bucket
from toolkit.environment.model import Model
from toolkit.environment.variants import Hosting


@dataclass(frozen=True)
class Parts:
    """Those parts of a file that are right by themselves; None for the others.

    With it what several keys say together can be checked although something else in the file is wrong,
    and all mistakes are told at once.
    """

    name: str
    target: str | None
    project: str | None
    region: str | None
    account_id: str | None
    account: Account | None
    models: Mapping[str, Model]
    api: Api | None = None

    @property
    def readable_bucket(self) -> str | None:
        """The only bucket that the execution role may use; None if unknown, or if the role is the user's."""
        if self.account is None or self.account.execution_role.arn is not None:
            return None
        if self.account.model_store.bucket is not None:
            return self.account.model_store.bucket
        if self.project is None or self.account_id is None or self.region is None:
            return None
        return model_store_bucket(self.project, self.account_id, self.region)


def hostings(name: str, model: Model) -> Iterator[Hosting]:
    """Everything that runs for a model: its variants, then the shadow."""
    yield from model.hostings(name).values()
    shadow = model.shadow_hosting(name)
    if shadow is not None:
        yield shadow
