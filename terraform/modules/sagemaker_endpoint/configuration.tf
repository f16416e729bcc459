locals {
  # The current count, limited to the autoscaling limits, including those of schedules.
  initial_instance_counts = {
    for name, variant in var.variants : name => max(1, min(
      max(coalesce(variant.instance_count, variant.capacity.min), local.bounds[name].lowest),
      local.bounds[name].highest,
    ))
  }
}

resource "aws_sagemaker_endpoint_configuration" "this" {
  #checkov:skip=CKV_AWS_98:a key does not encrypt local NVMe storage; kms_key_arn sets one for other instances

  for_each = toset(local.count == 1 ? [local.configuration_key] : [])

  name        = local.configuration_name
  kms_key_arn = var.kms_key_arn

  dynamic "production_variants" {
    for_each = var.variants
    iterator = variant
    content {
      variant_name           = variant.key
      model_name             = aws_sagemaker_model.this[local.model_keys["production/${variant.key}"]].name
      initial_variant_weight = variant.value.weight
      instance_type          = variant.value.instance_type
      initial_instance_count = local.serverless ? null : local.initial_instance_counts[variant.key]
      inference_ami_version  = variant.value.inference_ami_version
      volume_size_in_gb      = variant.value.volume_size_gb

      # SageMaker limits two phases separately: the download of the weights, and the start until /ping succeeds.
      model_data_download_timeout_in_seconds            = local.serverless ? null : variant.value.download_timeout_seconds
      container_startup_health_check_timeout_in_seconds = local.serverless ? null : variant.value.startup_timeout_seconds

      dynamic "serverless_config" {
        for_each = var.endpoint.serverless[*]
        content {
          memory_size_in_mb       = serverless_config.value.memory_mb
          max_concurrency         = serverless_config.value.max_concurrency
          provisioned_concurrency = serverless_config.value.provisioned_concurrency
        }
      }

      dynamic "routing_config" {
        # Instances of an asynchronous endpoint poll its queue.
        for_each = var.endpoint.type == "realtime" ? [var.routing] : []
        content {
          routing_strategy = upper(routing_config.value)
        }
      }
    }
  }

  dynamic "shadow_production_variants" {
    for_each = var.shadow[*]
    iterator = shadow
    content {
      variant_name           = "Shadow"
      model_name             = aws_sagemaker_model.this[local.model_keys["shadow"]].name
      initial_variant_weight = one(values(var.variants)).weight * shadow.value.sampling_percent / 100
      instance_type          = shadow.value.instance_type
      initial_instance_count = shadow.value.instance_count
      inference_ami_version  = shadow.value.inference_ami_version
      volume_size_in_gb      = shadow.value.volume_size_gb

      model_data_download_timeout_in_seconds            = shadow.value.download_timeout_seconds
      container_startup_health_check_timeout_in_seconds = shadow.value.startup_timeout_seconds
    }
  }

  dynamic "async_inference_config" {
    for_each = var.endpoint.async[*]
    iterator = async
    content {
      dynamic "client_config" {
        for_each = async.value.max_concurrent_invocations[*]
        content {
          max_concurrent_invocations_per_instance = client_config.value
        }
      }
      output_config {
        s3_output_path  = async.value.output_s3_uri
        s3_failure_path = async.value.failure_s3_uri
        kms_key_id      = var.kms_key_arn

        dynamic "notification_config" {
          for_each = async.value.success_topic_arn == null && async.value.error_topic_arn == null ? [] : [async.value]
          content {
            success_topic = notification_config.value.success_topic_arn
            error_topic   = notification_config.value.error_topic_arn
          }
        }
      }
    }
  }

  dynamic "data_capture_config" {
    for_each = var.data_capture[*]
    iterator = capture
    content {
      enable_capture              = true
      initial_sampling_percentage = capture.value.percent
      destination_s3_uri          = capture.value.s3_uri
      kms_key_id                  = capture.value.kms_key_arn

      capture_options {
        capture_mode = "Input"
      }
      capture_options {
        capture_mode = "Output"
      }
      # Other content types are stored in base64.
      capture_content_type_header {
        json_content_types = ["application/json"]
      }
    }
  }

  lifecycle {
    create_before_destroy = true
    # The key covers everything except the instance count, which matters only on creation, and the last digits of
    # weights, which SageMaker rounds.
    ignore_changes = [production_variants, shadow_production_variants]
  }
}
