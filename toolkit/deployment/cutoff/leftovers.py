"""What exists in AWS under the names of an environment: found by name, and by the tags of its stack.

An apply that is cut off (kill -9, a machine that goes away) has made things that its state does not know.
Terraform would make them again, and fail at names that are taken or make a second API beside the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from toolkit.aws import endpoints
from toolkit.aws.access import AwsAccess
from toolkit.deployment.context import Context

if TYPE_CHECKING:
    from types_boto3_apigateway.type_defs import DomainNameResponseTypeDef
    from types_boto3_route53.type_defs import ResourceRecordSetOutputTypeDef
    from types_boto3_wafv2.type_defs import WebACLSummaryTypeDef

T = TypeVar("T")

# How the services say that what was asked for does not exist; SageMaker has no code of its own.
_MISSING = {
    "NoSuchEntity",
    "NoSuchHostedZone",
    "NotFoundException",
    "ObjectNotFoundException",
    "ResourceNotFoundException",
    "WAFNonexistentItemException",
}
# What is in front of an API.
IN_FRONT = frozenset(
    {
        "aws_api_gateway_base_path_mapping",
        "aws_api_gateway_domain_name",
        "aws_route53_record",
        "aws_wafv2_web_acl",
    }
)
# What API Gateway and AWS WAF give at most at once.
_PAGE = 500
_WAF_PAGE = 100
# What API Gateway calls the base path of a mapping for all paths.
ALL_PATHS = "(none)"


@dataclass(frozen=True)
class Leftover:
    """Something of the environment.

    Attributes:
        kind: what it is, for the user.
        type: Terraform's name of that.
        id: its id for Terraform.
        remove: takes it away.
    """

    kind: str
    type: str
    id: str
    remove: Callable[[], object]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Leftovers:
    """Looks for an environment's things; each method gives an id, or None if there is nothing of ours.

    A thing of that name without the stack's tags is somebody else's: it is left alone, and Terraform says
    that the name is taken. Log groups need no tags, since services make them by themselves.
    """

    def __init__(self, context: Context) -> None:
        self._access: AwsAccess = context.access
        self._tags = {
            "managed-by": "terraform",
            "stack": "inference",
            "environment": context.environment.name,
        }

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
        """What scales a variant of an endpoint; it goes by the variant, `endpoint/NAME/variant/NAME`."""
        list_tags = self._access.autoscaling.list_tags_for_resource
        tags = unless_missing(lambda: list_tags(ResourceARN=arn)["Tags"])
        return resource if tags is not None and self._ours(tags) else None

    def role(self, name: str) -> str | None:
        """A role."""
        found = unless_missing(lambda: self._access.iam.get_role(RoleName=name)["Role"])
        return name if found is not None and self._ours(_pairs(found.get("Tags", []))) else None

    def function(self, name: str) -> str | None:
        """A Lambda function."""
        found = unless_missing(lambda: self._access.lambda_.get_function(FunctionName=name))
        return name if found is not None and self._ours(found.get("Tags", {})) else None

    def permission(self, function: str, statement: str) -> str | None:
        """A statement of a function's policy."""
        found = unless_missing(lambda: self._access.lambda_.get_policy(FunctionName=function))
        return f"{function}/{statement}" if found and f'"{statement}"' in found["Policy"] else None

    def log_group(self, name: str) -> str | None:
        """A log group."""
        groups = self._access.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return name if name in [group["logGroupName"] for group in groups] else None

    def api(self, name: str) -> str | None:
        """A REST API; of several of that name, the newest."""
        return next(iter(self.apis(name)), None)

    def apis(self, name: str) -> list[str]:
        """All REST APIs of that name, the newest first."""
        found = self._access.apigateway.get_rest_apis(limit=_PAGE)["items"]
        ours = [api for api in found if api["name"] == name and self._ours(api.get("tags", {}))]
        return [api["id"] for api in sorted(ours, key=lambda api: api["createdDate"], reverse=True)]

    def stage(self, api: str | None, name: str) -> str | None:
        """A stage of an API."""
        if api is None:
            return None
        get = self._access.apigateway.get_stage
        found = unless_missing(lambda: get(restApiId=api, stageName=name))
        return f"{api}/{name}" if found is not None else None

    def usage_plan(self, name: str) -> str | None:
        """A usage plan; of several of that name, any."""
        return next((key for key, found in self.usage_plans().items() if found == name), None)

    def usage_plans(self) -> dict[str, str]:
        """Names of all usage plans of the environment, by id."""
        found = self._access.apigateway.get_usage_plans(limit=_PAGE)["items"]
        return {plan["id"]: plan["name"] for plan in found if self._ours(plan.get("tags", {}))}

    def domain(self, name: str) -> str | None:
        """A domain name of an API's."""
        return name if self._domain(name) is not None else None

    def mapping(self, domain: str, base_path: str) -> str | None:
        """What leads from a domain of ours to an API."""
        get = self._access.apigateway.get_base_path_mapping
        if self.domain(domain) is None:
            return None
        found = unless_missing(lambda: get(domainName=domain, basePath=base_path or ALL_PATHS))
        return f"{domain}/{base_path}" if found is not None else None

    def record(self, zone: str, name: str) -> str | None:
        """The DNS record of a domain."""
        return f"{zone}_{name}_A" if self.record_set(zone, name) is not None else None

    def record_set(self, zone: str, name: str) -> ResourceRecordSetOutputTypeDef | None:
        """The DNS record of a domain, as Route 53 has it; it has no tags, and is ours if it leads to ours."""
        domain = self._domain(name)
        if domain is None:
            return None
        list_records = self._access.route53.list_resource_record_sets
        answer = unless_missing(
            lambda: list_records(HostedZoneId=zone, StartRecordName=name, StartRecordType="A", MaxItems="1")
        )
        for record in answer["ResourceRecordSets"] if answer is not None else []:
            target = record.get("AliasTarget", {}).get("DNSName", "")
            if (record["Name"], record["Type"]) == (f"{name}.", "A") and _same_host(
                target, domain.get("regionalDomainName", "")
            ):
                return record
        return None

    def firewall(self, name: str) -> str | None:
        """A web ACL; it goes by its id."""
        list_tags = self._access.wafv2.list_tags_for_resource
        found = next((each for each in self._web_acls() if each["Name"] == name), None)
        if found is None:
            return None
        tags = unless_missing(lambda: list_tags(ResourceARN=found["ARN"])["TagInfoForResource"])
        return found["Id"] if tags is not None and self._ours(_pairs(tags.get("TagList", []))) else None

    def alarm(self, name: str, arn: str) -> str | None:
        """A CloudWatch alarm."""
        tags = self._access.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]
        return name if self._ours(_pairs(tags)) else None

    def _domain(self, name: str) -> DomainNameResponseTypeDef | None:
        get = self._access.apigateway.get_domain_name
        found = unless_missing(lambda: get(domainName=name))
        return found if found is not None and self._ours(found.get("tags", {})) else None

    def _web_acls(self) -> Iterator[WebACLSummaryTypeDef]:
        """All of the region: AWS WAF finds none by its name."""
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
    """Route 53 ends names with a dot."""
    return one.rstrip(".").lower() == other.lower()


def unless_missing(ask: Callable[[], T]) -> T | None:
    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise
