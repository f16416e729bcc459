data "aws_partition" "current" {}

locals {
  create     = var.enabled && var.role.name != null
  partition  = data.aws_partition.current.partition
  bucket_arn = "arn:${local.partition}:s3:::${var.model_store_bucket}"
}
