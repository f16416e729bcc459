# Error responses of API Gateway itself, in OpenAI's error format and with the statuses that its clients expect.
locals {
  # API Gateway returns this for unknown paths, and for unsigned requests if it requires a signature.
  missing_token = {
    keys = { status = "404", type = "invalid_request_error", code = "unknown_url", message = "Unknown request URL or method." }
    iam  = { status = "401", type = "invalid_request_error", code = "invalid_api_key", message = "The request is not signed, or its URL or method is unknown." }
  }

  credentials = join("", ["an API key as 'Authorization: Bearer KEY' or 'x-api-key: KEY'", local.jwt == null ? "" : ", or a valid JWT as 'Authorization: Bearer JWT'"])

  # LiteLLM recognizes wrong keys by OpenAI's message, "Incorrect API key provided". Bodies of more than 10 MB get 413
  # with plain text from API Gateway, which cannot be changed: REQUEST_TOO_LARGE is for events that Lambda refuses.
  gateway_errors = {
    UNAUTHORIZED                   = { status = "401", type = "invalid_request_error", code = "invalid_api_key", message = "Send ${local.credentials}." }
    INVALID_API_KEY                = { status = "401", type = "invalid_request_error", code = "invalid_api_key", message = "Incorrect API key provided." }
    ACCESS_DENIED                  = { status = "403", type = "invalid_request_error", code = "access_denied", message = "This API may not be called with these credentials or from here." }
    WAF_FILTERED                   = { status = "403", type = "invalid_request_error", code = "access_denied", message = "The request was refused by the API's firewall." }
    EXPIRED_TOKEN                  = { status = "401", type = "invalid_request_error", code = "invalid_api_key", message = "The credentials have expired." }
    INVALID_SIGNATURE              = { status = "401", type = "invalid_request_error", code = "invalid_api_key", message = "The request's signature is wrong." }
    MISSING_AUTHENTICATION_TOKEN   = local.missing_token[var.auth]
    RESOURCE_NOT_FOUND             = { status = "404", type = "invalid_request_error", code = "unknown_url", message = "Unknown request URL or method." }
    REQUEST_TOO_LARGE              = { status = "413", type = "invalid_request_error", code = "request_too_large", message = "The request is larger than AWS Lambda accepts: 6 MiB of JSON, in which each quotation mark, backslash and line break of the body counts twice." }
    THROTTLED                      = { status = "429", type = "rate_limit_error", code = "rate_limit_exceeded", message = "Too many requests. Try again in a moment." }
    QUOTA_EXCEEDED                 = { status = "429", type = "insufficient_quota", code = "insufficient_quota", message = "The quota of this API key is used up." }
    AUTHORIZER_FAILURE             = { status = "500", type = "server_error", code = "authorizer_failure", message = "The API key could not be checked." }
    AUTHORIZER_CONFIGURATION_ERROR = { status = "500", type = "server_error", code = "authorizer_failure", message = "The API key could not be checked." }
    INTEGRATION_FAILURE            = { status = "502", type = "server_error", code = "bad_gateway", message = "The gateway function failed." }
    INTEGRATION_TIMEOUT            = { status = "504", type = "server_error", code = "timeout", message = "The model took too long." }
    DEFAULT_4XX                    = { status = null, type = "invalid_request_error", code = null, message = "The request was refused." }
    DEFAULT_5XX                    = { status = null, type = "server_error", code = null, message = "The server failed." }
  }

  # OpenAI clients wait this number of seconds after a throttled request.
  retry_after = { THROTTLED = "1" }

  # Without these headers, browsers hide the error from the page. The responses contain nothing secret.
  allow_origin = try(length(var.cors.allow_origins), 0) == 1 ? "'${var.cors.allow_origins[0]}'" : "'*'"
  cors_headers = var.cors == null ? {} : {
    "gatewayresponse.header.Access-Control-Allow-Origin"   = local.allow_origin
    "gatewayresponse.header.Access-Control-Expose-Headers" = "'x-request-id,retry-after'"
  }

  gateway_responses = {
    for type, error in local.gateway_errors : type => merge(
      {
        responseTemplates = {
          "application/json" = jsonencode({ error = { message = error.message, type = error.type, param = null, code = error.code } })
        }
      },
      # Without a status, API Gateway keeps its own.
      error.status == null ? {} : { statusCode = error.status },
      length(local.cors_headers) > 0 || contains(keys(local.retry_after), type) ? {
        responseParameters = merge(local.cors_headers, contains(keys(local.retry_after), type) ? {
          "gatewayresponse.header.Retry-After" = "'${local.retry_after[type]}'"
        } : {})
      } : {},
    )
  }
}
