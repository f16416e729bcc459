output "arns" {
  description = "ARNs of the roles by name."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}
