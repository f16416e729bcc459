locals {
  # server-errors always exists, because the provider replaces the endpoint when its first alarm is added or its last
  # one removed. At 100 % it fires if every request fails.
  rollout_alarms = {
    server-errors = {
      metric      = "Invocation5XXErrors"
      threshold   = coalesce(var.rollout.alarms.server_error_percent, 100) / 100
      description = "Share of responses with status 5xx"
    }
    model-errors = {
      metric      = "InvocationModelErrors"
      threshold   = var.rollout.alarms.model_error_percent == null ? null : var.rollout.alarms.model_error_percent / 100
      description = "Share of requests without a 2xx response from the container"
    }
    latency = {
      metric      = "ModelLatency"
      threshold   = var.rollout.alarms.latency_ms == null ? null : var.rollout.alarms.latency_ms * 1000
      description = "Response time of the container in microseconds"
    }
  }

  variant_alarms = merge([
    for variant in keys(var.variants) : {
      for kind, alarm in local.rollout_alarms : "${variant}/${kind}" => merge(alarm, {
        name    = "${var.name}-${variant}-${kind}"
        variant = variant
      }) if alarm.threshold != null && !local.serverless
    }
  ]...)

  quality_alarm = var.rollout.quality_namespace == null || local.serverless ? null : "${var.name}-quality"

  alarm_names = concat([for alarm in local.variant_alarms : alarm.name], local.quality_alarm[*], var.rollout.alarms.extra)
}

# Settings of the current configuration's rollout. Changed settings apply to the next rollout: updating the endpoint
# for them alone would replace its fleet with an identical one.
resource "terraform_data" "rollout" {
  for_each = toset(local.count == 1 && !local.serverless ? [local.configuration_key] : [])

  input = {
    strategy        = var.rollout.strategy
    percent         = var.rollout.percent
    wait_seconds    = var.rollout.wait_seconds
    bake_seconds    = var.rollout.bake_seconds
    timeout_seconds = var.rollout.timeout_seconds
    alarms          = tolist(local.alarm_names)
  }

  lifecycle {
    create_before_destroy = true
    ignore_changes        = [input]
  }
}

resource "aws_cloudwatch_metric_alarm" "rollout" {
  for_each = { for key, alarm in local.variant_alarms : key => alarm if local.running }

  alarm_name        = each.value.name
  alarm_description = "${each.value.description}, on the planned configuration of ${var.name}; rolls back a rollout"

  namespace   = "AWS/SageMaker"
  metric_name = each.value.metric
  # The new fleet only: a failing release must not block the rollout that fixes it.
  dimensions = {
    EndpointName       = var.name
    VariantName        = each.value.variant
    EndpointConfigName = local.configuration_name
  }

  # SageMaker publishes 0 or 1 per request every minute: their average is the share.
  statistic           = "Average"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = "notBreaching"
}

resource "aws_cloudwatch_metric_alarm" "quality" {
  count = local.running && local.quality_alarm != null ? 1 : 0

  alarm_name        = local.quality_alarm
  alarm_description = "Expectations that the planned configuration of ${var.name} does not meet; rolls back a rollout"

  namespace   = var.rollout.quality_namespace
  metric_name = "FailedExpectations"
  dimensions = {
    EndpointName       = var.name
    EndpointConfigName = local.configuration_name
  }

  # Whoever rolls out publishes the number, again and again until the rollout has ended.
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  # Nobody asks before the rollout and after it.
  treat_missing_data = "notBreaching"
}
