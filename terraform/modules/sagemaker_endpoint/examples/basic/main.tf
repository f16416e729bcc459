provider "aws" {
  region = "us-east-1"
}

module "endpoint" {
  source = "../.."

  name               = "example-dev-qwen3-8b"
  execution_role_arn = "arn:aws:iam::123456789012:role/HuggingfaceExecuteRole"

  variants = {
    AllTraffic = {
      image                   = "763104351884.dkr.ecr.us-east-1.amazonaws.com/vllm:server-sagemaker-cuda-v2.0"
      environment             = { SM_VLLM_MAX_MODEL_LEN = "16384" }
      model_data_s3_uri       = "s3://example-models-123456789012-us-east-1/qwen3-8b/"
      network_isolation       = true
      startup_timeout_seconds = 1800
      instance_type           = "ml.g6.2xlarge"
      inference_ami_version   = "al2-ami-sagemaker-inference-gpu-3-1"
      capacity                = { min = 1, max = 4 }
    }
  }
}

output "endpoint_name" {
  value = module.endpoint.endpoint_name
}
