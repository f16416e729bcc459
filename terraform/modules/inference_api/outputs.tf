output "api_id" {
  description = "Id of the REST API; null if disabled."
  value       = one(aws_api_gateway_rest_api.this[*].id)
}

output "stage" {
  description = "Name of the stage; null if disabled."
  value       = one(aws_api_gateway_stage.this[*].stage_name)
}

output "invoke_url" {
  description = "URL of the stage; null if disabled."
  value       = one(aws_api_gateway_stage.this[*].invoke_url)
}

output "usage_plan_ids" {
  description = "Ids of the usage plans by name; empty without API keys."
  value       = { for name, plan in aws_api_gateway_usage_plan.this : name => plan.id }
}

output "jwt_keys" {
  description = "Values of the API keys that stand for callers with a JWT, by usage plan; only the authorizer can use them, so they are not secret."
  value       = local.key_count == 1 ? local.jwt_keys : {}
}

output "domain_url" {
  description = "URL of the API at its custom domain; null without one."
  value       = try("https://${aws_api_gateway_domain_name.this[0].domain_name}${local.base_path}", null)
}

output "execution_arn" {
  description = "Resource ARN for `execute-api:Invoke` permissions, with IAM authorization; null if disabled."
  value       = one([for stage in aws_api_gateway_stage.this : "${stage.execution_arn}/*"])
}

output "functions" {
  description = "Function names: `gateway`, and `authorizer` with API keys."
  value = {
    for part, function in { gateway = aws_lambda_function.gateway, authorizer = aws_lambda_function.authorizer } :
    part => function[0].function_name if length(function) > 0
  }
}

output "log_groups" {
  description = "Log groups of the functions and of the access log."
  value       = { for part, group in aws_cloudwatch_log_group.this : part => group.name }
}

output "has_budgets" {
  description = "Whether tokens or dollars of API keys are limited."
  value       = local.has_budgets
}
