variable "enabled" {
  description = "Create the module's resources."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of the dashboard and prefix of the alarms."
  type        = string
  nullable    = false
}

variable "region" {
  description = "AWS region of the metrics."
  type        = string
  nullable    = false
}

variable "api" {
  description = "REST API: its `name`, its `stage` and its Lambda function `gateway`; `budgets` and `guard`: whether the gateway has metrics of them."
  type = object({
    name    = string
    stage   = string
    gateway = string
    budgets = optional(bool, false)
    guard   = optional(bool, false)
  })
  nullable = false
}

variable "endpoints" {
  description = "SageMaker endpoints and their variants, by model name."
  type        = map(object({ endpoint_name = string, variant_names = list(string) }))
  default     = {}
  nullable    = false
}

variable "alarms" {
  description = <<-EOT
    Alarm thresholds over five minutes; null disables an alarm:
    - `server_error_percent`: responses with status 5xx, in percent of the requests.
    - `latency_p99_ms`, `time_to_first_token_p99_ms`: 99th percentiles.
    - `throttles`: requests rejected for lack of model capacity.
    - `topic_arns`: SNS topics to notify.
  EOT
  type = object({
    server_error_percent       = optional(number)
    latency_p99_ms             = optional(number)
    time_to_first_token_p99_ms = optional(number)
    throttles                  = optional(number)
    topic_arns                 = optional(list(string), [])
  })
  default  = { server_error_percent = 5 }
  nullable = false
}

variable "dashboard" {
  description = "Create a dashboard. CloudWatch includes a few for free."
  type        = bool
  default     = true
  nullable    = false
}

variable "cost_alarms" {
  description = <<-EOT
    Alarms of AWS Billing on the costs of the resources with the tag `deployment = name`, which must be an active cost allocation tag; null for none:
    - `emails`, `topic_arn`: who is notified.
    - `monthly`: US dollars per month, and the percentages of actual and forecast costs that are notified.
    - `anomalies`: whole US dollars above the expected costs that are notified; `monitor_arn` names an existing monitor.
  EOT
  type = object({
    emails    = optional(list(string), [])
    topic_arn = optional(string)
    monthly = optional(object({
      amount           = number
      actual_percent   = optional(list(number), [80, 100])
      forecast_percent = optional(list(number), [100])
    }))
    anomalies = optional(object({
      minimum_impact = number
      monitor_arn    = optional(string)
    }))
  })
  default = null
}
