"""Invalid settings of the API: keys, network access, alarms."""

from __future__ import annotations

LAST = "  throttle: {rate_per_second: 2.5, burst: 5}\n"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/1234abcd"


def added(line: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """An invalid line at the end of the valid file."""
    return LAST, f"{LAST}  {line}\n", 22, f"api.{key}", expected


def of_plan(content: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """A usage plan."""
    return added(f"usage_plans: {{batch: {content}}}", f"usage_plans.batch{key}", expected)


def of_domain(content: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """A domain whose other keys are valid."""
    valid = {"name": "llm.example.com", "certificate_arn": CERTIFICATE}
    changes = dict(item.split(": ", 1) for item in content.split(", "))
    text = ", ".join(f"{name}: {value}" for name, value in {**valid, **changes}.items())
    return added(f"domain: {{{text}}}", f"domain{key}", expected)


def of_jwt(content: str, key: str, expected: str) -> tuple[str, str, int, str, str]:
    """A section `jwt` whose other keys are valid."""
    valid = {"issuer": "https://login.example", "audience": "[llm]", "default_usage_plan": "default"}
    changes = dict(item.split(": ", 1) for item in content.split("; "))
    text = ", ".join(f"{name}: {value}" for name, value in {**valid, **changes}.items() if value != "-")
    return added(f"jwt: {{{text}}}", f"jwt{key}", expected)


CASES = {
    "JWTs and IAM": added(
        "jwt: {issuer: 'https://a.example', audience: [a], default_usage_plan: default}\n  auth: iam",
        "jwt",
        "auth: iam does not use API keys; remove it, or set auth: keys",
    ),
    "issuer without a scheme": of_jwt("issuer: login.example", ".issuer", "is not a URL; use a URL such as"),
    "issuer with a password": of_jwt("issuer: 'https://a:b@c.example'", ".issuer", "is not a URL"),
    "issuer without TLS": of_jwt("issuer: 'http://login.example'", ".issuer", "is not encrypted; use https"),
    "issuer on this machine": of_jwt(
        "issuer: 'http://127.0.0.1:8080'", ".issuer", "AWS cannot reach http://127.0.0.1:8080; use https"
    ),
    "public keys on this machine": of_jwt("jwks_url: 'http://[::1]/a'", ".jwks_url", "AWS cannot reach"),
    "JWTs for any API": of_jwt("audience: []", ".audience", "add at least 1"),
    "symmetric algorithm": of_jwt("algorithms: [HS256]", ".algorithms[0]", "use 'RS256', 'RS384'"),
    "JWTs without a signature": of_jwt("algorithms: [none]", ".algorithms[0]", "use 'RS256', 'RS384'"),
    "unknown usage plan of JWTs": of_jwt(
        "claim: groups; usage_plans: {a: batch}", ".usage_plans.a", "unknown usage plan batch; use one of"
    ),
    "unknown usage plan of other JWTs": of_jwt(
        "default_usage_plan: defualt", ".default_usage_plan", "did you mean default"
    ),
    "name of a usage plan": of_jwt("default_usage_plan: A", ".default_usage_plan", "lower-case letters"),
    "nobody has a usage plan": of_jwt("default_usage_plan: -", "", "add default_usage_plan, or claim and"),
    "usage plans without a claim": of_jwt(
        "usage_plans: {a: default}", ".usage_plans", "has no effect without claim; add claim, or remove it"
    ),
    "claim without usage plans": of_jwt("claim: groups", ".claim", "has no effect without usage_plans"),
    "many values of a claim": of_jwt(
        "claim: g; usage_plans: {" + ", ".join(f"{'x' * 100}{n}: default" for n in range(40)) + "}",
        ".usage_plans",
        "bytes of environment variables, of 4096; list fewer or shorter values",
    ),
    "leeway of an hour": of_jwt("leeway_seconds: 3600", ".leeway_seconds", "at most 300"),
    "kind of authorization": added("auth: oauth", "auth", "use 'keys' or 'iam'"),
    "IAM and keys": added("keys: {ci: {}}\n  auth: iam", "keys", "remove it, or set auth: keys"),
    "header of the key": added("key_header: X-Api-Key", "key_header", "use 'either', 'authorization'"),
    "key's name": added("keys: {Team: {}}", "keys.Team", "lower-case letters, digits and hyphens"),
    "unknown usage plan": added(
        "keys: {ci: {usage_plan: batch}}", "keys.ci.usage_plan", "use one of default"
    ),
    "quota without a period": of_plan("{quota: {requests: 5}}", ".quota.per", "is missing"),
    "quota per hour": of_plan(
        "{quota: {requests: 5, per: hour}}", ".quota.per", "use 'day', 'week' or 'month'"
    ),
    "no tokens": of_plan("{tokens: {per_minute: 0}}", ".tokens.per_minute", "use at least 1"),
    "tokens per day": of_plan("{tokens: {per_day: 5}}", ".tokens.per_day", "unknown key"),
    "no dollars": of_plan("{dollars_per_month: 0}", ".dollars_per_month", "use more than 0"),
    "dollars without prices": of_plan(
        "{dollars_per_month: 5}", ".dollars_per_month", "no price is known of the model"
    ),
    "usage plan with an unknown model": of_plan("{models: [qwen]}", ".models[0]", "unknown model qwen"),
    "usage plan without models": of_plan("{models: []}", ".models", "add at least 1"),
    "guard that checks nothing": added("guard: {}", "guard", "add bedrock or python, or remove guard"),
    "guard of an unknown model": added(
        "guard: {bedrock: {id: a, version: DRAFT}, models: [qwen]}", "guard.models[0]", "unknown model qwen"
    ),
    "guardrail by ARN": added(
        "guard: {bedrock: {id: 'arn:aws:bedrock:us-east-1:123456789012:guardrail/a', version: '1'}}",
        "guard.bedrock.id",
        "use the id of a guardrail",
    ),
    "guardrail's version": added(
        "guard: {bedrock: {id: a, version: latest}}", "guard.bedrock.version", 'such as "1", or DRAFT'
    ),
    "guard's function": added(
        "guard: {python: {path: guard.py, function: check}}", "guard.python.function", "use module:function"
    ),
    "guard's module": added(
        "guard: {python: {path: guard.py, function: 'json:check'}}",
        "guard.python.function",
        "rename the module",
    ),
    "origin with a path": added(
        "cors: {allow_origins: [https://a.example/chat]}",
        "cors.allow_origins[0]",
        "such as https://chat.example",
    ),
    "origin with a quote": added(
        """cors: {allow_origins: ["https://a'b"]}""", "cors.allow_origins[0]", "use scheme, host and port"
    ),
    "VPC endpoint": added("private: {vpc_endpoint_ids: [vpc-1]}", "private.vpc_endpoint_ids[0]", "vpce-0123"),
    "private API without a VPC endpoint": added(
        "private: {vpc_endpoint_ids: []}", "private.vpc_endpoint_ids", "add at least 1"
    ),
    "domain without a certificate": added(
        "domain: {name: llm.example.com}", "domain.certificate_arn", "is missing"
    ),
    "certificate of another account": of_domain(
        f"certificate_arn: {CERTIFICATE.replace('123456789012', '999999999999')}",
        ".certificate_arn",
        "the certificate is in account 999999999999, but the API is in 123456789012; request a certificate",
    ),
    "ARN of another service as certificate": of_domain(
        "certificate_arn: arn:aws:iam::123456789012:server-certificate/a", ".certificate_arn", "arn:aws:acm:"
    ),
    "hosted zone by name": of_domain(
        "hosted_zone_id: example.com", ".hosted_zone_id", "such as Z0123456789ABCDEFGHIJ"
    ),
    "reserved base path": of_domain(
        "base_path: ping", ".base_path", "API Gateway reserves /ping; use another path"
    ),
    **{
        f"base path {path}": of_domain(
            f"base_path: {path}", ".base_path", f"paths begin with /{path}; use another"
        )
        for path in ("v", "v1", "h", "healthz")
    },
    "layer of another region": added(
        "gateway: {web_adapter_layer_arn: 'arn:aws:lambda:eu-west-1:123456789012:layer:adapter:1'}",
        "gateway.web_adapter_layer_arn",
        "the layer is in eu-west-1, but the function is in us-east-1; use a layer in us-east-1",
    ),
    "layer without a version": added(
        "gateway: {web_adapter_layer_arn: 'arn:aws:lambda:us-east-1:123456789012:layer:adapter'}",
        "gateway.web_adapter_layer_arn",
        "use the ARN of a layer's version",
    ),
    "reservation of nothing": added(
        "gateway: {reserved_concurrency: 0}", "gateway.reserved_concurrency", "at least 1"
    ),
    "authorizer without keys": added(
        "authorizer: {reserved_concurrency: 5}\n  auth: iam",
        "authorizer.reserved_concurrency",
        "auth: iam has no authorizer; remove it, or set auth: keys",
    ),
    "domain's name": of_domain("name: https://llm.example.com", ".name", "such as llm.example.com"),
    "certificate of another region": of_domain(
        f"certificate_arn: {CERTIFICATE.replace('us-east-1', 'eu-west-1')}",
        ".certificate_arn",
        "the certificate is in region eu-west-1, but the API is in us-east-1; request a certificate",
    ),
    "base path of two segments": of_domain("base_path: a/b", ".base_path", "one segment"),
    "private API with a domain": added(
        f"domain: {{name: a.example, certificate_arn: {CERTIFICATE}}}\n"
        "  private: {vpc_endpoint_ids: [vpce-0a1b2c3d]}",
        "domain",
        "remove domain, or private",
    ),
    "unknown rule group": added(
        "waf: {managed_rules: [Common]}", "waf.managed_rules[0]", "is not supported; use"
    ),
    "low rate limit": added(
        "waf: {requests_per_five_minutes: 5}", "waf.requests_per_five_minutes", "at least 10"
    ),
    "rule group twice": added(
        "waf: {managed_rules: [AWSManagedRulesCommonRuleSet, AWSManagedRulesCommonRuleSet]}",
        "waf.managed_rules[1]",
        "AWSManagedRulesCommonRuleSet is listed twice; remove one of them",
    ),
    "firewall without rules": added(
        "waf: {requests_per_five_minutes: null, managed_rules: []}",
        "waf",
        "blocks nothing; add managed_rules, or remove waf",
    ),
    "alarm's topic": added(
        "alarms: {topic_arns: [on-call]}", "alarms.topic_arns[0]", "arn:aws:sns:us-east-1"
    ),
}
