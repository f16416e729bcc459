"""An OpenAI-compatible API in front of SageMaker endpoints, as a web function in AWS Lambda.

A request passes `request_log` (middleware), `app` (routes), `handlers`, `service`, `model_response` and
`endpoints`, which calls SageMaker through `aws_service`, `signing` and `http_client`. `budgets` admits it and
settles its tokens in `dynamodb`. Its response passes `eventstream`,
then the stages of a `pipeline` (`framing`, `chunks` or `embeddings`), `completion` and `responses`.
"""
