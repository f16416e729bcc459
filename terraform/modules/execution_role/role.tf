data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    # Otherwise SageMaker could be made to use this role on behalf of another account.
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_iam_role" "this" {
  count = local.create ? 1 : 0

  name               = var.role.name
  description        = "What SageMaker may do for the endpoints of this account"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  count = local.create ? 1 : 0

  name   = "serve-models"
  role   = aws_iam_role.this[0].name
  policy = data.aws_iam_policy_document.permissions.json
}
