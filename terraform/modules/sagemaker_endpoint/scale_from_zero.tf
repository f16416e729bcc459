# Without instances there is no backlog per instance to track: an alarm on a backlog without capacity starts the first
# instance.
locals {
  zero_fleets = { for name, capacity in local.fleets : name => capacity if local.bounds[name].lowest == 0 }
}

resource "aws_appautoscaling_policy" "from_zero" {
  for_each = local.zero_fleets

  name               = "${var.name}-${each.key}-from-zero"
  policy_type        = "StepScaling"
  service_namespace  = local.targets[each.key].service_namespace
  scalable_dimension = local.targets[each.key].scalable_dimension
  resource_id        = local.targets[each.key].resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    metric_aggregation_type = "Average"
    # The alarm stays active while the first instance starts.
    cooldown = 300

    step_adjustment {
      metric_interval_lower_bound = 0
      scaling_adjustment          = 1
    }
  }

  lifecycle {
    replace_triggered_by = [terraform_data.fleet[each.key]]
  }
}

resource "aws_cloudwatch_metric_alarm" "from_zero" {
  for_each = local.zero_fleets

  alarm_name        = "${var.name}-${each.key}-backlog-without-capacity"
  alarm_description = "Requests are queued for ${var.name}, which has no instances"
  alarm_actions     = [aws_appautoscaling_policy.from_zero[each.key].arn]

  namespace   = "AWS/SageMaker"
  metric_name = "HasBacklogWithoutCapacity"
  dimensions  = { EndpointName = var.name }

  statistic           = "Average"
  period              = 60
  evaluation_periods  = 2
  datapoints_to_alarm = 2
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 1
  treat_missing_data  = "missing"
}
