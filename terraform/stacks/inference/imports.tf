# Imports resources that an interrupted apply created, but did not record in the state. The toolkit finds them by name
# and tags, and passes their ids.
locals {
  imports = { for type, resources in var.imports : type => { for resource in resources : resource.id => resource } }
}

import {
  for_each = lookup(local.imports, "aws_sagemaker_model", {})
  to       = module.endpoint[each.value.model].aws_sagemaker_model.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_sagemaker_endpoint_configuration", {})
  to       = module.endpoint[each.value.model].aws_sagemaker_endpoint_configuration.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_sagemaker_endpoint", {})
  to       = module.endpoint[each.value.model].aws_sagemaker_endpoint.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "endpoint_log_group", {})
  to       = module.endpoint[each.value.model].aws_cloudwatch_log_group.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "api_log_group", {})
  to       = module.api.aws_cloudwatch_log_group.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_iam_role", {})
  to       = module.api.aws_iam_role.function[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "gateway", {})
  to       = module.api.aws_lambda_function.gateway[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "authorizer", {})
  to       = module.api.aws_lambda_function.authorizer[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "gateway_permission", {})
  to       = module.api.aws_lambda_permission.gateway[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "authorizer_permission", {})
  to       = module.api.aws_lambda_permission.authorizer[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_api_gateway_rest_api", {})
  to       = module.api.aws_api_gateway_rest_api.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_api_gateway_stage", {})
  to       = module.api.aws_api_gateway_stage.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_api_gateway_usage_plan", {})
  to       = module.api.aws_api_gateway_usage_plan.this[each.value.key]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_api_gateway_domain_name", {})
  to       = module.api.aws_api_gateway_domain_name.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_api_gateway_base_path_mapping", {})
  to       = module.api.aws_api_gateway_base_path_mapping.this[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_route53_record", {})
  to       = module.api.aws_route53_record.domain[0]
  id       = each.key
}

import {
  for_each = lookup(local.imports, "aws_wafv2_web_acl", {})
  to       = module.api.aws_wafv2_web_acl.this[0]
  id       = each.key
}
