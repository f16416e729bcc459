locals {
  roles = var.enabled ? var.roles : {}

  audiences = { for role in values(local.roles) : role.issuer => role.audience... if role.issuer != null }
}

data "aws_partition" "current" {}
