output "api_id" {
  description = "Id of the REST API; null when disabled."
  value       = one(aws_api_gateway_rest_api.this[*].id)
}

output "stage" {
  description = "Name of the stage; null when disabled."
  value       = one(aws_api_gateway_stage.this[*].stage_name)
}

output "invoke_url" {
  description = "Address of the stage; null when disabled."
  value       = one(aws_api_gateway_stage.this[*].invoke_url)
}

output "usage_plan_id" {
  description = "Id of the usage plan that keys are added to; null when disabled."
  value       = one(aws_api_gateway_usage_plan.this[*].id)
}

output "functions" {
  description = "Function names by part: gateway and authorizer."
  value = {
    for part, function in { gateway = aws_lambda_function.gateway, authorizer = aws_lambda_function.authorizer } :
    part => one(function[*].function_name) if var.enabled
  }
}

output "log_groups" {
  description = "Log groups by part."
  value       = { for part, group in aws_cloudwatch_log_group.this : part => group.name }
}
