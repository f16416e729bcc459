provider "aws" {
  region = "us-east-1"
}

resource "aws_s3_bucket" "reports" {
  bucket = "example-reports-123456789012"
}

module "baseline" {
  source = "../.."

  bucket                  = aws_s3_bucket.reports.bucket
  noncurrent_version_days = 14
}
