resource "aws_iam_policy" "this" {
  for_each = var.enabled ? var.policies : {}

  name        = each.key
  description = each.value.description
  policy      = each.value.document
}
