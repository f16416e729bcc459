locals {
  # `default` is for keys without a plan, such as manually created ones.
  usage_plans = merge({ default = merge(var.throttle, { quota = null, tokens = {}, dollars_per_month = null, models = null }) }, var.usage_plans)

  # The gateway rejects other models; a key that is not listed has the default plan. If that is restricted, keys with
  # all models are listed, with null.
  key_plans = merge({ "*" = "default" }, { for name, key in var.keys : name => key.usage_plan }, { for plan in local.jwt_plans : "jwt/${plan}" => plan })
  key_models = {
    for name, plan in local.key_plans : name => local.usage_plans[plan].models
    if local.usage_plans[plan].models != null || local.usage_plans.default.models != null
  }
}

# Keys are created through the API, because Terraform would store their values in the state.
resource "aws_api_gateway_usage_plan" "this" {
  for_each = { for name, plan in local.usage_plans : name => plan if local.key_count == 1 }

  name        = each.key == "default" ? var.name : "${var.name}-${each.key}"
  description = "Keys for ${var.name}, ${each.key}"

  api_stages {
    api_id = aws_api_gateway_rest_api.this[0].id
    stage  = aws_api_gateway_stage.this[0].stage_name
  }

  throttle_settings {
    rate_limit  = each.value.rate_per_second
    burst_limit = each.value.burst
  }

  dynamic "quota_settings" {
    for_each = each.value.quota[*]
    content {
      limit  = quota_settings.value.requests
      period = upper(quota_settings.value.per)
    }
  }
}

moved {
  from = aws_api_gateway_usage_plan.this[0]
  to   = aws_api_gateway_usage_plan.this["default"]
}
