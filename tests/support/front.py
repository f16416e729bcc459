"""Domain, record and firewall of an API, created like the orphans of an interrupted apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from toolkit.aws.access import AwsAccess

CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1234abcd-12ab-34cd-56ef-1234567890ab"
_VIEW: Any = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": "m"}
Tags = Mapping[str, str]


def tags(env: str) -> dict[str, str]:
    """Return the ownership tags among the stack's default_tags."""
    owner = {"environment": env, "deployment": f"llm-{env}"}
    return {"managed-by": "terraform", "stack": "inference", **owner}


@dataclass
class Front:
    """Creates domain, record and firewall of an API.

    Attributes:
        access: the cloud.
        prefix: name of the API and its firewall.
        name: the domain name.
        base_path: base path of the domain.
    """

    access: AwsAccess
    prefix: str
    name: str
    base_path: str

    @cached_property
    def zone(self) -> str:
        """Return the id of a hosted zone for the domain."""
        zone = self.access.route53.create_hosted_zone(Name="example.com", CallerReference=self.name)
        return zone["HostedZone"]["Id"].rpartition("/")[2]

    def domain(self, tags: Tags) -> str:
        """Create the domain; returns its target in API Gateway."""
        domain = self.access.apigateway.create_domain_name(
            domainName=self.name,
            regionalCertificateArn=CERTIFICATE,
            securityPolicy="TLS_1_2",
            endpointConfiguration={"types": ["REGIONAL"]},
            tags=tags,
        )
        return domain["regionalDomainName"]

    def mapping(self, tags: Tags) -> str:
        """Create an API and map the domain to it; returns the ARN of its stage."""
        gateway = self.access.apigateway
        api = gateway.create_rest_api(name=self.prefix, tags=tags)["id"]
        root = gateway.get_resources(restApiId=api)["items"][0]["id"]
        gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
        gateway.put_integration(restApiId=api, resourceId=root, httpMethod="GET", type="MOCK")
        gateway.create_deployment(restApiId=api, stageName="live")
        path = self.base_path or "(none)"
        gateway.create_base_path_mapping(domainName=self.name, basePath=path, restApiId=api, stage="live")
        return f"arn:aws:apigateway:us-east-1::/restapis/{api}/stages/live"

    def record(self, target: str) -> None:
        """Create the domain's alias record."""
        alias = {"HostedZoneId": "Z2FDTNDATAQYW2", "DNSName": target, "EvaluateTargetHealth": False}
        records: Any = {"Name": self.name, "Type": "A", "AliasTarget": alias}
        change: Any = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": records}]}
        self.access.route53.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch=change)

    def firewall(self, tags: Tags) -> dict[str, str]:
        """Create a web ACL; returns its summary."""
        web_acl = self.access.wafv2.create_web_acl(
            Name=self.prefix,
            Scope="REGIONAL",
            DefaultAction={"Allow": {}},
            VisibilityConfig=_VIEW,
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
        )
        return {name: str(value) for name, value in web_acl["Summary"].items()}

    def remaining(self) -> list[str]:
        """Return the names of all existing resources, of any owner."""
        response = self.access.route53.list_resource_record_sets(HostedZoneId=self.zone)
        names = [record["Name"] for record in response["ResourceRecordSets"] if record["Type"] == "A"]
        domains = self.access.apigateway.get_domain_names()["items"]
        names += [domain["domainName"] for domain in domains if domain["domainName"] == self.name]
        web_acls = self.access.wafv2.list_web_acls(Scope="REGIONAL")["WebACLs"]
        return names + [web_acl["Name"] for web_acl in web_acls if web_acl["Name"] == self.prefix]
