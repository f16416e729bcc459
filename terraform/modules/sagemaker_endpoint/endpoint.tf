# SageMaker cannot change these of an endpoint that exists: another endpoint takes its place.
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

    # The provider takes a rollout that SageMaker took back for a success (terraform-provider-aws#48997).
    # Terraform would then delete the configuration and the model that still serve.
    postcondition {
      condition     = self.endpoint_config_name == local.configuration_name
      error_message = "SageMaker took the rollout back: ${self.name} is on ${self.endpoint_config_name}, not on ${local.configuration_name}. Nothing was deleted; what served before goes on serving. The endpoint's FailureReason and its alarms say why: correct the cause and apply again, or apply what was there before."
    }
  }

  depends_on = [
    # The container's first lines must find the group, or SageMaker makes one that keeps them for ever.
    aws_cloudwatch_log_group.this,
    # Named in the deployment configuration, so there before the endpoint and longer than it.
    aws_cloudwatch_metric_alarm.rollout,
  ]
}
