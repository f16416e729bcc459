# What an apply made that was cut off before it could write it down. The toolkit finds it by name and tags,
# and hands its ids over; without any these blocks do nothing.
locals {
  adopt = { for type, found in var.adopt : type => { for each in found : each.id => each } }
}

import {
  for_each = lookup(local.adopt, "execution_role", {})
  to       = module.execution_role.aws_iam_role.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.adopt, "model_store", {})
  to       = module.model_store.aws_s3_bucket.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.adopt, "api_logging", {})
  to       = module.api_logging.aws_iam_role.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.adopt, "deployer_policies", {})
  to       = module.deployer_policies.aws_iam_policy.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.adopt, "ci_roles", {})
  to       = module.ci_roles.aws_iam_role.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.adopt, "ci_providers", {})
  to       = module.ci_roles.aws_iam_openid_connect_provider.this[each.value.key]
  id       = each.key
}
