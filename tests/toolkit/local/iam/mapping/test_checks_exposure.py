"""Checks of requests for web ACLs, domains, DNS and resource policies."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

A = "123456789012"
R = f"us-east-1:{A}"
GATEWAY = "arn:aws:apigateway:us-east-1::"
STAGE = f"{GATEWAY}/restapis/x/stages/live"
WEB_ACL = f"arn:aws:wafv2:{R}:regional/webacl/acl/1234"
NEW_ACL = f"arn:aws:wafv2:{R}:regional/webacl/acl/*"
API_GATEWAY_ROLE = (
    f"arn:aws:iam::{A}:role/aws-service-role/ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway"
)
ZONE = "arn:aws:route53:::hostedzone/Z1"
VIEW = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": "m"}
ACL = {"Name": "acl", "Scope": "REGIONAL", "DefaultAction": {"Allow": {}}, "VisibilityConfig": VIEW}
EXISTING = {"Name": "acl", "Scope": "REGIONAL", "Id": "1234"}
TAGS = [{"Key": "team", "Value": "platform"}]


def rule(**statement: Any) -> dict[str, Any]:
    return {"Name": "r", "Priority": 0, "Statement": statement, "VisibilityConfig": VIEW}


RATE = rule(RateBasedStatement={"Limit": 100, "AggregateKeyType": "IP"})
MANAGED = rule(ManagedRuleGroupStatement={"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"})
RULE_SETS = f"arn:aws:wafv2:{R}:regional/managedruleset/*/*"
CHANGE = {"Action": "UPSERT", "ResourceRecordSet": {"Name": "LLM.example.com.", "Type": "A"}}

# service, operation, parameters → checks.
TABLE: list[tuple[str, str, dict[str, Any], list[tuple[str, str]]]] = [
    (
        "wafv2",
        "create_web_acl",
        {**ACL, "Rules": [RATE, MANAGED], "Tags": TAGS},
        [
            ("wafv2:CreateWebACL", NEW_ACL),
            ("wafv2:CreateWebACL", RULE_SETS),
            ("wafv2:TagResource", NEW_ACL),
        ],
    ),
    (
        "wafv2",
        "update_web_acl",
        {**ACL, **EXISTING, "LockToken": "1", "Rules": [RATE]},
        [("wafv2:UpdateWebACL", WEB_ACL)],
    ),
    (
        "wafv2",
        "create_web_acl",
        {**ACL, "Scope": "CLOUDFRONT"},
        [("wafv2:CreateWebACL", f"arn:aws:wafv2:{R}:global/webacl/acl/*")],
    ),
    ("wafv2", "list_web_acls", {"Scope": "REGIONAL"}, [("wafv2:ListWebACLs", "*")]),
    ("wafv2", "get_web_acl", EXISTING, [("wafv2:GetWebACL", WEB_ACL)]),
    ("wafv2", "delete_web_acl", {**EXISTING, "LockToken": "1"}, [("wafv2:DeleteWebACL", WEB_ACL)]),
    (
        "wafv2",
        "list_tags_for_resource",
        {"ResourceARN": WEB_ACL},
        [("wafv2:ListTagsForResource", WEB_ACL)],
    ),
    (
        "wafv2",
        "associate_web_acl",
        {"WebACLArn": WEB_ACL, "ResourceArn": STAGE},
        [
            ("wafv2:AssociateWebACL", WEB_ACL),
            ("wafv2:AssociateWebACL", STAGE),
            ("apigateway:SetWebACL", STAGE),
        ],
    ),
    (
        "wafv2",
        "disassociate_web_acl",
        {"ResourceArn": STAGE},
        [("wafv2:DisassociateWebACL", STAGE), ("apigateway:SetWebACL", STAGE)],
    ),
    (
        "wafv2",
        "get_web_acl_for_resource",
        {"ResourceArn": STAGE},
        [("wafv2:GetWebACLForResource", STAGE)],
    ),
    (
        "apigateway",
        "create_domain_name",
        {"domainName": "llm.example.com", "tags": {"team": "platform"}},
        [
            ("apigateway:POST", f"{GATEWAY}/domainnames"),
            (
                "apigateway:PUT",
                f"{GATEWAY}/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Fdomainnames%2F*",
            ),
            ("iam:CreateServiceLinkedRole", API_GATEWAY_ROLE),
        ],
    ),
    (
        "apigateway",
        "get_base_path_mapping",
        {"domainName": "llm.example.com", "basePath": "prod"},
        [("apigateway:GET", f"{GATEWAY}/domainnames/llm.example.com/basepathmappings/prod")],
    ),
    (
        "apigateway",
        "put_rest_api",
        {"restApiId": "x", "body": b'{"x-amazon-apigateway-policy": {}}'},
        [
            ("apigateway:PUT", f"{GATEWAY}/restapis/x"),
            ("apigateway:UpdateRestApiPolicy", f"{GATEWAY}/restapis/x"),
        ],
    ),
    (
        "route53",
        "change_resource_record_sets",
        {"HostedZoneId": "Z1", "ChangeBatch": {"Changes": [CHANGE]}},
        [("route53:ChangeResourceRecordSets", ZONE)],
    ),
    ("route53", "get_hosted_zone", {"Id": "Z1"}, [("route53:GetHostedZone", ZONE)]),
    (
        "route53",
        "list_resource_record_sets",
        {"HostedZoneId": "Z1"},
        [("route53:ListResourceRecordSets", ZONE)],
    ),
    ("route53", "get_change", {"Id": "C1"}, [("route53:GetChange", "arn:aws:route53:::change/C1")]),
]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"), TABLE, ids=[f"{row[0]}.{row[1]}" for row in TABLE]
)
def test_actions_and_resources(needs, service, operation, parameters, expected):
    needed = needs(service, operation, **parameters)

    assert [(check.action.name, check.resource) for check in needed] == expected


def test_the_web_acl_of_a_stage_is_checked_too(needs, cloud):
    waf = cloud.client("wafv2")
    web_acl = waf.create_web_acl(**ACL)["Summary"]["ARN"]
    waf.associate_web_acl(WebACLArn=web_acl, ResourceArn=STAGE)

    needed = needs("wafv2", "get_web_acl_for_resource", ResourceArn=STAGE)

    assert [check.resource for check in needed] == [web_acl, STAGE]


def test_other_waf_operations_are_unmapped(cloud):
    ann = cloud.client("wafv2", cloud.user("ann", {"Effect": "Allow", "Action": "*", "Resource": "*"}))
    with pytest.raises(boto3.exceptions.botocore.exceptions.ClientError, match="GetIPSet of AWS WAF is not"):
        ann.get_ip_set(Name="i", Scope="REGIONAL", Id="1")
