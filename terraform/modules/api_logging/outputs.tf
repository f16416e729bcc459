output "role_arn" {
  description = "ARN of the role; null if disabled."
  value       = one(aws_iam_role.this[*].arn)
}
