locals {
  waf_count = var.enabled && var.waf != null ? 1 : 0

  # All rules that inspect request bodies: prompts with code, commands, markup, addresses or long texts match them.
  # Source: docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html. AWS WAF silently ignores
  # names of rules that a group does not have (API reference of RuleActionOverride), so spell them carefully.
  counted_rules = {
    AWSManagedRulesCommonRuleSet = [
      "SizeRestrictions_BODY", "CrossSiteScripting_BODY", "EC2MetaDataSSRF_BODY", "GenericLFI_BODY", "GenericRFI_BODY",
      # Scripts may not send a user agent.
      "NoUserAgent_HEADER",
    ]
    AWSManagedRulesKnownBadInputsRuleSet = ["JavaDeserializationRCE_BODY", "Log4JRCE_BODY", "ReactJSRCE_BODY"]
    AWSManagedRulesSQLiRuleSet           = ["SQLi_BODY", "SQLiExtendedPatterns_BODY"]
    AWSManagedRulesUnixRuleSet           = ["UNIXShellCommandsVariables_BODY"]
  }
}

resource "aws_wafv2_web_acl" "this" {
  #checkov:skip=CKV_AWS_192:managed_rules includes it by default
  #checkov:skip=CKV2_AWS_31:metrics count blocked requests; a log would contain API keys

  count = local.waf_count

  name        = var.name
  description = "Firewall of ${var.name}"
  scope       = "REGIONAL"

  default_action {
    allow {}
  }

  dynamic "rule" {
    for_each = var.waf.requests_per_five_minutes[*]
    content {
      name     = "rate-per-address"
      priority = 0

      action {
        block {}
      }

      statement {
        rate_based_statement {
          limit              = rule.value
          aggregate_key_type = "IP"
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "${var.name}-rate-per-address"
        sampled_requests_enabled   = false
      }
    }
  }

  dynamic "rule" {
    for_each = { for index, name in var.waf.managed_rules : index + 1 => name }
    content {
      name     = rule.value
      priority = rule.key

      override_action {
        none {}
      }

      statement {
        managed_rule_group_statement {
          vendor_name = "AWS"
          name        = rule.value

          dynamic "rule_action_override" {
            for_each = lookup(local.counted_rules, rule.value, [])
            content {
              name = rule_action_override.value
              action_to_use {
                count {}
              }
            }
          }
        }
      }

      visibility_config {
        cloudwatch_metrics_enabled = true
        metric_name                = "${var.name}-${rule.value}"
        # Samples contain headers with API keys.
        sampled_requests_enabled = false
      }
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = var.name
    sampled_requests_enabled   = false
  }
}

resource "aws_wafv2_web_acl_association" "stage" {
  count = local.waf_count

  resource_arn = aws_api_gateway_stage.this[0].arn
  web_acl_arn  = aws_wafv2_web_acl.this[0].arn
}
