resource "aws_sagemaker_endpoint_configuration" "this" {
  #checkov:skip=CKV_AWS_98:instances with local NVMe storage refuse a key; kms_key_arn sets one for the others

  count = local.count

  name        = local.configuration_name
  kms_key_arn = var.kms_key_arn

  production_variants {
    variant_name           = local.variant_name
    model_name             = aws_sagemaker_model.this[0].name
    instance_type          = var.instances.type
    initial_instance_count = local.initial_instance_count
    initial_variant_weight = 1
    inference_ami_version  = var.instances.ami_version

    # Two phases, each with SageMaker's own limit: the weights arrive, then the container answers /ping.
    model_data_download_timeout_in_seconds            = var.container.startup_timeout_seconds
    container_startup_health_check_timeout_in_seconds = var.container.startup_timeout_seconds
  }

  lifecycle {
    create_before_destroy = true
    # The count matters only when a configuration is made; afterwards it is Application Auto Scaling's.
    ignore_changes = [production_variants[0].initial_instance_count]
  }
}

resource "aws_sagemaker_endpoint" "this" {
  count = local.count

  name                 = var.name
  endpoint_config_name = aws_sagemaker_endpoint_configuration.this[0].name

  # The container's first lines must find the group, or SageMaker makes one that keeps them for ever.
  depends_on = [aws_cloudwatch_log_group.this]
}
