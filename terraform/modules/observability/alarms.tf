locals {
  alarms = {
    server-errors = merge(local.stage, {
      # Of 0 and 1 for each request: the average is the share.
      metric    = "5XXError"
      statistic = "Average"
      threshold = try(var.alarms.server_error_percent / 100, null)
      about     = "Answers of the API with a status of 5xx"
    })
    latency = merge(local.gateway, {
      metric    = "Latency"
      statistic = "p99"
      threshold = var.alarms.latency_p99_ms
      about     = "Time until the last token, in milliseconds"
    })
    time-to-first-token = merge(local.gateway, {
      metric    = "TimeToFirstToken"
      statistic = "p99"
      threshold = var.alarms.time_to_first_token_p99_ms
      about     = "Time until the first token, in milliseconds"
    })
    throttles = merge(local.gateway, {
      metric    = "Throttles"
      statistic = "Sum"
      threshold = var.alarms.throttles
      about     = "Requests that a model had no capacity for"
    })
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.enabled && alarm.threshold != null }

  alarm_name          = "${var.name}-api-${each.key}"
  alarm_description   = each.value.about
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  comparison_operator = each.value.metric == "Throttles" ? "GreaterThanOrEqualToThreshold" : "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = 300
  evaluation_periods  = 1
  # Nobody asks at night.
  treat_missing_data = "notBreaching"
  alarm_actions      = var.alarms.topic_arns
  ok_actions         = var.alarms.topic_arns
}
