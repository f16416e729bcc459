locals {
  fleets = { for name, variant in var.variants : name => variant.capacity if local.running && !local.serverless }

  bounds = {
    for name, variant in var.variants : name => {
      lowest  = min(concat([variant.capacity.min], [for schedule in values(variant.capacity.schedules) : schedule.min if schedule.min != null])...)
      highest = max(concat([variant.capacity.max], [for schedule in values(variant.capacity.schedules) : schedule.max if schedule.max != null])...)
    }
  }

  # SageMaker rejects a new instance type while a scalable target is registered: the target and its policies are
  # deregistered before the update of the endpoint, and registered again afterwards.
  targets = merge(aws_appautoscaling_target.this, aws_appautoscaling_target.scheduled)

  schedules = merge([
    for name, capacity in local.fleets : {
      for schedule, bounds in capacity.schedules : "${name}/${schedule}" => merge(bounds, { variant = name, name = schedule })
    }
  ]...)
}

resource "terraform_data" "fleet" {
  for_each = local.fleets

  input = {
    instance_type = var.variants[each.key].instance_type
    scheduled     = length(each.value.schedules) == 0 ? null : "${each.value.min}-${each.value.max}"
  }
}

# Also registered if min = max: registration scales a running fleet into its limits, so a changed count needs neither
# a new endpoint configuration nor a rollout.
resource "aws_appautoscaling_target" "this" {
  for_each = { for name, capacity in local.fleets : name => capacity if length(capacity.schedules) == 0 }

  service_namespace  = "sagemaker"
  scalable_dimension = "sagemaker:variant:DesiredInstanceCount"
  resource_id        = "endpoint/${aws_sagemaker_endpoint.this[0].name}/variant/${each.key}"
  min_capacity       = each.value.min
  max_capacity       = each.value.max

  lifecycle {
    replace_triggered_by = [terraform_data.fleet[each.key]]
  }
}

# The latest scheduled action sets the limits, which an apply must not reset.
resource "aws_appautoscaling_target" "scheduled" {
  for_each = { for name, capacity in local.fleets : name => capacity if length(capacity.schedules) > 0 }

  service_namespace  = "sagemaker"
  scalable_dimension = "sagemaker:variant:DesiredInstanceCount"
  resource_id        = "endpoint/${aws_sagemaker_endpoint.this[0].name}/variant/${each.key}"
  min_capacity       = each.value.min
  max_capacity       = each.value.max

  lifecycle {
    ignore_changes       = [min_capacity, max_capacity]
    replace_triggered_by = [terraform_data.fleet[each.key]]
  }
}

resource "aws_appautoscaling_scheduled_action" "this" {
  for_each = local.schedules

  name               = "${var.name}-${each.value.variant}-${each.value.name}"
  service_namespace  = local.targets[each.value.variant].service_namespace
  scalable_dimension = local.targets[each.value.variant].scalable_dimension
  resource_id        = local.targets[each.value.variant].resource_id
  schedule           = each.value.schedule
  timezone           = each.value.timezone

  scalable_target_action {
    min_capacity = each.value.min
    max_capacity = each.value.max
  }

  lifecycle {
    # All variants: Terraform allows only each.key as an index here.
    replace_triggered_by = [terraform_data.fleet]
  }
}

resource "aws_appautoscaling_policy" "tracking" {
  for_each = { for name, capacity in local.fleets : name => capacity if local.bounds[name].highest > local.bounds[name].lowest }

  name               = "${var.name}-${each.key}-tracking"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = local.targets[each.key].service_namespace
  scalable_dimension = local.targets[each.key].scalable_dimension
  resource_id        = local.targets[each.key].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.concurrent_requests
    scale_out_cooldown = each.value.scale_out_cooldown_seconds
    scale_in_cooldown  = each.value.scale_in_cooldown_seconds

    dynamic "predefined_metric_specification" {
      for_each = var.endpoint.type == "realtime" ? [true] : []
      content {
        # Published every 10 s and counts a stream until its last token, unlike invocations per minute.
        predefined_metric_type = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
      }
    }

    dynamic "customized_metric_specification" {
      for_each = var.endpoint.type == "async" ? [true] : []
      content {
        namespace   = "AWS/SageMaker"
        metric_name = "ApproximateBacklogSizePerInstance"
        statistic   = "Average"

        dimensions {
          name  = "EndpointName"
          value = var.name
        }
      }
    }
  }

  lifecycle {
    replace_triggered_by = [terraform_data.fleet[each.key]]
  }
}
