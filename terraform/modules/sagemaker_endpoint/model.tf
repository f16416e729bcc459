resource "aws_sagemaker_model" "this" {
  #checkov:skip=CKV_AWS_370:off only if the container downloads its weights

  for_each = local.models

  name                     = "${var.name}-${each.key}"
  execution_role_arn       = each.value.execution_role_arn
  enable_network_isolation = each.value.network_isolation

  primary_container {
    image       = each.value.image
    environment = each.value.environment

    dynamic "model_data_source" {
      for_each = each.value.model_data_s3_uri[*]
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
