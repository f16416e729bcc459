output "bucket" {
  description = "Name of the bucket; null if disabled."
  value       = one(aws_s3_bucket.this[*].bucket)
}

output "bucket_arn" {
  description = "ARN of the bucket; null if disabled."
  value       = one(aws_s3_bucket.this[*].arn)
}
