locals {
  alarms = {
    server-errors = merge(local.stage, {
      # The average of 0 or 1 per request is the share.
      metric      = "5XXError"
      statistic   = "Average"
      threshold   = try(var.alarms.server_error_percent / 100, null)
      description = "Share of API responses with status 5xx"
    })
    latency = merge(local.gateway, {
      metric      = "Latency"
      statistic   = "p99"
      threshold   = var.alarms.latency_p99_ms
      description = "Time to last token in milliseconds"
    })
    time-to-first-token = merge(local.gateway, {
      metric      = "TimeToFirstToken"
      statistic   = "p99"
      threshold   = var.alarms.time_to_first_token_p99_ms
      description = "Time to first token in milliseconds"
    })
    throttles = merge(local.gateway, {
      metric      = "Throttles"
      statistic   = "Sum"
      threshold   = var.alarms.throttles
      description = "Requests rejected for lack of model capacity"
    })
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.enabled && alarm.threshold != null }

  alarm_name          = "${var.name}-api-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.metric == "Throttles" ? "GreaterThanOrEqualToThreshold" : "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 1
  # There may be no requests.
  treat_missing_data = "notBreaching"
  alarm_actions      = var.alarms.topic_arns
  ok_actions         = var.alarms.topic_arns
}
