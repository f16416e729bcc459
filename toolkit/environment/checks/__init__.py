"""Checks that look at several keys of an environment file together."""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.environment.checks import api, container, endpoint, expectations
from toolkit.environment.cost import CostAlarms
from toolkit.environment.environment import ValidParts, endpoint_name
from toolkit.environment.problems import Problem, did_you_mean

__all__ = ["check"]

# SageMaker allows 63; endpoint configurations and models add a hyphen and 8 digits.
MAX_ENDPOINT_NAME = 63 - 9


def check(parts: ValidParts) -> Iterator[Problem]:
    """Check the valid parts of a file; a problem that several variants share is reported for each."""
    yield from _account(parts)
    yield from _endpoint_names(parts)
    yield from _model_names(parts)
    yield from api.check(parts)
    yield from _traffic(parts)
    if parts.cost is not None and parts.cost.alarms is not None:
        yield from _cost_alarms(parts, parts.cost.alarms)
    for name, model in parts.models.items():
        for variant in model.all_resolved(name):
            yield from container.check(parts, variant, model.endpoint_type)
        yield from endpoint.check(parts, name, model)
        yield from expectations.check(name, model)


def _account(parts: ValidParts) -> Iterator[Problem]:
    if parts.account is None:
        return
    arn = parts.account.execution_role.arn
    if arn is not None and parts.account_id is not None and arn.split(":")[4] != parts.account_id:
        reason = f"the role is in account {arn.split(':')[4]}, but the environment is in {parts.account_id}"
        remedy = "correct the ARN or account_id: SageMaker requires a role in the same account"
        yield Problem(("account", "execution_role", "arn"), reason, remedy)
    state, store = parts.account.state.bucket, parts.account.model_store.bucket
    if state is not None and state == store:
        reason = f"{state} is also the bucket of the model store"
        yield Problem(
            ("account", "state", "bucket"), reason, "use two buckets: models must not read the state"
        )


def _endpoint_names(parts: ValidParts) -> Iterator[Problem]:
    if parts.project is None:
        return
    model_of: dict[str, str] = {}
    for model in parts.models:
        endpoint = endpoint_name(f"{parts.project}-{parts.name}", model)
        path = ("models", model)
        if len(endpoint) > MAX_ENDPOINT_NAME:
            reason = f"the endpoint name {endpoint} has {len(endpoint)} characters"
            remedy = (
                f"shorten the name of the model by {len(endpoint) - MAX_ENDPOINT_NAME}: at most"
                f" {MAX_ENDPOINT_NAME} fit, because SageMaker allows 63 and its configuration adds 9"
            )
            yield Problem(path, reason, remedy)
        if endpoint in model_of:
            reason = f"the endpoint name {endpoint} is also that of {model_of[endpoint]}"
            yield Problem(path, reason, "rename one of them: dots become hyphens in endpoint names")
        model_of[endpoint] = model


def _traffic(parts: ValidParts) -> Iterator[Problem]:
    """Traffic of models that the file does not have."""
    for name in parts.cost.traffic if parts.cost is not None else ():
        if name not in parts.models:
            remedy = did_you_mean(name, parts.models) or "use the name of a model"
            yield Problem(("cost", "traffic", name), f"unknown model {name}", remedy)


def _cost_alarms(parts: ValidParts, alarms: CostAlarms) -> Iterator[Problem]:
    path = ("cost", "alarms")
    if alarms.monthly is None and alarms.anomalies is None:
        yield Problem(path, "no alarm is configured", "add monthly or anomalies, or remove it")
    if not alarms.emails and alarms.topic_arn is None:
        yield Problem(path, "the alarms would reach no recipient", "add emails or topic_arn")
    monthly = alarms.monthly
    if monthly is not None and not monthly.actual_percent and not monthly.forecast_percent:
        reason = "the alarm has no threshold"
        yield Problem((*path, "monthly"), reason, "add a percentage to actual_percent or forecast_percent")
    for key in ("actual_percent", "forecast_percent") if monthly is not None else ():
        percentages = getattr(monthly, key)
        if len(set(percentages)) < len(percentages):
            reason = "a percentage occurs more than once"
            yield Problem((*path, "monthly", key), reason, "use each percentage once")
    if len(set(alarms.emails)) < len(alarms.emails):
        yield Problem((*path, "emails"), "an address occurs more than once", "use each address once")
    monitor = alarms.anomalies.monitor_arn if alarms.anomalies is not None else None
    named = {(*path, "topic_arn"): alarms.topic_arn, (*path, "anomalies", "monitor_arn"): monitor}
    for key_path, arn in named.items():
        if arn is not None and parts.account_id is not None and arn.split(":")[4] != parts.account_id:
            reason = f"it is in account {arn.split(':')[4]}, but the environment is in {parts.account_id}"
            yield Problem(key_path, reason, "use one of the same account: AWS Billing accepts no other")
    if parts.region is not None and parts.region.startswith("us-gov-"):
        reason = f"AWS Billing has no alarms in the partition of {parts.region}"
        yield Problem(path, reason, "remove it, and create the alarms in the account that pays the bill")


def _model_names(parts: ValidParts) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for name, model in parts.models.items():
        for index, alias in enumerate(model.aliases):
            owner = name if alias == name else owners.get(alias)
            owner = alias if owner is None and alias in parts.models else owner
            if owner is not None:
                reason = f"{alias} is already a name of the model {owner}"
                remedy = "remove or rename it: names must be unique"
                yield Problem(("models", name, "aliases", index), reason, remedy)
            owners.setdefault(alias, name)
