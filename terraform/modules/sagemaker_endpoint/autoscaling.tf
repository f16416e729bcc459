# A target also where min = max: registering moves a running fleet into the bounds, so that a changed
# count needs no new endpoint configuration and no rollout.
resource "aws_appautoscaling_target" "this" {
  count = local.count

  service_namespace  = "sagemaker"
  scalable_dimension = "sagemaker:variant:DesiredInstanceCount"
  resource_id        = "endpoint/${aws_sagemaker_endpoint.this[0].name}/variant/${local.variant_name}"
  min_capacity       = var.instances.min
  max_capacity       = var.instances.max
}

resource "aws_appautoscaling_policy" "concurrency" {
  count = var.instances.max > var.instances.min ? local.count : 0

  name               = "${var.name}-concurrency"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value = var.instances.concurrent_requests
    # An instance takes minutes until it serves, so it is kept longer than it took to ask for it.
    scale_out_cooldown = 60
    scale_in_cooldown  = 600

    predefined_metric_specification {
      # Every 10 s, and a streamed answer counts until its last token; invocations per minute see neither.
      predefined_metric_type = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
    }
  }
}
