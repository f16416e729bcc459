# The document that API Gateway imports: the contract's paths with its extensions, without schemas. API Gateway's models
# support neither `nullable` nor `anyOf`, and the gateway function validates requests with errors that OpenAI clients
# understand.
locals {
  contract   = yamldecode(file("${path.module}/openapi.yaml"))
  lambda_api = "arn:${local.partition}:apigateway:${var.region}:lambda:path"

  integration = {
    type                 = "aws_proxy"
    httpMethod           = "POST"
    uri                  = "${local.lambda_api}/2021-11-15/functions/${local.function_arns.gateway}/response-streaming-invocations"
    responseTransferMode = "STREAM"
    timeoutInMillis      = var.gateway.timeout_seconds * 1000
  }

  # API Gateway itself answers health checks: strangers must not occupy the function.
  health_integration = {
    type                = "mock"
    passthroughBehavior = "when_no_templates"
    requestTemplates    = { "application/json" = jsonencode({ statusCode = 200 }) }
    responses = {
      default = merge(
        { statusCode = "200", responseTemplates = { "application/json" = jsonencode({ status = "ok" }) } },
        var.cors == null ? {} : { responseParameters = { "method.response.header.Access-Control-Allow-Origin" = local.allow_origin } },
      )
    }
  }
  health_headers = var.cors == null ? {} : { headers = { Access-Control-Allow-Origin = { schema = { type = "string" } } } }

  security = {
    keys = [{ authorizer = [], key = [] }]
    iam  = [{ sigv4 = [] }]
  }

  operations = {
    for path, methods in local.contract.paths : path => {
      for method, operation in methods : method => merge(
        {
          operationId                     = operation.operationId
          summary                         = operation.summary
          x-amazon-apigateway-integration = try({ "/healthz" = local.health_integration }[path], local.integration)
          responses = {
            for status, response in operation.responses : status => merge(
              { description = local.meanings["${path} ${method} ${status}"] },
              path == "/healthz" && status == "200" ? local.health_headers : {},
            )
          }
          security = try(length(operation.security), 1) == 0 ? [] : local.security[var.auth]
        },
        contains(keys(operation), "parameters") ? {
          parameters = [for parameter in operation.parameters : { name = parameter.name, in = parameter.in, required = parameter.required, schema = { type = "string" } }]
        } : {},
        contains(keys(operation), "requestBody") ? {
          requestBody = { required = true, content = { "application/json" = { schema = { type = "object" } } } }
        } : {},
      )
    }
  }

  # API Gateway does not resolve references to responses.
  meanings = merge([
    for path, methods in local.contract.paths : merge([
      for method, operation in methods : {
        for status, response in operation.responses : "${path} ${method} ${status}" => (
          contains(keys(response), "$ref") ? local.contract.components.responses[basename(response["$ref"])].description : response.description
        )
      }
    ]...)
  ]...)

  # Browsers send preflight requests without a key; the function handles them.
  preflights = {
    for path, methods in local.operations : path => {
      options = merge(
        {
          summary                         = "Which pages of other origins may call"
          responses                       = { "200" = { description = "These may" }, "400" = { description = "This one may not" } }
          security                        = []
          x-amazon-apigateway-integration = local.integration
        },
        merge([for operation in methods : { for key, value in operation : key => value if key == "parameters" }]...),
      )
    } if var.cors != null
  }

  authorizer = {
    type = "apiKey"
    # Required, but not used for this type of authorizer.
    name                         = "Unused"
    in                           = "header"
    x-amazon-apigateway-authtype = "custom"
    x-amazon-apigateway-authorizer = merge(
      { type = "request", authorizerUri = "${local.lambda_api}/2015-03-31/functions/${local.function_arns.authorizer}/invocations" },
      local.authorizer_cache[local.jwt == null ? var.key_header : "either"],
    )
  }

  # With several identity sources, API Gateway requires all of them in a request; without any, it does not cache. A cached
  # result would outlive its token.
  authorizer_cache = {
    either        = { authorizerResultTtlInSeconds = 0 }
    authorization = { authorizerResultTtlInSeconds = 300, identitySource = "method.request.header.authorization" }
    x-api-key     = { authorizerResultTtlInSeconds = 300, identitySource = "method.request.header.x-api-key" }
  }

  security_schemes = {
    keys = { authorizer = local.authorizer, key = { type = "apiKey", name = "x-api-key", in = "header" } }
    iam  = { sigv4 = { type = "apiKey", name = "Authorization", in = "header", x-amazon-apigateway-authtype = "awsSigv4" } }
  }

  openapi = jsonencode(merge(
    {
      openapi    = local.contract.openapi
      info       = { title = var.name, description = local.description, version = local.contract.info.version }
      paths      = { for path, methods in local.operations : path => merge(methods, lookup(local.preflights, path, {})) }
      components = { securitySchemes = local.security_schemes[var.auth] }

      x-amazon-apigateway-gateway-responses = local.gateway_responses
    },
    # The authorizer passes the key to API Gateway, whose usage plans throttle and count requests.
    var.auth == "keys" ? { x-amazon-apigateway-api-key-source = "AUTHORIZER" } : {},
  ))
}
