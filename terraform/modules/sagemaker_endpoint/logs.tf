locals {
  # SageMaker determines this name.
  log_group_name = "/aws/sagemaker/Endpoints/${var.name}"
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch Logs encrypts with its own key
  #checkov:skip=CKV_AWS_338:the environment file sets the retention

  count = local.count

  name              = local.log_group_name
  retention_in_days = var.log_retention_days
}
