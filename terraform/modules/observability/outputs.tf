output "alarm_names" {
  description = "Names of the alarms, by what they are about."
  value       = { for about, alarm in aws_cloudwatch_metric_alarm.this : about => alarm.alarm_name }
}

output "dashboard_name" {
  description = "Name of the dashboard; null without one."
  value       = one(aws_cloudwatch_dashboard.this[*].dashboard_name)
}
