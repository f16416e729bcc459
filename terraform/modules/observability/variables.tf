variable "enabled" {
  description = "Whether to create anything; false plans nothing."
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
  description = "Region that the metrics are in."
  type        = string
  nullable    = false
}

variable "api" {
  description = "The REST API: its `name`, its `stage`, and the Lambda function `gateway` behind it."
  type        = object({ name = string, stage = string, gateway = string })
  nullable    = false
}

variable "endpoints" {
  description = "SageMaker endpoints and their variants, by the model's OpenAI name."
  type        = map(object({ endpoint_name = string, variant_names = list(string) }))
  default     = {}
  nullable    = false
}

variable "alarms" {
  description = <<-EOT
    What to alarm about, each over five minutes; null makes no alarm:
    - `server_error_percent`: answers with a status of 5xx, in percent of the requests.
    - `latency_p99_ms`, `time_to_first_token_p99_ms`: what one request in a hundred exceeds.
    - `throttles`: requests that a model had no capacity for.
    - `topic_arns`: SNS topics that are told.
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
  description = "Whether to make a dashboard; CloudWatch has a few for nothing."
  type        = bool
  default     = true
  nullable    = false
}
