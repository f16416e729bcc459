locals {
  count      = var.enabled ? 1 : 0
  running    = var.enabled && !var.paused
  serverless = var.endpoint.type == "serverless"

  # Models and endpoint configurations are immutable: changed content creates a new resource with another key and
  # name, before the old one is deleted. After a rollback both exist, so the old content can be applied again without
  # recreating anything.
  model_content = {
    for variant, container in merge(
      { for name, variant in var.variants : "production/${name}" => variant },
      { for shadow in var.shadow[*] : "shadow" => shadow },
      ) : variant => {
      execution_role_arn = var.execution_role_arn
      image              = container.image
      environment        = container.environment
      model_data_s3_uri  = container.model_data_s3_uri
      network_isolation  = container.network_isolation
      vpc                = var.vpc
    }
  }
  # Models of serverless endpoints have a tag, which deployers may not remove.
  tagged     = local.serverless ? { endpoint_type = "serverless" } : {}
  model_keys = { for variant, content in local.model_content : variant => substr(sha256(jsonencode(merge(content, local.tagged))), 0, 8) }
  # Variants with the same content share a model.
  models = {
    for key, contents in { for variant, key in local.model_keys : key => local.model_content[variant]... if var.enabled } :
    key => contents[0]
  }

  # Excludes instance counts, which Application Auto Scaling manages, and rollout settings.
  configuration_content = {
    variants = {
      for name, variant in var.variants : name => merge({
        weight                   = variant.weight
        model                    = local.model_keys["production/${name}"]
        instance_type            = variant.instance_type
        inference_ami_version    = variant.inference_ami_version
        startup_timeout_seconds  = variant.startup_timeout_seconds
        download_timeout_seconds = variant.download_timeout_seconds
      }, variant.volume_size_gb == null ? {} : { volume_size_gb = variant.volume_size_gb })
    }
    # Without later settings that are not used, so that the key of existing configurations stays the same.
    shadow       = var.shadow == null ? null : { for key, value in var.shadow : key => value if key != "volume_size_gb" || value != null }
    endpoint     = var.endpoint
    routing      = var.routing
    kms_key_arn  = var.kms_key_arn
    data_capture = var.data_capture
  }
  configuration_key = substr(sha256(jsonencode(local.configuration_content)), 0, 8)

  # Derived from inputs, not from resources, so that outputs stay correct after a failed rollout and while paused.
  configuration_name = "${var.name}-${local.configuration_key}"
  model_names        = { for variant, key in local.model_keys : variant => "${var.name}-${key}" }
}
