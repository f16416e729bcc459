"""An OpenAI-compatible API in front of SageMaker endpoints, as a web function in AWS Lambda.

A request passes `request_log` (middleware), `app` (routes), `handlers`, `service`, `model_response` and
`endpoints`, which calls SageMaker through `signing` and `http_client`. Its response passes `eventstream`,
then the stages of a `pipeline` (`framing`, `chunks` or `embeddings`), `completion` and `responses`.
"""
