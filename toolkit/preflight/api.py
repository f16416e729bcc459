"""The needs of the API: concurrency of functions, the Web Adapter, the log role, domain and guardrail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from toolkit.deployment.context import Context
from toolkit.environment.api import Domain
from toolkit.iam.template_variables import FUNCTIONS, WEB_ADAPTER_ACCOUNT, partition_of
from toolkit.preflight.results import Result

# As in terraform/modules/inference_api/functions.tf; a test compares them.
LAYERS = {"arm64": "LambdaAdapterLayerArm64:30", "x86_64": "LambdaAdapterLayerX86:30"}
# Lambda keeps this part of the quota unreserved (developer guide, "Configuring reserved concurrency").
_UNRESERVED = 100
# Code of the quota "Concurrent executions".
_CONCURRENCY = "L-B99A9384"


def concurrency(context: Context) -> Iterator[Result]:
    """Whether Lambda's quota holds what the functions reserve; each stream counts until its last token."""
    api = context.environment.api
    reserved = (api.gateway.reserved_concurrency or 0) + (api.authorizer.reserved_concurrency or 0)
    limits: Any = context.access.lambda_.get_account_settings()["AccountLimit"]
    limit, unreserved = limits["ConcurrentExecutions"], limits["UnreservedConcurrentExecutions"]
    more = max(reserved - (_reserved(context) if reserved else 0), 0)
    lacking = more + _UNRESERVED - unreserved
    sentence = f"Lambda's quota is {limit} concurrent executions, of which {unreserved} are unreserved"
    region = context.environment.region
    increase = (
        f"run `aws service-quotas request-service-quota-increase --region {region} --service-code lambda "
        f"--quota-code {_CONCURRENCY} --desired-value {max(limit + lacking, 1000)}`"
    )
    if more and lacking > 0:
        detail = f"{sentence}; the functions reserve {more} more, and {_UNRESERVED} must stay unreserved"
        yield Result("concurrency", "failure", detail, f"{increase}, or lower reserved_concurrency")
    elif limit < _UNRESERVED:
        yield Result("concurrency", "warning", f"{sentence}: more requests at once fail", increase)
    else:
        yield Result("concurrency", "ok", sentence)


def _reserved(context: Context) -> int:
    """Executions that the deployed functions reserve already."""
    total = 0
    for function in FUNCTIONS:
        name = f"{context.environment.prefix}-{function}"
        try:
            response: Any = context.access.lambda_.get_function(FunctionName=name)
        except context.access.lambda_.exceptions.ResourceNotFoundException:
            continue
        total += response.get("Concurrency", {}).get("ReservedConcurrentExecutions", 0)
    return total


def web_adapter(context: Context) -> Iterator[Result]:
    """Whether the layer with the Lambda Web Adapter exists in the region."""
    gateway, region = context.environment.api.gateway, context.environment.region
    arn = gateway.web_adapter_layer_arn or (
        f"arn:{partition_of(region)}:lambda:{region}:{WEB_ADAPTER_ACCOUNT}:layer:{LAYERS[gateway.architecture]}"
    )
    remedy = "publish the layer, and set api.gateway.web_adapter_layer_arn"
    try:
        layer: Any = context.access.lambda_.get_layer_version_by_arn(Arn=arn)
    except ClientError as error:
        details = error.response["Error"]
        # In another account, a layer that does not exist is one that is not shared.
        if (
            details["Code"] != "ResourceNotFoundException"
            and "resource-based policy" not in details["Message"]
        ):
            raise
        yield Result("layer", "failure", f"{arn} does not exist, or is not shared", remedy)
        return
    built_for = layer.get("CompatibleArchitectures")
    if built_for and gateway.architecture not in built_for:
        yield Result(
            "layer", "failure", f"{arn} is for {', '.join(built_for)}, not {gateway.architecture}", remedy
        )
    else:
        yield Result("layer", "ok", f"{arn} exists")


