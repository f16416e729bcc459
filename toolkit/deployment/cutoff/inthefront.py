"""What is in front of an API and not in its state, at the end of the environment: domain and firewall."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from botocore.exceptions import ClientError

from toolkit.deployment.context import Context
from toolkit.deployment.cutoff.leftovers import ALL_PATHS, Leftover, Leftovers, unless_missing
from toolkit.deployment.rollout import watch

# AWS WAF learns some time after the end of a stage that nothing is to be protected there any more.
_PROTECTING = "WAFAssociatedItemException"
_LET_GO_SECONDS = 300


def removable(context: Context, there: Leftovers) -> Iterator[Leftover]:
    """What the environment's file names and is there, in an order in which it can be removed."""
    api = context.environment.api
    if api.domain is not None and there.domain(api.domain.name):
        yield from _domain(context, there, api.domain.name, api.domain.hosted_zone_id)
    if api.waf is not None and (web_acl := there.firewall(context.environment.prefix)):
        remove = _firewall_remover(context, there, web_acl)
        yield Leftover("firewall", "aws_wafv2_web_acl", web_acl, remove)


def _domain(context: Context, there: Leftovers, name: str, zone: str | None) -> Iterator[Leftover]:
    """First the record, which is known by where it leads, and the mappings, which would keep the API."""
    gateway = context.access.apigateway
    if zone is not None and (record := there.record(zone, name)):
        remove = _record_remover(context, there, zone, name)
        yield Leftover("DNS record", "aws_route53_record", record, remove)
    pages = gateway.get_paginator("get_base_path_mappings").paginate(domainName=name)
    for path in [each["basePath"] for page in pages for each in page.get("items", [])]:
        mapping = f"{name}/{'' if path == ALL_PATHS else path}"
        yield Leftover(
            "base path mapping",
            "aws_api_gateway_base_path_mapping",
            mapping,
            _mapping_remover(context, name, path),
        )
    yield Leftover(
        "domain name",
        "aws_api_gateway_domain_name",
        name,
        lambda: gateway.delete_domain_name(domainName=name),
    )


def _record_remover(context: Context, there: Leftovers, zone: str, name: str) -> Callable[[], None]:
    route53 = context.access.route53

    def remove() -> None:
        record = there.record_set(zone, name)
        if record is not None:
            route53.change_resource_record_sets(
                HostedZoneId=zone,
                ChangeBatch={"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]},
            )

    return remove


def _mapping_remover(context: Context, domain: str, path: str) -> Callable[[], object]:
    delete = context.access.apigateway.delete_base_path_mapping
    return lambda: delete(domainName=domain, basePath=path)


def _firewall_remover(context: Context, there: Leftovers, web_acl: str) -> Callable[[], None]:
    access, environment = context.access, context.environment
    rhythm = watch.pace(access)

    def remove() -> None:
        for api in there.apis(environment.prefix):
            if there.stage(api, environment.api.stage):
                path = f"/restapis/{api}/stages/{environment.api.stage}"
                arn = f"arn:{access.partition}:apigateway:{access.region}::{path}"
                access.wafv2.disassociate_web_acl(ResourceArn=arn)
        deadline = time.monotonic() + _LET_GO_SECONDS
        while not _delete(context, web_acl, patient=time.monotonic() < deadline):
            time.sleep(rhythm.next(changed=False))

    return remove


def _delete(context: Context, web_acl: str, *, patient: bool) -> bool:
    """Delete a web ACL; returns whether it is gone, which may only be later while it protects something."""
    waf, name = context.access.wafv2, context.environment.prefix
    found = unless_missing(lambda: waf.get_web_acl(Name=name, Scope="REGIONAL", Id=web_acl))
    if found is None:
        return True
    try:
        waf.delete_web_acl(Name=name, Scope="REGIONAL", Id=web_acl, LockToken=found["LockToken"])
    except ClientError as error:
        if patient and error.response["Error"]["Code"] == _PROTECTING:
            return False
        raise
    return True
