resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:server access logs would need a second bucket; CloudTrail can record data events
  #checkov:skip=CKV_AWS_144:weights can be staged again
  #checkov:skip=CKV2_AWS_62:nothing reacts to uploads
  #checkov:skip=CKV_AWS_145:S3-managed keys unless kms_key_arn is set

  count  = var.enabled ? 1 : 0
  bucket = var.bucket
}

module "baseline" {
  source = "../bucket_baseline"

  enabled         = var.enabled
  bucket          = var.enabled ? aws_s3_bucket.this[0].bucket : var.bucket
  kms_key_arn     = var.kms_key_arn
  lifecycle_rules = var.lifecycle_rules
  # Weights are large and can be staged again.
  noncurrent_version_days = 30
}
