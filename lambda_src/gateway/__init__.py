"""An OpenAI-compatible API in front of SageMaker endpoints, as a web function in AWS Lambda.

A request passes `request_log` (middleware), `app` (routes), `handlers`, `service`, `model_response` and
`endpoints` (SageMaker). Its response passes `framing`, `chunks` or `embeddings`, `completion`, `responses`.
"""
