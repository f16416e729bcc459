locals {
  count      = var.enabled ? 1 : 0
  running    = var.enabled && !var.paused
  serverless = var.endpoint.type == "serverless"

  # Models and endpoint configurations are immutable. Other content is another instance under another key
  # and name, made beside the old one and then put in its place. After a rollout that SageMaker took back
  # both are there: going back to the old content finds it, and nothing has to be made again.
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
  model_keys = { for variant, content in local.model_content : variant => substr(sha256(jsonencode(content)), 0, 8) }
  # Variants that differ only in hardware share a model.
  models = {
    for key, same in { for variant, key in local.model_keys : key => local.model_content[variant]... if var.enabled } :
    key => same[0]
  }

  # Neither the instance counts, which are Application Auto Scaling's, nor how to roll out.
  configuration_content = {
    variants = {
      for name, variant in var.variants : name => {
        weight                   = variant.weight
        model                    = local.model_keys["production/${name}"]
        instance_type            = variant.instance_type
        inference_ami_version    = variant.inference_ami_version
        startup_timeout_seconds  = variant.startup_timeout_seconds
        download_timeout_seconds = variant.download_timeout_seconds
      }
    }
    shadow       = var.shadow
    endpoint     = var.endpoint
    routing      = var.routing
    kms_key_arn  = var.kms_key_arn
    data_capture = var.data_capture
  }
  configuration_key = substr(sha256(jsonencode(local.configuration_content)), 0, 8)

  # Composed, not read from the resources: the outputs stay right when a rollout fails and while paused.
  configuration_name = "${var.name}-${local.configuration_key}"
  model_names        = { for variant, key in local.model_keys : variant => "${var.name}-${key}" }
}
