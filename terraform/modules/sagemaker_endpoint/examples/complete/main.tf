provider "aws" {
  region = "us-east-1"
}

locals {
  image = "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:server-sagemaker-cuda-v2.0"
  key   = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

# A canary rollout, at least two instances, more during working hours, and a shadow variant with another model.
module "chat" {
  source = "../.."

  name               = "example-dev-chat"
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"

  variants = {
    AllTraffic = {
      image                    = local.image
      environment              = { SM_VLLM_MAX_MODEL_LEN = "16384" }
      model_data_s3_uri        = "s3://example-models-123456789012-us-east-1/qwen3-8b/"
      network_isolation        = true
      download_timeout_seconds = 1200
      startup_timeout_seconds  = 1800
      instance_type            = "ml.g6.2xlarge"
      inference_ami_version    = "al2-ami-sagemaker-inference-gpu-3-1"
      instance_count           = 7
      capacity = {
        min                 = 2
        max                 = 4
        concurrent_requests = 16
        schedules = {
          morning = { schedule = "cron(0 8 ? * MON-FRI *)", timezone = "Europe/Berlin", min = 4, max = 8 }
          evening = { schedule = "cron(0 19 ? * MON-FRI *)", timezone = "Europe/Berlin", min = 2, max = 4 }
        }
      }
    }
  }

  shadow = {
    sampling_percent      = 10
    image                 = local.image
    model_data_s3_uri     = "s3://example-models-123456789012-us-east-1/qwen3-14b/"
    network_isolation     = true
    instance_type         = "ml.g6.12xlarge"
    inference_ami_version = "al2-ami-sagemaker-inference-gpu-3-1"
  }

  rollout = {
    strategy     = "canary"
    percent      = 10
    wait_seconds = 300
    bake_seconds = 600
    alarms       = { server_error_percent = 5, model_error_percent = 10, latency_ms = 30000, extra = ["evaluation-score"] }
  }

  kms_key_arn  = local.key
  vpc          = { subnet_ids = ["subnet-0a", "subnet-0b"], security_group_ids = ["sg-0a"] }
  data_capture = { percent = 5, s3_uri = "s3://example-models-123456789012-us-east-1/chat/data-capture/", kms_key_arn = local.key }
}

# An asynchronous endpoint that scales to zero.
module "batch" {
  source = "../.."

  name               = "example-dev-batch"
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"

  endpoint = {
    type = "async"
    async = {
      output_s3_uri              = "s3://example-models-123456789012-us-east-1/batch/async/"
      error_topic_arn            = "arn:aws:sns:us-east-1:123456789012:example-errors"
      max_concurrent_invocations = 4
    }
  }

  variants = {
    AllTraffic = {
      image         = local.image
      instance_type = "ml.g6.2xlarge"
      capacity      = { min = 0, max = 2, concurrent_requests = 20 }
    }
  }
}
