locals {
  log_groups = merge(
    { for function, name in local.function_names : function => "/aws/lambda/${name}" },
    var.access_log ? { access = "/aws/apigateway/${var.name}" } : {},
  )
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key
  #checkov:skip=CKV_AWS_338:the environment file sets the retention

  for_each = var.enabled ? local.log_groups : {}

  name              = each.value
  retention_in_days = var.log_retention_days
}
