// OpenAI's client for Node.

import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 });
const hello = [{ role: "user", content: "Say hello." }];
const tool = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } } },
  },
};

async function chat({ model = "smollm2", content = "Say hello.", key } = {}) {
  const using = key ? client.withOptions({ apiKey: key }) : client;
  const messages = [{ role: "user", content }];
  const response = await using.chat.completions.create({ model, messages, max_tokens: 8 });
  return response.choices[0].message.content;
}

async function stream() {
  const chunks = await client.chat.completions.create({
    model: "smollm2",
    messages: hello,
    max_tokens: 8,
    stream: true,
    stream_options: { include_usage: true },
  });
  const texts = [];
  let usage;
  for await (const chunk of chunks) {
    for (const choice of chunk.choices) if (choice.delta.content) texts.push(choice.delta.content);
    usage = chunk.usage ?? usage;
  }
  if (!usage || texts.length < 2) throw new Error("no usage, or no stream");
  return texts.join("");
}

async function completion() {
  const response = await client.completions.create({ model: "smollm2", prompt: "Once upon a", max_tokens: 8 });
  return response.choices[0].text;
}

async function tools() {
  const response = await client.chat.completions.create({
    model: "echo",
    messages: hello,
    tools: [tool],
    tool_choice: "required",
  });
  const [call] = response.choices[0].message.tool_calls;
  return `${call.function.name}(${call.function.arguments})`;
}

async function embeddings() {
  const response = await client.embeddings.create({ model: "embedder", input: ["a cat", "a kitten"] });
  return `${response.data.length} of ${response.data[0].embedding.length}`;
}

async function models() {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  await client.models.retrieve("smollm2");
  return names.join(", ");
}

const cases = {
  chat,
  "streamed chat": stream,
  completion,
  tools,
  embeddings,
  models,
  "wrong key": () => chat({ key: "wrong-".repeat(6) }),
  "unknown model": () => chat({ model: "no-such-model" }),
  "invalid request": async () => (await client.chat.completions.create({ model: "smollm2", messages: [] })).id,
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
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { error: error.constructor.name, status: error.status, code: error.code };
  }
}

const outcomes = {};
for (const [name, run] of Object.entries(cases)) outcomes[name] = await outcome(run);
process.stdout.write(JSON.stringify(outcomes));
