output "role_arn" {
  description = "ARN of the role; null when disabled."
  value       = one(aws_iam_role.this[*].arn)
}
