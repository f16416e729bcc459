locals {
  monthly   = [for alarms in var.cost_alarms[*] : alarms.monthly if var.enabled && alarms.monthly != null]
  anomalies = [for alarms in var.cost_alarms[*] : alarms.anomalies if var.enabled && alarms.anomalies != null]

  # AWS notifies addresses once per day and topics at once, and rejects other combinations (API reference,
  # AnomalySubscription).
  subscriptions = merge(
    { for alarms in var.cost_alarms[*] : "email" => { frequency = "DAILY", type = "EMAIL", addresses = alarms.emails } if length(alarms.emails) > 0 },
    { for alarms in var.cost_alarms[*] : "topic" => { frequency = "IMMEDIATE", type = "SNS", addresses = [alarms.topic_arn] } if alarms.topic_arn != null },
  )
}

resource "aws_budgets_budget" "this" {
  count = length(local.monthly)

  name         = var.name
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_amount = tostring(local.monthly[0].amount)
  limit_unit   = "USD"

  cost_filter {
    name = "TagKeyValue"
    # The prefix of tags that users define.
    values = [format("user:deployment$%s", var.name)]
  }

  dynamic "notification" {
    for_each = concat(
      [for percent in local.monthly[0].actual_percent : { type = "ACTUAL", percent = percent }],
      [for percent in local.monthly[0].forecast_percent : { type = "FORECASTED", percent = percent }],
    )
    content {
      notification_type          = notification.value.type
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value.percent
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.cost_alarms.emails
      subscriber_sns_topic_arns  = compact([var.cost_alarms.topic_arn])
    }
  }
}

resource "aws_ce_anomaly_monitor" "this" {
  count = length([for alarm in local.anomalies : alarm if alarm.monitor_arn == null])

  name         = var.name
  monitor_type = "CUSTOM"
  monitor_specification = jsonencode({
    And            = null
    CostCategories = null
    Dimensions     = null
    Not            = null
    Or             = null
    Tags           = { Key = "user:deployment", MatchOptions = null, Values = [var.name] }
  })

  lifecycle {
    # The provider reads back every member that its SDK knows, and would replace the monitor when a new one
    # has more. AWS cannot change the specification of a monitor.
    ignore_changes = [monitor_specification]
  }
}

resource "aws_ce_anomaly_subscription" "this" {
  for_each = length(local.anomalies) > 0 ? local.subscriptions : {}

  name             = "${var.name}-${each.key}"
  frequency        = each.value.frequency
  monitor_arn_list = [coalesce(local.anomalies[0].monitor_arn, one(aws_ce_anomaly_monitor.this[*].arn))]

  dynamic "subscriber" {
    for_each = each.value.addresses
    content {
      type    = each.value.type
      address = subscriber.value
    }
  }

  threshold_expression {
    dimension {
      key           = "ANOMALY_TOTAL_IMPACT_ABSOLUTE"
      match_options = ["GREATER_THAN_OR_EQUAL"]
      values        = [tostring(local.anomalies[0].minimum_impact)]
    }
  }
}