def log_role(context: Context) -> Iterator[Result]:
    """Whether API Gateway has a role for access logs, which all APIs of the region share."""
    if not context.environment.api.access_log:
        return
    role = context.access.apigateway.get_account().get("cloudwatchRoleArn")
    if role:
        yield Result("log role", "ok", f"API Gateway writes access logs as {role}")
        return
    detail = "API Gateway has no role for access logs, and refuses to create a stage with them"
    remedy = f"run `toolkit bootstrap --env {context.environment.name}`, or set api.access_log: false"
    yield Result("log role", "failure", detail, remedy)


def domain(context: Context) -> Iterator[Result]:
    """Whether certificate and hosted zone are those of the domain, and no other API has its name."""
    domain = context.environment.api.domain
    if domain is None:
        return
    yield _certificate(context, domain)
    if domain.hosted_zone_id is not None:
        yield _zone(context, domain, domain.hosted_zone_id)
    yield _name(context, domain)


def _certificate(context: Context, domain: Domain) -> Result:
    try:
        certificate: Any = context.access.acm.describe_certificate(CertificateArn=domain.certificate_arn)[
            "Certificate"
        ]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        remedy = "correct api.domain.certificate_arn"
        return Result("domain", "failure", f"certificate {domain.certificate_arn} does not exist", remedy)
    names = [certificate["DomainName"], *certificate.get("SubjectAlternativeNames", ())]
    parent = f"*.{domain.name.partition('.')[2]}"
    if domain.name not in names and parent not in names:
        detail = f"the certificate is for {', '.join(dict.fromkeys(names))}, not for {domain.name}"
        return Result("domain", "failure", detail, f"request a certificate for {domain.name}")
    if certificate["Status"] != "ISSUED":
        detail = f"the certificate for {domain.name} is {certificate['Status']}"
        return Result(
            "domain", "failure", detail, "create its validation records, and wait until it is issued"
        )
    return Result("domain", "ok", f"the certificate for {domain.name} is issued")


def _zone(context: Context, domain: Domain, identifier: str) -> Result:
    remedy = "correct api.domain.hosted_zone_id"
    try:
        zone = context.access.route53.get_hosted_zone(Id=identifier)["HostedZone"]["Name"].rstrip(".")
    except context.access.route53.exceptions.NoSuchHostedZone:
        return Result("domain", "failure", f"hosted zone {identifier} does not exist", remedy)
    if domain.name != zone and not domain.name.endswith(f".{zone}"):
        return Result(
            "domain", "failure", f"hosted zone {identifier} is {zone}, without {domain.name}", remedy
        )
    return Result("domain", "ok", f"hosted zone {zone} has {domain.name}")


def _name(context: Context, domain: Domain) -> Result:
    gateway = context.access.apigateway
    try:
        tags = gateway.get_domain_name(domainName=domain.name).get("tags", {})
    except gateway.exceptions.NotFoundException:
        return Result("domain", "ok", f"{domain.name} is free in the account")
    if tags.get("deployment") == context.environment.prefix:
        return Result("domain", "ok", f"{domain.name} belongs to {context.environment.prefix}")
    remedy = "delete it there, or use another name"
    return Result("domain", "failure", f"{domain.name} exists and belongs to another deployment", remedy)


def guardrail(context: Context) -> Iterator[Result]:
    """Whether the guardrail exists in its version."""
    guard = context.environment.api.guard
    if guard is None or guard.bedrock is None:
        return
    name = f"guardrail {guard.bedrock.id}, version {guard.bedrock.version}"
    try:
        context.access.bedrock.get_guardrail(
            guardrailIdentifier=guard.bedrock.id, guardrailVersion=guard.bedrock.version
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        yield Result(
            "guardrail", "failure", f"{name} does not exist", "create it, or correct api.guard.bedrock"
        )
        return
    yield Result("guardrail", "ok", f"{name} exists")
