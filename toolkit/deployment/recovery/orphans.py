"""A stack's resources in AWS, found by name and by the tags of the stack, independent of the state.

An interrupted apply (kill -9, a lost machine) leaves resources that are missing in its state. Terraform
would create them again, and fail because the names are taken or create a second API next to the first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from botocore.exceptions import ClientError

from toolkit.aws import endpoints, state_bucket
from toolkit.aws.access import AwsAccess
from toolkit.deployment.context import Context

if TYPE_CHECKING:
    from types_boto3_apigateway.type_defs import DomainNameResponseTypeDef
    from types_boto3_route53.type_defs import ResourceRecordSetOutputTypeDef
    from types_boto3_wafv2.type_defs import WebACLSummaryTypeDef

T = TypeVar("T")
Stack = Literal["inference", "account"]

# Error codes for a missing resource; SageMaker has no code for that.
_MISSING = {
    "NoSuchEntity",
    "NoSuchHostedZone",
    "NotFoundException",
    "ObjectNotFoundException",
    "ResourceNotFound",
    "ResourceNotFoundException",
    "WAFNonexistentItemException",
}
# Largest page of API Gateway and of AWS WAF.
_PAGE = 500
_WAF_PAGE = 100
# API Gateway's base path of a mapping for all paths.
ALL_PATHS = "(none)"


@dataclass(frozen=True)
class Orphan:
    """A resource of the environment that is missing in the state.

    Attributes:
        kind: its kind in words.
        type: its Terraform type.
        id: its Terraform import ID.
        remove: deletes it.
        created: when it was created, where AWS says so.
    """

    kind: str
    type: str
    id: str
    remove: Callable[[], object]
    created: datetime | None = None

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


def ownership_tags(context: Context, stack: Stack) -> dict[str, str]:
    """The default tags that tell a stack's resources from those of other owners."""
    environment = context.environment
    if stack == "account":
        owner = {"project": environment.project}
    else:
        # Projects that share an account may name their environments alike; their prefixes differ.
        owner = {"environment": environment.name, "deployment": environment.prefix}
    return {"managed-by": "terraform", "stack": stack, **owner}


