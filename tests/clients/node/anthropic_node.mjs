// Anthropic's client for Node.

import Anthropic from "@anthropic-ai/sdk";

const baseURL = process.env.OPENAI_BASE_URL.replace(/\/v1$/, "");
const client = new Anthropic({ baseURL, apiKey: process.env.OPENAI_API_KEY, maxRetries: 0 });
const tool = {
  name: "get_weather",
  input_schema: { type: "object", properties: { city: { type: "string" } } },
};

const messages = (content = "Say hello.") => [{ role: "user", content }];

async function chat({ model = "smollm2", content, key } = {}) {
  const using = key ? client.withOptions({ apiKey: key }) : client;
  const response = await using.messages.create({ model, max_tokens: 8, messages: messages(content) });
  return response.content.map((block) => block.text).join("");
}

async function stream() {
  const texts = [];
  const events = client.messages.stream({ model: "smollm2", max_tokens: 8, messages: messages() });
  events.on("text", (text) => texts.push(text));
  const final = await events.finalMessage();
  const counted = await client.messages.countTokens({ model: "smollm2", messages: messages() });
  if (!final.usage.output_tokens || !counted.input_tokens || texts.length < 2) throw new Error("no usage, or no stream");
  return texts.join("");
}

async function tools() {
  const response = await client.messages.create({
    model: "echo",
    max_tokens: 64,
    messages: messages(),
    tools: [tool],
    tool_choice: { type: "any" },
  });
  const [call] = response.content.filter((block) => block.type === "tool_use");
  return `${call.name}({"city": "${call.input.city}"})`;
}

const cases = {
  chat,
  "streamed chat": stream,
  tools,
  "wrong key": () => chat({ key: "wrong-".repeat(6) }),
  "unknown model": () => chat({ model: "no-such-model" }),
  "invalid request": async () => (await client.messages.create({ model: "smollm2", max_tokens: 8, messages: [] })).id,
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
    if (!(error instanceof Anthropic.APIError)) throw error;
    return { error: error.constructor.name, status: error.status };
  }
}

const outcomes = {};
for (const [name, run] of Object.entries(cases)) outcomes[name] = await outcome(run);
process.stdout.write(JSON.stringify(outcomes));
