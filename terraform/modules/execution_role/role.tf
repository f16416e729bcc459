data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    # Prevents the use of the role on behalf of another account (confused deputy).
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
  description        = "Execution role of SageMaker endpoints"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  count = local.create ? 1 : 0

  name   = "serve-models"
  role   = aws_iam_role.this[0].name
  policy = data.aws_iam_policy_document.permissions.json
}
