data "aws_iam_policy_document" "permissions" {
  source_policy_documents = [data.aws_iam_policy_document.grants.json]

  statement {
    sid       = "ReadModels"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/*"]
  }

  statement {
    sid       = "ListModels"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = [local.bucket_arn]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn[*]
    content {
      sid       = "DecryptModels"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]
    }
  }

  # AWS's serving images are in AWS accounts that differ by region and image: allow all accounts in this region.
  statement {
    sid       = "PullImages"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = ["arn:${local.partition}:ecr:${var.region}:*:repository/*"]
  }

  statement {
    sid       = "LogInToRegistriesAnyResource"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  # SageMaker tries to create the log group, even if it exists.
  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${var.region}:${var.account_id}:log-group:/aws/sagemaker/*"]
  }

  statement {
    sid       = "PublishMetricsAnyResource"
    actions   = ["cloudwatch:PutMetricData"]
    resources = ["*"]

    condition {
      test     = "StringLike"
      variable = "cloudwatch:namespace"
      values   = ["AWS/SageMaker", "/aws/sagemaker/*"]
    }
  }

  # SageMaker reads the alarms of a blue/green update with this role.
  statement {
    sid       = "WatchRolloutAlarms"
    actions   = ["cloudwatch:DescribeAlarms"]
    resources = ["arn:${local.partition}:cloudwatch:${var.region}:${var.account_id}:alarm:*"]
  }
}
