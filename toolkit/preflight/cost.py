"""The needs of the alarms of AWS Billing: an active cost allocation tag, and a topic that lets it publish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from toolkit.deployment.context import Context
from toolkit.environment.cost import CostAlarms
from toolkit.preflight.results import Result

# The tag of the environment's resources, by which the alarms find their costs.
TAG = "deployment"
ACTIVATE = (
    "aws ce update-cost-allocation-tags-status --region us-east-1 "
    f"--cost-allocation-tags-status TagKey={TAG},Status=Active"
)


def alarms(context: Context) -> Iterator[Result]:
    """Whether the alarms can see the environment's costs and notify the topic."""
    alarms = context.environment.cost.alarms
    if alarms is None:
        return
    if alarms.monthly is not None or (alarms.anomalies is not None and alarms.anomalies.monitor_arn is None):
        yield _allocation_tag(context)
    if alarms.topic_arn is not None:
        yield from _publishers(context, alarms, alarms.topic_arn)


def _allocation_tag(context: Context) -> Result:
    list_tags = context.access.cost_explorer.list_cost_allocation_tags
    remedy = f"a day after the first deployment, run `{ACTIVATE}` in the account that pays the bill"
    try:
        active: Any = list_tags(Status="Active", TagKeys=[TAG])["CostAllocationTags"]
    except ClientError as error:
        # hashicorp/terraform-provider-aws#37636
        if "Linked account" not in error.response["Error"]["Message"]:
            raise
        detail = f"only the management account knows whether the cost allocation tag {TAG} is active"
        return Result("cost alarms", "unknown", detail, remedy)
    if active:
        return Result("cost alarms", "ok", f"the cost allocation tag {TAG} is active")
    detail = f"the cost allocation tag {TAG} is not active: the alarms would see no costs"
    return Result("cost alarms", "warning", detail, remedy)


def _publishers(context: Context, alarms: CostAlarms, topic: str) -> Iterator[Result]:
    """Services that the topic's policy does not name (user guide of AWS Cost Management, SNS topics)."""
    try:
        attributes = context.access.sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NotFound", "NotFoundException"):
            return  # another check reports it
        raise
    services = {"budgets.amazonaws.com": alarms.monthly, "costalerts.amazonaws.com": alarms.anomalies}
    for service in [service for service, alarm in services.items() if alarm is not None]:
        if service not in attributes.get("Policy", ""):
            detail = f"the policy of {topic} does not let {service} publish: notifications would be lost"
            remedy = f"allow sns:Publish for the service principal {service} in the topic's access policy"
            yield Result("cost alarms", "warning", detail, remedy)
