"""Programs that use popular clients against an OpenAI-compatible API.

Each prints one JSON object on standard output: case → `{"text": …}`, or `{"error", "status", "code"}` with
the client's exception. They read OPENAI_BASE_URL, OPENAI_API_KEY and SPENT_KEY, a key whose quota is used up.
The models are those of `tests/e2e/api/conftest.py`. The programs run in separate environments
(`requirements/clients.txt`, `node/package-lock.json`), without the toolkit's packages.
"""
