locals {
  count        = var.enabled ? 1 : 0
  variant_name = "AllTraffic"

  # Models and endpoint configurations are immutable: other content is another resource, made beside the
  # old one and then put in its place. The names must differ for that, and must stay when nothing changed.
  model_content = {
    execution_role_arn = var.execution_role_arn
    image              = var.container.image
    environment        = var.container.environment
    model_data_s3_uri  = var.container.model_data_s3_uri
    network_isolation  = var.container.network_isolation
  }
  model_name = "${var.name}-${substr(sha256(jsonencode(local.model_content)), 0, 8)}"

  # Not the instance count: a fleet must not roll over because it grew.
  configuration_content = {
    model_name              = local.model_name
    instance_type           = var.instances.type
    ami_version             = var.instances.ami_version
    startup_timeout_seconds = var.container.startup_timeout_seconds
    kms_key_arn             = var.kms_key_arn
  }
  configuration_name = "${var.name}-${substr(sha256(jsonencode(local.configuration_content)), 0, 8)}"

  # What autoscaling has chosen, unless the bounds have moved away from it.
  initial_instance_count = min(max(coalesce(var.instances.initial, var.instances.min), var.instances.min), var.instances.max)
}
