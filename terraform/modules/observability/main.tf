locals {
  # The gateway function writes these metrics to its log (lambda_src/gateway/metrics.py).
  gateway = { namespace = "InferenceGateway", dimensions = { FunctionName = var.api.gateway } }
  stage   = { namespace = "AWS/ApiGateway", dimensions = { ApiName = var.api.name, Stage = var.api.stage } }

  models = sort(keys(var.endpoints))
  variants = flatten([
    for model in local.models : [
      for variant in var.endpoints[model].variant_names : {
        label    = length(var.endpoints[model].variant_names) == 1 ? model : "${model} ${variant}"
        endpoint = var.endpoints[model].endpoint_name
        name     = variant
      }
    ]
  ])
}
