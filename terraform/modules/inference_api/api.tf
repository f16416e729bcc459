resource "aws_api_gateway_rest_api" "this" {
  count = local.count

  name        = var.name
  description = local.description
  body        = local.openapi

  # Every optional and computed argument that depends on a variable is explicit. The provider keeps the previous value
  # of an absent or empty one, and restores it after each import of the document (its rest_api.go, finalizeDiff of the
  # plugin SDK).
  api_key_source = var.auth == "keys" ? "AUTHORIZER" : "HEADER"
  policy         = local.policy

  endpoint_configuration {
    types            = [var.private == null ? "REGIONAL" : "PRIVATE"]
    vpc_endpoint_ids = try(var.private.vpc_endpoint_ids, null)
    ip_address_type  = var.private == null ? "ipv4" : "dualstack"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_deployment" "this" {
  count = local.count

  rest_api_id = aws_api_gateway_rest_api.this[0].id
  description = "OpenAPI document ${substr(sha256(local.openapi), 0, 8)}"

  # A deployment is a snapshot: without this trigger, changes of document and policy would not be deployed.
  triggers = {
    body = sha256(local.policy == null ? local.openapi : "${local.openapi}${local.policy}")
  }

  depends_on = [aws_api_gateway_rest_api_policy.this]

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "this" {
  #checkov:skip=CKV_AWS_73:traces are charged per request
  #checkov:skip=CKV_AWS_120:model responses are not cached
  #checkov:skip=CKV2_AWS_4:execution logs contain prompts and responses; metrics are enabled
  #checkov:skip=CKV2_AWS_29:optional: waf
  #checkov:skip=CKV2_AWS_51:clients authenticate with API keys

  count = local.count

  rest_api_id   = aws_api_gateway_rest_api.this[0].id
  deployment_id = aws_api_gateway_deployment.this[0].id
  stage_name    = var.stage

  dynamic "access_log_settings" {
    for_each = var.access_log ? [aws_cloudwatch_log_group.this["access"].arn] : []
    content {
      destination_arn = access_log_settings.value
      format = jsonencode(merge({
        requestId = "$context.requestId"
        time      = "$context.requestTimeEpoch"
        method    = "$context.httpMethod"
        path      = "$context.path"
        status    = "$context.status"
        error     = "$context.error.responseType"
        keyId     = "$context.identity.apiKeyId"
        keyName   = "$context.authorizer.keyName"
        caller    = "$context.identity.userArn"
        latency   = "$context.responseLatency"
        sourceIp  = "$context.identity.sourceIp"
      }, local.jwt == null ? {} : { jwtCaller = "$context.authorizer.caller" }))
    }
  }
}

resource "aws_api_gateway_method_settings" "all" {
  #checkov:skip=CKV_AWS_225:model responses are not cached
  #checkov:skip=CKV_AWS_308:model responses are not cached

  count = local.count

  rest_api_id = aws_api_gateway_rest_api.this[0].id
  stage_name  = aws_api_gateway_stage.this[0].stage_name
  method_path = "*/*"

  settings {
    metrics_enabled        = true
    throttling_rate_limit  = var.throttle.rate_per_second
    throttling_burst_limit = var.throttle.burst
    # Execution logs contain prompts and responses.
    logging_level      = "OFF"
    data_trace_enabled = false
  }
}
