resource "aws_sagemaker_model" "this" {
  #checkov:skip=CKV_AWS_370:off only where the container fetches its weights by itself

  count = local.count

  name                     = local.model_name
  execution_role_arn       = var.execution_role_arn
  enable_network_isolation = var.container.network_isolation

  primary_container {
    image       = var.container.image
    environment = var.container.environment

    dynamic "model_data_source" {
      for_each = var.container.model_data_s3_uri[*]
      content {
        s3_data_source {
          s3_uri           = model_data_source.value
          s3_data_type     = "S3Prefix"
          compression_type = "None"
        }
      }
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}
