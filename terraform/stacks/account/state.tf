# The bucket that this very state is written to cannot be created by it. Whoever sets up the account makes
# it (`toolkit bootstrap` does); from then on its settings are kept here.
import {
  to = aws_s3_bucket.state
  id = var.state_bucket
}

resource "aws_s3_bucket" "state" {
  #checkov:skip=CKV_AWS_18:server access logs would need a second bucket; CloudTrail data events are the account's choice
  #checkov:skip=CKV_AWS_144:versions protect the state; a copy in another region is the account's choice
  #checkov:skip=CKV_AWS_145:the state holds no secrets; S3's own keys encrypt it
  #checkov:skip=CKV_AWS_21:module.state_bucket turns versions on
  #checkov:skip=CKV2_AWS_6:module.state_bucket blocks public access
  #checkov:skip=CKV2_AWS_61:module.state_bucket sets lifecycle rules
  #checkov:skip=CKV2_AWS_62:nothing waits for changes of the state

  bucket = var.state_bucket

  lifecycle {
    # The states of all environments lie here.
    prevent_destroy = true
  }
}

module "state_bucket" {
  source = "../../modules/bucket_baseline"

  bucket          = aws_s3_bucket.state.bucket
  lifecycle_rules = var.lifecycle_rules
  # Long enough to notice that a state was lost.
  noncurrent_version_days = 365
}
