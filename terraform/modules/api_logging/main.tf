# A setting for all REST APIs of an account and region, which access logs need.
data "aws_partition" "current" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["apigateway.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "write" {
  # API Gateway checks read permissions before it accepts the role.
  statement {
    sid = "WriteLogs"
    actions = [
      "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams",
      "logs:PutLogEvents", "logs:GetLogEvents", "logs:FilterLogEvents",
    ]
    resources = ["arn:${data.aws_partition.current.partition}:logs:${var.region}:${var.account_id}:*"]
  }
}

resource "aws_iam_role" "this" {
  count = var.enabled ? 1 : 0

  # Roles are global, but the setting is regional.
  name               = "${var.name}-${var.region}-api-logs"
  description        = "Lets API Gateway write access logs"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  count = var.enabled ? 1 : 0

  name   = "write-logs"
  role   = aws_iam_role.this[0].name
  policy = data.aws_iam_policy_document.write.json
}

resource "aws_api_gateway_account" "this" {
  count = var.enabled ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.this[0].arn

  depends_on = [aws_iam_role_policy.this]
}
