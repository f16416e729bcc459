data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  statement {
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

resource "aws_iam_role" "this" {
  for_each = local.roles

  name               = each.key
  description        = "Jobs of ${join(", ", distinct([for subject in each.value.subjects : split(":", subject)[1]]))} at ${each.value.issuer}"
  assume_role_policy = data.aws_iam_policy_document.trust[each.key].json
  # An apply waits for endpoints, and a rollout can take four hours; an expired session would interrupt it. Jobs of
  # GitHub's runners last six hours at most.
  max_session_duration = 21600

  depends_on = [aws_iam_openid_connect_provider.this]
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = merge([
    for name, role in local.roles : { for policy in role.policies : "${name}/${policy}" => { role = name, policy = policy } }
  ]...)

  role       = aws_iam_role.this[each.value.role].name
  policy_arn = var.policy_arns[each.value.policy]
}
