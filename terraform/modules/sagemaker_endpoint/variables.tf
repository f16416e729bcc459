variable "enabled" {
  description = "Whether to create anything; false plans nothing."
  type        = bool
  default     = true
  nullable    = false
}

variable "name" {
  description = "Name of the endpoint. The model and the endpoint configuration add a hash of their content."
  type        = string
  nullable    = false

  validation {
    # SageMaker allows 63 characters; the hash and its hyphen take nine.
    condition     = length(var.name) <= 54 && can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9])*$", var.name))
    error_message = "name \"${var.name}\" must be at most 54 letters, digits and inner hyphens: shorten the environment's or the model's name."
  }
}

variable "execution_role_arn" {
  description = "Role that SageMaker runs the model in."
  type        = string
  nullable    = false
}

variable "container" {
  description = <<-EOT
    What serves the model:
    - `image`: URI of the serving image.
    - `environment`: its environment variables; nothing secret, they can be read back.
    - `model_data_s3_uri`: S3 prefix of uncompressed weights, mounted at `/opt/ml/model`; null if the image fetches them.
    - `network_isolation`: whether the container has no network at all.
    - `startup_timeout_seconds`: how long the download of the weights, and then the start, may take.
  EOT
  type = object({
    image                   = string
    environment             = optional(map(string), {})
    model_data_s3_uri       = optional(string)
    network_isolation       = optional(bool, false)
    startup_timeout_seconds = optional(number, 600)
  })
  nullable = false

  validation {
    condition     = var.container.model_data_s3_uri == null || can(regex("^s3://[^/]+/.*/$", var.container.model_data_s3_uri))
    error_message = "container.model_data_s3_uri must be a prefix of uncompressed files and end in \"/\", like s3://bucket/models/name/."
  }

  validation {
    condition     = var.container.startup_timeout_seconds >= 60 && var.container.startup_timeout_seconds <= 3600
    error_message = "container.startup_timeout_seconds must be from 60 to 3600, SageMaker's limits."
  }
}

variable "instances" {
  description = <<-EOT
    What it runs on:
    - `type`: instance type.
    - `min`, `max`: bounds of the instance count, kept by Application Auto Scaling.
    - `initial`: count that a new endpoint configuration starts with; give the fleet's present count, so that a rollout keeps it. Null is `min`.
    - `concurrent_requests`: requests in progress per instance that autoscaling aims at.
    - `ami_version`: SageMaker's inference AMI, which CUDA images may need; null is SageMaker's default.
  EOT
  type = object({
    type                = string
    min                 = optional(number, 1)
    max                 = optional(number, 1)
    initial             = optional(number)
    concurrent_requests = optional(number, 8)
    ami_version         = optional(string)
  })
  nullable = false

  validation {
    condition     = var.instances.min >= 1 && var.instances.max >= var.instances.min
    error_message = "instances needs 1 <= min <= max: a real-time endpoint has at least one instance; to stop paying, disable the endpoint."
  }

  validation {
    condition     = can(regex("^ml\\.[a-z0-9-]+\\.[a-z0-9]+$", var.instances.type))
    error_message = "instances.type must be a SageMaker instance type, like ml.g6.2xlarge."
  }

  validation {
    condition     = !startswith(var.instances.type, "ml.t2.")
    error_message = "instances.type must not be of family ml.t2, which Application Auto Scaling cannot count: choose ml.c7i.large or larger."
  }

  validation {
    condition     = var.instances.concurrent_requests > 0
    error_message = "instances.concurrent_requests must be above 0: the requests that one instance should have in progress."
  }
}

variable "log_retention_days" {
  description = "Days that the container's log lines are kept."
  type        = number
  default     = 30
  nullable    = false
}

variable "kms_key_arn" {
  description = "Key for the instances' storage volumes, for instance types that have some; null leaves SageMaker's own."
  type        = string
  default     = null
}
