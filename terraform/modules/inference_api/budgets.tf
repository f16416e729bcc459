# Budgets of API keys. The gateway counts in the table; without budgets there is none.
locals {
  plan_limits = {
    for name, plan in local.usage_plans : name => {
      for limit, value in {
        tokens_per_minute = try(plan.tokens.per_minute, null)
        tokens_per_month  = try(plan.tokens.per_month, null)
        dollars_per_month = plan.dollars_per_month
      } : limit => value if value != null
    }
  }
  has_budgets  = var.auth == "keys" && anytrue([for limits in local.plan_limits : length(limits) > 0])
  has_prices   = local.has_budgets && anytrue([for limits in local.plan_limits : contains(keys(limits), "dollars_per_month")])
  budget_table = "${var.name}-budgets"
  budget_arn   = "arn:${local.partition}:dynamodb:${var.region}:${var.account_id}:table/${local.budget_table}"

  # Keys of a plan without a budget are listed, too: `*` does not apply to them.
  budgets = {
    for plan in distinct(values(local.key_plans)) : plan => merge(
      { keys = [for key, key_plan in local.key_plans : key if key_plan == plan] },
      local.plan_limits[plan],
    )
  }
  budget_variables = local.has_budgets ? { GATEWAY_BUDGETS = jsonencode(local.budgets), GATEWAY_BUDGET_TABLE = local.budget_table } : {}
}

resource "aws_dynamodb_table" "budgets" {
  #checkov:skip=CKV_AWS_28:restored counters would be out of date; without the table, requests are admitted and counting starts anew
  #checkov:skip=CKV_AWS_119:DynamoDB encrypts with its own key; the table has key names and counts
  #checkov:skip=CKV2_AWS_16:on demand

  count = var.enabled && local.has_budgets ? 1 : 0

  name         = local.budget_table
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "api_key"
  range_key    = "usage_month"

  attribute {
    name = "api_key"
    type = "S"
  }

  attribute {
    name = "usage_month"
    type = "S"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }
}
