// Vercel's AI SDK: the provider for OpenAI-compatible APIs, and OpenAI's with the Responses API.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embedMany, generateText, jsonSchema, streamText, tool } from "ai";

globalThis.AI_SDK_LOG_WARNINGS = false;
const baseURL = process.env.OPENAI_BASE_URL;
const compatible = (apiKey) => createOpenAICompatible({ name: "gateway", baseURL, apiKey, includeUsage: true });
const provider = compatible(process.env.OPENAI_API_KEY);
const settings = { maxRetries: 0, maxOutputTokens: 8 };

async function chat({ model = "smollm2", content = "Say hello.", key } = {}) {
  const using = key ? compatible(key) : provider;
  return (await generateText({ ...settings, model: using(model), prompt: content })).text;
}

async function streamed(model) {
  const result = streamText({ ...settings, model, prompt: "Say hello." });
  const texts = [];
  for await (const text of result.textStream) texts.push(text);
  if (!(await result.usage).outputTokens || texts.length < 2) throw new Error("no usage, or no stream");
  return texts.join("");
}

async function stream() {
  const responses = createOpenAI({ baseURL, apiKey: process.env.OPENAI_API_KEY }).responses("smollm2");
  const text = await streamed(responses);
  return `${text}${await streamed(provider("smollm2"))}`;
}

async function completion() {
  const model = provider.completionModel("smollm2");
  return (await generateText({ ...settings, model, prompt: "Once upon a" })).text;
}

async function tools() {
  const inputSchema = jsonSchema({ type: "object", properties: { city: { type: "string" } } });
  const { toolCalls } = await generateText({
    ...settings,
    model: provider("echo"),
    prompt: "Say hello.",
    tools: { get_weather: tool({ inputSchema }) },
  });
  return `${toolCalls[0].toolName}({"city": "${toolCalls[0].input.city}"})`;
}

async function embeddings() {
  const model = provider.textEmbeddingModel("embedder");
  const { embeddings } = await embedMany({ maxRetries: 0, model, values: ["a cat", "a kitten"] });
  return `${embeddings.length} of ${embeddings[0].length}`;
}

const cases = {
  chat,
  "streamed chat": stream,
  completion,
  tools,
  embeddings,
  "wrong key": () => chat({ key: "wrong-".repeat(6) }),
  "unknown model": () => chat({ model: "no-such-model" }),
  "invalid request": async () => (await generateText({ model: provider("smollm2"), maxRetries: 0, temperature: 9, prompt: "x" })).text,
  "context exceeded": () => chat({ content: "word ".repeat(6000) }),
  "too large": () => chat({ model: "echo", content: "x".repeat(70_000) }),
  "quota spent": () => chat({ key: process.env.SPENT_KEY }),
  "model error": () => chat({ model: "broken" }),
  "no capacity": () => chat({ model: "gone" }),
};

async function outcome(run) {
  try {
    return { text: await run() };
  } catch (error) {
    if (!APICallError.isInstance(error)) throw error;
    return { error: error.name, status: error.statusCode, code: JSON.parse(error.responseBody).error.code };
  }
}

const outcomes = {};
for (const [name, run] of Object.entries(cases)) outcomes[name] = await outcome(run);
process.stdout.write(JSON.stringify(outcomes));
