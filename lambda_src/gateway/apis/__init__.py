"""Other APIs than OpenAI's completions: modules that translate requests to chat completions, and chunks back.

translation  what the modules share: translated requests, names in errors
blocks       the parts of a response: reasoning, text, tool calls
responses    OpenAI's Responses API
messages     Anthropic's Messages API
"""
