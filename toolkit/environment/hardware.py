"""Instance types."""

from __future__ import annotations

from typing import Annotated

from toolkit.environment.problems import did_you_mean
from toolkit.environment.section import Checked, Mistake
from toolkit.serving import catalogue


def _check_instance_type(value: str) -> Mistake | None:
    known = catalogue.instances()
    if value in known:
        return None
    right = did_you_mean(value, known) or "SageMaker's instance types look like ml.g6.2xlarge"
    return Mistake(f"{value!r} is not an instance type of the catalogue", right)


InstanceType = Annotated[str, Checked(_check_instance_type, {"enum": list(catalogue.instances())})]
