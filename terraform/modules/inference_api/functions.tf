locals {
  web_adapter_layers = {
    arm64  = "LambdaAdapterLayerArm64:30"
    x86_64 = "LambdaAdapterLayerX86:30"
  }
  web_adapter_layer_arn = coalesce(
    var.gateway.web_adapter_layer_arn,
    "arn:${local.partition}:lambda:${var.region}:753240598075:layer:${local.web_adapter_layers[var.gateway.architecture]}",
  )

  # Omits unset values.
  gateway_models = {
    for name, model in var.models : name => {
      for key, value in merge(model.limits, {
        endpoint     = model.endpoint_name
        aliases      = length(model.aliases) > 0 ? model.aliases : null
        serverless   = model.serverless ? true : null
        dialect      = model.dialect != "openai" ? model.dialect : null
        capabilities = length(model.capabilities) > 0 ? model.capabilities : null
        operations   = model.operations
        fallback     = model.fallback
        price        = local.has_prices && model.price != null ? [model.price.input_per_million, model.price.output_per_million] : null
      }) : key => value if value != null
    }
  }
  # Without the endpoint names that the gateway can derive from GATEWAY_ENDPOINT_PREFIX.
  short_models = {
    for name, model in local.gateway_models : name => {
      for key, value in model : key => value if key != "endpoint" || value != "${var.name}-${replace(name, ".", "-")}"
    }
  }

  common_variables = merge(
    {
      AWS_LAMBDA_EXEC_WRAPPER      = "/opt/bootstrap"
      AWS_LWA_INVOKE_MODE          = "response_stream"
      AWS_LWA_READINESS_CHECK_PATH = "/healthz"
      PORT                         = "8080"
      GATEWAY_KEEPALIVE_SECONDS    = tostring(var.gateway.keepalive_seconds)
      GATEWAY_LOG_CONTENT          = tostring(var.gateway.log_content)
    },
    length(local.key_models) == 0 ? {} : { GATEWAY_KEY_MODELS = jsonencode(local.key_models) },
    local.budget_variables,
    # API Gateway passes the path including the base path of a custom domain.
    local.base_path == "" ? {} : { AWS_LWA_REMOVE_BASE_PATH = local.base_path },
    var.cors == null ? {} : { GATEWAY_CORS_ORIGINS = jsonencode(var.cors.allow_origins) },
    # Without a window, a text is checked as a whole.
    var.guard == null ? {} : {
      GATEWAY_GUARD = jsonencode({ for key, value in var.guard : key => value if value != null || key == "window" })
    },
  )
  long_variables  = merge(local.common_variables, { GATEWAY_MODELS = jsonencode(local.gateway_models) })
  short_variables = merge(local.common_variables, { GATEWAY_MODELS = jsonencode(local.short_models), GATEWAY_ENDPOINT_PREFIX = var.name })

  # Lambda measures the variables as JSON, in which each quotation mark of a value is escaped ("String measured" in the
  # error in github-aws-runners/terraform-aws-github-runner#3594). toolkit/environment/checks/api.py counts the same.
  gateway_variables       = length(jsonencode(local.long_variables)) <= 4096 ? local.long_variables : local.short_variables
  gateway_variables_bytes = length(jsonencode(local.gateway_variables))
}

resource "aws_lambda_function" "gateway" {
  #checkov:skip=CKV_AWS_50:traces are charged per request; the log contains each request
  #checkov:skip=CKV_AWS_115:the stage and the usage plan throttle it
  #checkov:skip=CKV_AWS_116:invoked synchronously, so the caller receives errors
  #checkov:skip=CKV_AWS_117:calls only SageMaker's public API
  #checkov:skip=CKV_AWS_173:its variables are not secret
  #checkov:skip=CKV_AWS_272:the package is built from this repository, reproducibly

  count = local.count

  function_name    = local.function_names.gateway
  description      = "Serves OpenAI requests from SageMaker endpoints"
  role             = aws_iam_role.function["gateway"].arn
  filename         = var.gateway.package
  source_code_hash = filebase64sha256(var.gateway.package)
  runtime          = "python3.13"
  architectures    = [var.gateway.architecture]
  memory_size      = var.gateway.memory_mb
  timeout          = var.gateway.timeout_seconds

  # -1 removes a reservation.
  reserved_concurrent_executions = coalesce(var.gateway.reserved_concurrency, -1)

  # The adapter runs the handler as a web server, the only way to stream from Python.
  handler = "run.sh"
  layers  = [local.web_adapter_layer_arn]

  environment {
    variables = local.gateway_variables
  }

  lifecycle {
    precondition {
      condition     = local.gateway_variables_bytes <= 4096
      error_message = "The function's environment variables have ${local.gateway_variables_bytes} bytes, and Lambda allows 4096: shorten the names of models and keys, remove CORS origins or budgets, or spread the models over several environments."
    }
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.function, aws_dynamodb_table.budgets]
}

resource "aws_lambda_function" "authorizer" {
  #checkov:skip=CKV_AWS_50:traces are charged per request; the log contains each request
  #checkov:skip=CKV_AWS_115:the stage throttles it
  #checkov:skip=CKV_AWS_116:invoked synchronously, so the caller receives errors
  #checkov:skip=CKV_AWS_117:calls nothing but a public issuer of JWTs
  #checkov:skip=CKV_AWS_173:its variables are not secret
  #checkov:skip=CKV_AWS_272:the package is built from this repository, reproducibly

  count = local.key_count

  function_name    = local.function_names.authorizer
  description      = "Passes the API key of a request to API Gateway"
  role             = aws_iam_role.function["authorizer"].arn
  filename         = var.authorizer.package
  source_code_hash = filebase64sha256(var.authorizer.package)
  runtime          = "python3.13"
  architectures    = [var.gateway.architecture]
  # CPU is proportional to memory, and TLS and signatures need some. The issuer may be slow.
  memory_size = local.jwt == null ? 128 : 512
  timeout     = local.jwt == null ? 5 : 10
  handler     = "authorizer.handler.handler"

  reserved_concurrent_executions = coalesce(var.authorizer.reserved_concurrency, -1)

  environment {
    variables = local.authorizer_variables
  }

  lifecycle {
    precondition {
      condition     = local.authorizer_variables_bytes <= 4096
      error_message = "The authorizer's environment variables have ${local.authorizer_variables_bytes} bytes, and Lambda allows 4096: list fewer values in jwt.usage_plans."
    }
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.function]
}

resource "aws_lambda_permission" "gateway" {
  count = local.count

  statement_id  = "api-gateway"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.gateway[0].function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this[0].execution_arn}/${var.stage}/*/*"
}

resource "aws_lambda_permission" "authorizer" {
  count = local.key_count

  statement_id  = "api-gateway"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.authorizer[0].function_name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this[0].execution_arn}/authorizers/*"
}
