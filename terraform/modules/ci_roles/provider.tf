resource "aws_iam_openid_connect_provider" "this" {
  for_each = { for issuer, audiences in local.audiences : issuer => distinct(audiences) if !contains(var.existing_providers, issuer) }

  url            = "https://${each.key}"
  client_id_list = each.value
}
