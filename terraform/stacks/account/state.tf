# This stack's own state is in this bucket, so the bucket has to exist first. `toolkit bootstrap` creates it; this stack
# imports it and manages its settings.
import {
  to = aws_s3_bucket.state
  id = var.state_bucket
}

resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:server access logs would need a second bucket; CloudTrail can record data events
  #checkov:skip=CKV_AWS_144:versioning protects the state
  #checkov:skip=CKV_AWS_145:the state contains no secrets; S3-managed keys encrypt it
  #checkov:skip=CKV_AWS_21:module.state_bucket enables versioning
  #checkov:skip=CKV2_AWS_6:module.state_bucket blocks public access
  #checkov:skip=CKV2_AWS_61:module.state_bucket sets lifecycle rules
  #checkov:skip=CKV2_AWS_62:nothing reacts to changes of the state

  bucket = var.state_bucket

  lifecycle {
    # It contains the states of all environments.
    prevent_destroy = true
  }
}

module "state_bucket" {
  source = "../../modules/bucket_baseline"

  bucket          = aws_s3_bucket.state.bucket
  lifecycle_rules = var.lifecycle_rules
  # Time to notice a lost state.
  noncurrent_version_days = 365
}
