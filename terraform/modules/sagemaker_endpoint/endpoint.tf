# SageMaker cannot update these, so a change replaces the endpoint.
resource "terraform_data" "identity" {
  count = local.count

  input = { type = var.endpoint.type, variants = keys(var.variants) }
}

resource "aws_sagemaker_endpoint" "this" {
  count = local.running ? 1 : 0

  name                 = var.name
  endpoint_config_name = aws_sagemaker_endpoint_configuration.this[local.configuration_key].name

  dynamic "deployment_config" {
    for_each = local.serverless ? [] : [terraform_data.rollout[local.configuration_key].input]
    iterator = rollout
    content {
      dynamic "blue_green_update_policy" {
        for_each = rollout.value.strategy == "rolling" ? [] : [rollout.value]
        iterator = update
        content {
          termination_wait_in_seconds          = update.value.bake_seconds
          maximum_execution_timeout_in_seconds = update.value.timeout_seconds

          traffic_routing_configuration {
            type                     = upper(update.value.strategy)
            wait_interval_in_seconds = update.value.wait_seconds

            dynamic "canary_size" {
              for_each = update.value.strategy == "canary" ? [update.value.percent] : []
              content {
                type  = "CAPACITY_PERCENT"
                value = canary_size.value
              }
            }

            dynamic "linear_step_size" {
              for_each = update.value.strategy == "linear" ? [update.value.percent] : []
              content {
                type  = "CAPACITY_PERCENT"
                value = linear_step_size.value
              }
            }
          }
        }
      }

      dynamic "rolling_update_policy" {
        for_each = rollout.value.strategy == "rolling" ? [rollout.value] : []
        iterator = update
        content {
          wait_interval_in_seconds             = update.value.wait_seconds
          maximum_execution_timeout_in_seconds = update.value.timeout_seconds

          maximum_batch_size {
            type  = "CAPACITY_PERCENT"
            value = update.value.percent
          }
        }
      }

      auto_rollback_configuration {
        dynamic "alarms" {
          for_each = rollout.value.alarms
          content {
            alarm_name = alarms.value
          }
        }
      }
    }
  }

  lifecycle {
    replace_triggered_by = [terraform_data.identity]

    # The provider reports success if SageMaker rolled back (terraform-provider-aws#48997). Terraform would then delete
    # the configuration and the model that are still serving.
    postcondition {
      condition     = self.endpoint_config_name == local.configuration_name
      error_message = "SageMaker rolled back: ${self.name} is on ${self.endpoint_config_name}, not on ${local.configuration_name}. Nothing was deleted, and the previous configuration is still serving. See the endpoint's FailureReason and its alarms for the cause: fix it and apply again, or apply the previous configuration."
    }
  }

  depends_on = [
    # Otherwise SageMaker creates the group on the first log line, with unlimited retention.
    aws_cloudwatch_log_group.this,
    # The deployment configuration refers to them: create them before the endpoint, delete them after it.
    aws_cloudwatch_metric_alarm.rollout,
    aws_cloudwatch_metric_alarm.quality,
  ]
}
