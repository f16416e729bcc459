"""Programs as users write them, each with a client that people use, against any OpenAI-compatible API.

Each prints one JSON object on standard output: case → `{"text": …}`, or `{"error", "status", "code"}` with
the client's own exception. They find the API in OPENAI_BASE_URL and OPENAI_API_KEY, and another key, which
has spent what it may, in SPENT_KEY. The models are those of `tests/e2e/api/conftest.py`. The programs run in
environments of their own (`requirements/clients.txt`, `node/package-lock.json`): what the toolkit itself has
installed can't help them.
"""
