# Optional permissions that only some environments need.
locals {
  ec2     = "arn:${local.partition}:ec2:${var.region}:${var.account_id}"
  subnets = [for id in var.grants.subnet_ids : "${local.ec2}:subnet/${id}"]
  # Lists with zero or one element, for `for_each` of optional blocks.
  writes   = length(var.grants.write_s3_uris) > 0 ? [var.grants.write_s3_uris] : []
  topics   = length(var.grants.topic_arns) > 0 ? [var.grants.topic_arns] : []
  keys     = length(var.grants.kms_key_arns) > 0 ? [var.grants.kms_key_arns] : []
  networks = length(local.subnets) > 0 ? [local.subnets] : []
}

data "aws_iam_policy_document" "grants" {
  dynamic "statement" {
    for_each = local.writes
    content {
      sid       = "WriteResponsesAndCapturedData"
      actions   = ["s3:AbortMultipartUpload", "s3:PutObject"]
      resources = [for uri in statement.value : "arn:${local.partition}:s3:::${trimprefix(uri, "s3://")}*"]
    }
  }

  dynamic "statement" {
    for_each = local.topics
    content {
      sid       = "NotifyTopics"
      actions   = ["sns:Publish"]
      resources = statement.value
    }
  }

  dynamic "statement" {
    for_each = local.keys
    content {
      sid       = "UseKeys"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
      resources = statement.value
    }
  }

  # EC2 decrypts storage volumes with a grant.
  dynamic "statement" {
    for_each = local.keys
    content {
      sid       = "GrantKeysToAwsServices"
      actions   = ["kms:CreateGrant"]
      resources = statement.value

      condition {
        test     = "Bool"
        variable = "kms:GrantIsForAWSResource"
        values   = ["true"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.networks
    content {
      sid     = "CreateNetworkInterfaces"
      actions = ["ec2:CreateNetworkInterface"]
      resources = concat(
        ["${local.ec2}:network-interface/*"],
        statement.value,
        [for id in var.grants.security_group_ids : "${local.ec2}:security-group/${id}"],
      )
    }
  }

  dynamic "statement" {
    for_each = local.networks
    content {
      sid = "ManageNetworkInterfaces"
      actions = [
        "ec2:CreateNetworkInterfacePermission",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteNetworkInterfacePermission",
      ]
      resources = ["${local.ec2}:network-interface/*"]

      condition {
        test     = "ArnEquals"
        variable = "ec2:Subnet"
        values   = statement.value
      }
    }
  }

  dynamic "statement" {
    for_each = local.networks
    content {
      sid = "ReadNetworksAnyResource"
      actions = [
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
      ]
      resources = ["*"]
    }
  }
}
