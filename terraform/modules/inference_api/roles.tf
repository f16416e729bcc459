data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "function" {
  for_each = local.function_names

  statement {
    sid       = "WriteOwnLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:${local.log_groups[each.key]}:*"]
  }

  # The Service Authorization Reference has an action for response streams; the API reference of
  # InvokeEndpointWithResponseStream names only InvokeEndpoint.
  dynamic "statement" {
    for_each = each.key == "gateway" && length(local.endpoint_arns) > 0 ? [local.endpoint_arns] : []
    content {
      sid       = "InvokeEndpoints"
      actions   = ["sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointWithResponseStream"]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = each.key == "gateway" && local.guardrail_arn != null ? [local.guardrail_arn] : []
    content {
      sid       = "ApplyGuardrail"
      actions   = ["bedrock:ApplyGuardrail"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = each.key == "gateway" && local.has_budgets ? [local.budget_arn] : []
    content {
      sid       = "CountTokens"
      actions   = ["dynamodb:UpdateItem"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role" "function" {
  for_each = var.enabled ? local.function_names : {}

  name               = each.value
  description        = "Execution role of the Lambda function ${each.value}"
  assume_role_policy = data.aws_iam_policy_document.trust.json
  # Limits the permissions that deployers can grant to the function.
  permissions_boundary = var.permissions_boundary_arn
}

resource "aws_iam_role_policy" "function" {
  for_each = aws_iam_role.function

  name   = "run"
  role   = each.value.name
  policy = data.aws_iam_policy_document.function[each.key].json
}
