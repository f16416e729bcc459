data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  dynamic "statement" {
    for_each = length(each.value.principals) > 0 ? [each.value.principals] : []

    content {
      sid     = "TrustPrincipals"
      actions = ["sts:AssumeRole"]

      principals {
        type        = "AWS"
        identifiers = statement.value
      }
    }
  }

  dynamic "statement" {
    for_each = length(each.value.subjects) > 0 ? [each.value.subjects] : []

    content {
      sid     = "TrustRepositoryJobs"
      actions = ["sts:AssumeRoleWithWebIdentity"]

      principals {
        type = "Federated"
        # Composed, so that existing providers are not read.
        identifiers = ["arn:${data.aws_partition.current.partition}:iam::${var.account_id}:oidc-provider/${each.value.issuer}"]
      }

      condition {
        test     = "StringEquals"
        variable = "${each.value.issuer}:aud"
        values   = [each.value.audience]
      }

      condition {
        test     = anytrue([for subject in each.value.subjects : strcontains(subject, "*")]) ? "StringLike" : "StringEquals"
        variable = "${each.value.issuer}:sub"
        values   = each.value.subjects
      }
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name               = each.key
  description        = length(each.value.principals) > 0 ? "Principals of IAM" : "Jobs of ${join(", ", distinct([for subject in each.value.subjects : split(":", subject)[1]]))} at ${each.value.issuer}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
  # An apply waits for endpoints, and a rollout can take four hours; an expired session would interrupt it. Jobs of
  # GitHub's runners last six hours at most. Principals assume the role for each of their commands.
  max_session_duration = length(each.value.principals) > 0 ? 3600 : 21600

  depends_on = [aws_iam_openid_connect_provider.this]
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = merge([
    for name, role in local.roles : { for policy in role.policies : "${name}/${policy}" => { role = name, policy = policy } }
  ]...)

  role       = aws_iam_role.this[each.value.role].name
  policy_arn = var.policy_arns[each.value.policy]
}
