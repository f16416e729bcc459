// Codex CLI, a coding agent that speaks the Responses API, without the tools that only OpenAI's service has.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = createRequire(import.meta.url).resolve("@openai/codex/bin/codex.js");
const home = mkdtempSync(join(tmpdir(), "codex-"));
const config = `
model_provider = "gateway"
web_search = "disabled"
agents.enabled = false
approval_policy = "never"
# Containers of CI systems may forbid its sandbox.
sandbox_mode = "danger-full-access"
check_for_update_on_startup = false
analytics.enabled = false
feedback.enabled = false
# Otherwise it looks for plugins at GitHub.
features.plugins = false

[model_providers.gateway]
name = "gateway"
base_url = "${process.env.OPENAI_BASE_URL}"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
`;

// The events of a turn.
function run(prompt, { model = "echo", key = process.env.OPENAI_API_KEY } = {}) {
  const args = [program, "exec", "--json", "--skip-git-repo-check", "--ephemeral", "--model", model, "-"];
  const env = { PATH: process.env.PATH, HOME: home, CODEX_HOME: home, OPENAI_API_KEY: key };
  const { stdout } = spawnSync(process.execPath, args, { cwd: home, env, input: prompt, encoding: "utf8" });
  return stdout.trim().split("\n").map((line) => JSON.parse(line));
}

const items = (events) => events.filter((event) => event.type === "item.completed").map((event) => event.item);

function chat() {
  const [message] = items(run("Say hello.")).filter((item) => item.type === "agent_message");
  return message.text;
}

function tools() {
  const [command] = items(run("Say hello.")).filter((item) => item.type === "command_execution");
  return `${command.command}: ${command.aggregated_output.trim()}`;
}

function failure(prompt, options) {
  const event = run(prompt, options).at(-1);
  if (event.type !== "turn.failed") return { text: event.type };
  // Of 400 and 404, it shows the message only.
  const status = /unexpected status (\d+)/.exec(event.error.message);
  return { error: event.type, message: event.error.message, ...(status ? { status: Number(status[1]) } : {}) };
}

writeFileSync(join(home, "config.toml"), config);
try {
  const outcomes = {
    // It always streams.
    "streamed chat": { text: chat() },
    tools: { text: tools() },
    "wrong key": failure("Say hello.", { key: "wrong-".repeat(6) }),
    "unknown model": failure("Say hello.", { model: "no-such-model" }),
    // Its own prompt is longer.
    "context exceeded": failure("Say hello.", { model: "smollm2" }),
    "too large": failure("x".repeat(70_000)),
    "quota spent": failure("Say hello.", { key: process.env.SPENT_KEY }),
    "model error": failure("Say hello.", { model: "broken" }),
    "no capacity": failure("Say hello.", { model: "gone" }),
  };
  process.stdout.write(JSON.stringify(outcomes));
} finally {
  rmSync(home, { recursive: true, force: true });
}