class OwnedResources:
    """Looks up a stack's resources; methods return an import ID, or None if it is missing or not ours.

    A resource without the stack's tags has another owner: it is left alone, and Terraform reports that the
    name is taken. Log groups need no tags, since services create them.

    Args:
        context: the environment.
        recorded: IDs of the resources in the state, by type.
        stack: the stack that owns the resources.
    """

    def __init__(
        self,
        context: Context,
        recorded: Mapping[str, frozenset[str]] | None = None,
        stack: Stack = "inference",
    ) -> None:
        self.environment = context.environment
        self.prefix = context.environment.prefix
        self._access: AwsAccess = context.access
        self._recorded = recorded or {}
        self._tags = ownership_tags(context, stack)
        self._log_groups: dict[str, frozenset[str]] = {}
        self._listing = threading.Lock()

    def unrecorded(self, resource_type: str, ids: Iterable[str]) -> list[str]:
        """Those of a type's IDs that the state does not contain."""
        recorded_ids = self._recorded.get(resource_type, frozenset())
        return [resource_id for resource_id in ids if resource_id not in recorded_ids]

    def model(self, name: str) -> str | None:
        """A SageMaker model."""
        describe = self._access.sagemaker.describe_model
        return self._sagemaker(name, lambda: describe(ModelName=name)["ModelArn"])

    def configuration(self, name: str) -> str | None:
        """An endpoint configuration."""
        describe = self._access.sagemaker.describe_endpoint_config
        return self._sagemaker(name, lambda: describe(EndpointConfigName=name)["EndpointConfigArn"])

    def endpoint(self, name: str) -> str | None:
        """An endpoint."""
        describe = self._access.sagemaker.describe_endpoint
        return self._sagemaker(name, lambda: describe(EndpointName=name)["EndpointArn"])

    def scalable_target(self, resource: str, arn: str) -> str | None:
        """A scalable target, identified by its variant: `endpoint/NAME/variant/NAME`."""
        list_tags = self._access.autoscaling.list_tags_for_resource
        tags = unless_missing(lambda: list_tags(ResourceARN=arn)["Tags"])
        return resource if tags is not None and self._ours(tags) else None

    def registered_target(self, resource: str) -> str | None:
        """The scalable target of a variant: AWS refuses to register one with tags again."""
        pages = self._access.autoscaling.describe_scalable_targets(
            ServiceNamespace="sagemaker", ResourceIds=[resource]
        )
        for target in pages["ScalableTargets"]:
            if self.scalable_target(resource, target["ScalableTargetARN"]):
                return f"sagemaker/{resource}/{target['ScalableDimension']}"
        return None

    def role(self, name: str) -> str | None:
        """An IAM role."""
        role = unless_missing(lambda: self._access.iam.get_role(RoleName=name)["Role"])
        return name if role is not None and self._ours(_pairs(role.get("Tags", []))) else None

    def policy(self, name: str) -> str | None:
        """A managed IAM policy."""
        arn, list_tags = self._iam_arn(f"policy/{name}"), self._access.iam.list_policy_tags
        tags = unless_missing(lambda: list_tags(PolicyArn=arn)["Tags"])
        return arn if tags is not None and self._ours(_pairs(tags)) else None

    def identity_provider(self, host: str) -> str | None:
        """An OpenID Connect provider."""
        arn, get = self._iam_arn(f"oidc-provider/{host}"), self._access.iam.get_open_id_connect_provider
        provider = unless_missing(lambda: get(OpenIDConnectProviderArn=arn))
        return arn if provider is not None and self._ours(_pairs(provider.get("Tags", []))) else None

    def bucket(self, name: str) -> str | None:
        """A bucket; it needs no tags: its name contains the account, and S3 confirms its owner."""
        return name if state_bucket.exists(self._access, name) else None

    def function(self, name: str) -> str | None:
        """A Lambda function."""
        function = unless_missing(lambda: self._access.lambda_.get_function(FunctionName=name))
        return name if function is not None and self._ours(function.get("Tags", {})) else None

    def permission(self, function: str, statement: str) -> str | None:
        """A statement of a function's resource policy."""
        policy = unless_missing(lambda: self._access.lambda_.get_policy(FunctionName=function))
        return f"{function}/{statement}" if policy and f'"{statement}"' in policy["Policy"] else None

    def table(self, name: str) -> str | None:
        """A DynamoDB table."""
        account = f"{self._access.region}:{self.environment.account_id}"
        arn = f"arn:{self._access.partition}:dynamodb:{account}:table/{name}"
        list_tags = self._access.dynamodb.list_tags_of_resource
        tags = unless_missing(lambda: list_tags(ResourceArn=arn)["Tags"])
        return name if tags is not None and self._ours(_pairs(tags)) else None

    def log_group(self, name: str) -> str | None:
        """A log group."""
        start = name.partition(self.prefix)[0] + self.prefix
        with self._listing:
            # One request for all models.
            if start not in self._log_groups:
                pages = self._access.logs.get_paginator("describe_log_groups").paginate(
                    logGroupNamePrefix=start
                )
                self._log_groups[start] = frozenset(pages.search("logGroups[].logGroupName"))
        return name if name in self._log_groups[start] else None

    def log_groups(self, start: str) -> list[str]:
        """Log groups with our tags whose names begin with a text."""
        logs = self._access.logs
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=start)
        # Tagging takes the ARN without the suffix that IAM policies need.
        groups = {
            group["logGroupName"]: group["arn"].removesuffix(":*") for group in pages.search("logGroups[]")
        }
        names = self.unrecorded("aws_cloudwatch_log_group", groups)
        return [
            name
            for name in names
            if self._ours(logs.list_tags_for_resource(resourceArn=groups[name])["tags"])
        ]

    def dashboard(self, name: str) -> str | None:
        """A dashboard; the provider sets no tags, so it is ours if it shows our function's metrics."""
        get = self._access.cloudwatch.get_dashboard
        dashboard = unless_missing(lambda: get(DashboardName=name))
        return name if dashboard is not None and f'"{name}-gateway"' in dashboard["DashboardBody"] else None

    def api(self, name: str) -> str | None:
        """A REST API; of several with that name the state's, else the newest."""
        apis = list(self.apis(name))
        # AWS executes a creation again if its response was lost.
        recorded = set(apis) - set(self.unrecorded("aws_api_gateway_rest_api", apis))
        return next(iter([*recorded, *apis]), None)

    def apis(self, name: str) -> dict[str, datetime]:
        """All REST APIs of that name with their creation, newest first."""
        apis = self._access.apigateway.get_rest_apis(limit=_PAGE)["items"]
        owned = [api for api in apis if api["name"] == name and self._ours(api.get("tags", {}))]
        owned.sort(key=lambda api: api["createdDate"], reverse=True)
        return {api["id"]: api["createdDate"] for api in owned}

    def stage(self, api: str | None, name: str) -> str | None:
        """A stage of an API."""
        if api is None:
            return None
        get = self._access.apigateway.get_stage
        stage = unless_missing(lambda: get(restApiId=api, stageName=name))
        return f"{api}/{name}" if stage is not None else None

    def usage_plan(self, name: str) -> str | None:
        """A usage plan; any if several have that name."""
        return next((plan_id for plan_id, plan in self.usage_plans().items() if plan == name), None)

    def usage_plans(self) -> dict[str, str]:
        """Names of all usage plans of the environment, by ID."""
        plans = self._access.apigateway.get_usage_plans(limit=_PAGE)["items"]
        return {plan["id"]: plan["name"] for plan in plans if self._ours(plan.get("tags", {}))}

    def domain(self, name: str) -> str | None:
        """A custom domain name."""
        return name if self._domain(name) is not None else None

    def mapping(self, domain: str, base_path: str) -> str | None:
        """The base path mapping from a domain of ours to an API."""
        get = self._access.apigateway.get_base_path_mapping
        if self.domain(domain) is None:
            return None
        mapping = unless_missing(lambda: get(domainName=domain, basePath=base_path or ALL_PATHS))
        return f"{domain}/{base_path}" if mapping is not None else None

    def record(self, zone: str, name: str) -> str | None:
        """The DNS record of a domain."""
        return f"{zone}_{name}_A" if self.record_set(zone, name) is not None else None

    def record_set(self, zone: str, name: str) -> ResourceRecordSetOutputTypeDef | None:
        """The DNS record of a domain; records have no tags, so it is ours if its target is our domain."""
        domain = self._domain(name)
        if domain is None:
            return None
        list_records = self._access.route53.list_resource_record_sets
        response = unless_missing(
            lambda: list_records(HostedZoneId=zone, StartRecordName=name, StartRecordType="A", MaxItems="1")
        )
        for record in response["ResourceRecordSets"] if response is not None else []:
            target = record.get("AliasTarget", {}).get("DNSName", "")
            if (record["Name"], record["Type"]) == (f"{name}.", "A") and _same_host(
                target, domain.get("regionalDomainName", "")
            ):
                return record
        return None

    def firewall(self, name: str) -> str | None:
        """A web ACL's ID."""
        list_tags = self._access.wafv2.list_tags_for_resource
        web_acl = next((acl for acl in self._web_acls() if acl["Name"] == name), None)
        if web_acl is None:
            return None
        tags = unless_missing(lambda: list_tags(ResourceARN=web_acl["ARN"])["TagInfoForResource"])
        return web_acl["Id"] if tags is not None and self._ours(_pairs(tags.get("TagList", []))) else None

    def alarm(self, name: str, arn: str) -> str | None:
        """A CloudWatch alarm."""
        tags = self._access.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]
        return name if self._ours(_pairs(tags)) else None

    def budget(self, name: str) -> str | None:
        """A budget of AWS Budgets."""
        account, budgets = self.environment.account_id, self._access.budgets
        arn = f"arn:{self._access.partition}:budgets::{account}:budget/{name}"
        tags = unless_missing(lambda: budgets.list_tags_for_resource(ResourceARN=arn)["ResourceTags"])
        return f"{account}:{name}" if tags is not None and self._ours(_pairs(tags)) else None

    def anomaly_monitor(self) -> str | None:
        """The anomaly monitor of the environment; any if there are several."""
        return next(iter(self.anomaly_monitors()), None)

    def anomaly_subscription(self, name: str) -> str | None:
        """A subscription to anomalies; any if several have that name."""
        return next((arn for arn, other in self.anomaly_subscriptions().items() if other == name), None)

    def anomaly_monitors(self) -> dict[str, str]:
        """Names of the environment's anomaly monitors, by ARN."""
        pages = self._access.cost_explorer.get_paginator("get_anomaly_monitors").paginate()
        return self._anomaly_alarms(pages.search("AnomalyMonitors[].[MonitorArn, MonitorName]"))

    def anomaly_subscriptions(self) -> dict[str, str]:
        """Names of the subscriptions to anomalies, by ARN."""
        pages = self._access.cost_explorer.get_paginator("get_anomaly_subscriptions").paginate()
        return self._anomaly_alarms(
            pages.search("AnomalySubscriptions[].[SubscriptionArn, SubscriptionName]")
        )

    def _anomaly_alarms(self, named: Iterable[tuple[str, str]]) -> dict[str, str]:
        list_tags = self._access.cost_explorer.list_tags_for_resource
        # Other owners' names may begin with the prefix.
        candidates = {arn: name for arn, name in named if name.startswith(self.prefix)}
        tags = {
            arn: unless_missing(lambda arn=arn: list_tags(ResourceArn=arn)["ResourceTags"])  # type: ignore[misc]
            for arn in candidates
        }
        return {arn: candidates[arn] for arn in candidates if self._ours(_pairs(tags[arn] or []))}

    def _iam_arn(self, resource: str) -> str:
        return f"arn:{self._access.partition}:iam::{self.environment.account_id}:{resource}"

    def _domain(self, name: str) -> DomainNameResponseTypeDef | None:
        get = self._access.apigateway.get_domain_name
        domain = unless_missing(lambda: get(domainName=name))
        return domain if domain is not None and self._ours(domain.get("tags", {})) else None

    def _web_acls(self) -> Iterator[WebACLSummaryTypeDef]:
        """All web ACLs of the region: AWS WAF cannot look up by name."""
        list_web_acls = self._access.wafv2.list_web_acls
        page = list_web_acls(Scope="REGIONAL", Limit=_WAF_PAGE)
        while page["WebACLs"]:
            yield from page["WebACLs"]
            if "NextMarker" not in page:
                return
            page = list_web_acls(Scope="REGIONAL", Limit=_WAF_PAGE, NextMarker=page["NextMarker"])

    def _sagemaker(self, name: str, arn: Callable[[], str]) -> str | None:
        try:
            tags = self._access.sagemaker.list_tags(ResourceArn=arn())["Tags"]
        except ClientError as error:
            if endpoints.is_missing(error):
                return None
            raise
        return name if self._ours(_pairs(tags)) else None

    def _ours(self, tags: Mapping[str, str]) -> bool:
        return self._tags.items() <= tags.items()


def _pairs(tags: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _same_host(one: str, other: str) -> bool:
    """Compare host names; Route 53 ends them with a dot."""
    return one.rstrip(".").lower() == other.lower()


def unless_missing(request: Callable[[], T]) -> T | None:
    """The result of a request; None if AWS reports that the resource does not exist."""
    try:
        return request()
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise
