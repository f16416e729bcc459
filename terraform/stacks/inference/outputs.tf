output "region" {
  description = "Region of the environment."
  value       = var.region
}

output "api_id" {
  description = "Id of the REST API."
  value       = module.api.api_id
}

output "api_stage" {
  description = "Name of the API's stage."
  value       = module.api.stage
}

output "api_invoke_url" {
  description = "Address of the API's stage, as AWS gives it."
  value       = module.api.invoke_url
}

output "api_domain_url" {
  description = "Address of the API under its own domain; null without one."
  value       = module.api.domain_url
}

output "api_execution_arn" {
  description = "What IAM identities need `execute-api:Invoke` on, with `auth = \"iam\"`."
  value       = module.api.execution_arn
}

output "usage_plan_ids" {
  description = "Ids of the usage plans that API keys are added to, by name; empty without keys."
  value       = module.api.usage_plan_ids
}

output "models" {
  description = "What serves each model, or was planned to: the names stay while an environment is paused."
  value = {
    for name, endpoint in module.endpoint : name => {
      endpoint_name        = endpoint.endpoint_name
      endpoint_type        = local.endpoint_types[name]
      endpoint_config_name = endpoint.endpoint_config_name
      variant_names        = endpoint.variant_names
      model_names          = endpoint.model_names
      instance_types       = { for variant, each in var.models[name].variants : variant => try(tostring(each.instance_type), null) }
      alarm_names          = endpoint.alarm_names
      async_output_s3_uri  = endpoint.async_output_s3_uri
    }
  }
}

output "paused" {
  description = "Whether the endpoints were taken away."
  value       = var.paused
}

output "functions" {
  description = "Names of the Lambda functions: gateway, and authorizer where there are keys."
  value       = module.api.functions
}

output "log_groups" {
  description = "Log groups: of the functions, and of each model as model/NAME."
  value = merge(
    module.api.log_groups,
    { for name, endpoint in module.endpoint : "model/${name}" => endpoint.log_group_name },
  )
}
