# Callers with a JWT. API Gateway's usage plans apply to API keys, so one key per usage plan stands for them. The toolkit
# creates it; only the authorizer names it, and never for a client that sends its value, which therefore is not secret.
locals {
  jwt = var.auth == "keys" ? var.jwt : null
  jwt_plans = local.jwt == null ? [] : distinct(compact(concat(
    [for value in local.jwt.usage_plans : value.usage_plan], [local.jwt.default_usage_plan],
  )))

  # The values of API keys are unique within an account and region. With 40 characters, CKV_AWS_45 would take it for an
  # AWS secret key.
  jwt_key_digest = substr(sha256("${var.account_id}/${var.region}/${var.name}"), 0, 32)
  jwt_keys       = { for plan in local.jwt_plans : plan => "jwt-${plan}-${local.jwt_key_digest}" }

  # As in authorizer/tokens.py, without unset values.
  jwt_settings = [
    for jwt in local.jwt[*] : {
      for key, value in merge(jwt, {
        usage_plans = [for value in jwt.usage_plans : [value.value, value.usage_plan]]
        key_digest  = local.jwt_key_digest
      }) : key => value if value != null
    }
  ]

  authorizer_variables = merge(
    { KEY_HEADERS = var.key_header == "either" ? "x-api-key,authorization" : lower(var.key_header) },
    local.jwt == null ? {} : { JWT = jsonencode(local.jwt_settings[0]) },
  )
  authorizer_variables_bytes = length(jsonencode(local.authorizer_variables))
}
