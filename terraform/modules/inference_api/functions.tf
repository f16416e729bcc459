locals {
  web_adapter_layers = {
    arm64  = "LambdaAdapterLayerArm64:30"
    x86_64 = "LambdaAdapterLayerX86:30"
  }
  web_adapter_layer_arn = coalesce(
    var.gateway.web_adapter_layer_arn,
    "arn:${local.partition}:lambda:${var.region}:753240598075:layer:${local.web_adapter_layers[var.gateway.architecture]}",
  )

  # Omits unset values: Lambda limits all variables and their names to 4 KB.
  gateway_models = jsonencode({
    for name, model in var.models : name => {
      for key, value in merge(model.limits, {
        endpoint     = model.endpoint_name
        aliases      = length(model.aliases) > 0 ? model.aliases : null
        serverless   = model.serverless ? true : null
        dialect      = model.dialect != "openai" ? model.dialect : null
        capabilities = length(model.capabilities) > 0 ? model.capabilities : null
        fallback     = model.fallback
      }) : key => value if value != null
    }
  })
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

  # The adapter runs the handler as a web server, the only way to stream from Python.
  handler = "run.sh"
  layers  = [local.web_adapter_layer_arn]

  environment {
    variables = merge(
      {
        AWS_LAMBDA_EXEC_WRAPPER      = "/opt/bootstrap"
        AWS_LWA_INVOKE_MODE          = "response_stream"
        AWS_LWA_READINESS_CHECK_PATH = "/healthz"
        PORT                         = "8080"
        GATEWAY_MODELS               = local.gateway_models
        GATEWAY_KEEPALIVE_SECONDS    = tostring(var.gateway.keepalive_seconds)
        GATEWAY_LOG_CONTENT          = tostring(var.gateway.log_content)
      },
      length(local.key_models) == 0 ? {} : { GATEWAY_KEY_MODELS = jsonencode(local.key_models) },
      # API Gateway passes the path including the base path of a custom domain.
      local.base_path == "" ? {} : { AWS_LWA_REMOVE_BASE_PATH = local.base_path },
      var.cors == null ? {} : { GATEWAY_CORS_ORIGINS = jsonencode(var.cors.allow_origins) },
    )
  }

  lifecycle {
    precondition {
      # Lambda limits all variables and their names to 4 KB.
      condition     = length(local.gateway_models) + length(jsonencode(local.key_models)) <= 3500
      error_message = "The configuration of models (${length(local.gateway_models)} characters) and of keys (${length(jsonencode(local.key_models))}) exceeds the size limit of a Lambda function's environment variables: spread the models over several environments."
    }
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.function]
}

resource "aws_lambda_function" "authorizer" {
  #checkov:skip=CKV_AWS_50:traces are charged per request; the log contains each request
  #checkov:skip=CKV_AWS_115:the stage throttles it
  #checkov:skip=CKV_AWS_116:invoked synchronously, so the caller receives errors
  #checkov:skip=CKV_AWS_117:calls nothing
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
  memory_size      = 128
  timeout          = 5
  handler          = "authorizer.handler.handler"

  environment {
    variables = {
      KEY_HEADERS = var.key_header == "either" ? "x-api-key,authorization" : lower(var.key_header)
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
