resource "aws_sagemaker_model" "this" {
  #checkov:skip=CKV_AWS_370:off only if the container downloads its weights

  for_each = local.models

  name                     = "${var.name}-${each.key}"
  execution_role_arn       = each.value.execution_role_arn
  enable_network_isolation = each.value.network_isolation
  # For the policies: serverless endpoints do not support network isolation.
  tags = local.serverless ? { endpoint-type = "serverless" } : null

  primary_container {
    image       = each.value.image
    environment = each.value.environment

    # Serverless endpoints support archives only, other endpoints both.
    model_data_url = try(endswith(each.value.model_data_s3_uri, ".tar.gz"), false) ? each.value.model_data_s3_uri : null

    dynamic "model_data_source" {
      for_each = [for uri in each.value.model_data_s3_uri[*] : uri if !endswith(uri, ".tar.gz")]
      content {
        s3_data_source {
          s3_uri           = model_data_source.value
          s3_data_type     = "S3Prefix"
          compression_type = "None"
        }
      }
    }
  }

  dynamic "vpc_config" {
    for_each = each.value.vpc[*]
    content {
      subnets            = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}
