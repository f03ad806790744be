// Anthropic's SDK for JavaScript, unchanged but for the base URL.
import assert from "node:assert/strict";
import {
  GATEWAY,
  QUESTION,
  SAID,
  counting,
  counts,
  eachFate,
  fresh,
  isCounted,
  load,
  patiently,
  raises,
  run,
  until,
} from "./checks.mjs";

const Anthropic = load("@anthropic-ai/sdk").default;
const client = new Anthropic({ baseURL: GATEWAY, apiKey: "key-of-app" });
const ask = { messages: [{ role: "user", content: QUESTION }], max_tokens: 24 };
const tools = [
  {
    name: "get_weather",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];
const create = (options, of = client) => of.messages.create({ ...ask, ...options });
const counted = (more) => {
  const { times, options } = counting(more);
  return [new Anthropic({ baseURL: GATEWAY, ...options }), times];
};
// Tokens of a prompt: what llama.cpp has read before is told apart.
const read = (usage) => usage.input_tokens + (usage.cache_read_input_tokens ?? 0);
const text = (message) => message.content.map((block) => (block.type === "text" ? block.text : "")).join("");

await run("anthropic, JavaScript", {
  async chat() {
    for (const model of ["smollm2", "smollm2-messages"]) {
      const answer = await create({ model, temperature: 0 });
      assert.match(text(answer), /Paris/);
      assert.ok(read(answer.usage) > 5 && answer.usage.output_tokens > 2);
    }
  },

  async "streaming with usage"() {
    for (const model of ["smollm2", "smollm2-messages"]) {
      const final = await client.messages.stream({ model, temperature: 0, ...ask }).finalMessage();
      assert.match(text(final), /Paris/);
      assert.ok(read(final.usage) > 5 && final.usage.output_tokens > 2);
    }
  },

  async tools() {
    for (const model of ["tools", "claude-tools"]) {
      const whole = await create({ model, tools });
      const streamed = await client.messages.stream({ model, tools, ...ask }).finalMessage();
      for (const answer of [whole, streamed]) {
        const call = answer.content.find((block) => block.type === "tool_use");
        assert.ok(call.id && call.name === "get_weather" && call.input.city, JSON.stringify(answer));
        assert.equal(answer.stop_reason, "tool_use");
      }
    }
  },

  async "model list"() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    for (const id of ["smollm2", "claude-text"]) assert.ok(ids.includes(id), `${ids}`);
  },

  async "wrong key"() {
    const [stranger, times] = counted({ apiKey: "key-of-nobody" });
    const error = await raises(Anthropic.AuthenticationError, create({ model: "smollm2" }, stranger));
    assert.equal(error.error.error.type, "authentication_error");
    assert.equal(times.length, 1);
  },

  async "unknown model"() {
    const error = await raises(Anthropic.NotFoundError, create({ model: "smolm2" }, client.withOptions({ apiKey: "key-of-few" })));
    assert.match(error.error.error.message, /smollm2/);
  },

  async "bad requests"() {
    const [of, times] = counted();
    await raises(Anthropic.BadRequestError, create({ model: "smollm2", messages: "nothing" }, of));
    await raises(Anthropic.BadRequestError, create({ model: "claude-status-400" }, of));
    assert.equal(times.length, 2);
  },

  async "too large"() {
    const large = [{ role: "user", content: "x".repeat(200_000) }];
    const error = await raises(Anthropic.APIError, create({ model: "smollm2", messages: large }));
    assert.equal(error.status, 413);
  },

  async "provider's errors are sent once"() {
    for (const [model, kind] of [
      ["status-500", Anthropic.InternalServerError],
      ["status-529", Anthropic.InternalServerError],
      ["silent", Anthropic.InternalServerError],
      ["rate", Anthropic.RateLimitError],
    ]) {
      const [of, times] = counted();
      const error = await raises(kind, create({ model: model === "rate" ? "rate.anthropic-js" : fresh(model) }, of));
      assert.equal(error.headers.get("x-should-retry"), "false");
      assert.equal(times.length, 1, model);
    }
  },

  async "own limits are waited for"() {
    const [of, times] = counted({ apiKey: "key-of-slow" });
    for (let call = 0; call < 6; call++) {
      const before = times.length;
      assert.ok(text(await create({ model: "text" }, of)));
      if (times.length > before + 1) {
        const waited = times.at(-1) - times.at(-2);
        assert.ok(waited > 50, `${waited} ms`);
        return;
      }
    }
    assert.fail("it was never refused");
  },

  async "broken streams raise"() {
    for (const model of ["cut", "cut-reset", "cut-terminated", "broken", "garbage", "stall"]) {
      for (const name of [model, `claude-${model}`]) {
        let said = "";
        let stopped = false;
        const all = async () => {
          for await (const event of await create({ model: name, stream: true })) {
            if (event.delta?.type === "text_delta") said += event.delta.text;
            stopped ||= event.type === "message_delta" || event.type === "message_stop";
          }
        };
        await raises(Anthropic.APIError, all());
        assert.ok(said && SAID.startsWith(said) && !stopped, `${name}: ${said}`);
        await raises(Anthropic.AnthropicError, client.messages.stream({ model: name, ...ask }).finalMessage());
      }
    }
  },

  async "leaving cancels"() {
    const name = fresh("slower");
    for await (const event of await create({ model: name, stream: true })) {
      if (event.delta?.type === "text_delta") break;
    }
    await until(async () => (await counts(name)).cancelled === 1);
  },

  async "its own time limit"() {
    const [of, times] = counted({ timeout: 400, maxRetries: 1 });
    const name = fresh("silent");
    await raises(Anthropic.APIConnectionTimeoutError, create({ model: name }, of));
    assert.equal(times.length, 2);
    await until(async () => (await counts(name)).cancelled === 2);
  },

  // Whatever a provider does: a whole answer, or an error of the right class; never a clean end of what was cut.
  async fates() {
    const [of, times] = counted();
    const calls = await eachFate("anthropic-js", Anthropic, async function* (model, stream) {
      const answer = await create({ model, stream }, of);
      if (!stream) {
        yield [text(answer), Boolean(answer.stop_reason)];
        return;
      }
      for await (const event of answer) {
        const said = event.delta?.type === "text_delta" ? event.delta.text : "";
        yield [said, event.type === "message_delta" || event.type === "message_stop"];
      }
    });
    assert.equal(times.length, calls, "none is sent again");
  },

  // A mock of others, that breaks its answers at random: see what it says of its callers at its end.
  async llmock() {
    const all = async (options) => {
      const message = await client.messages.stream(options).finalMessage();
      assert.ok(message.stop_reason);
      return message;
    };
    for (let number = 0; number < 8; number++) {
      const content = `Question ${number} of the weather, by Anthropic's SDK for JavaScript?`;
      const options = { messages: [{ role: "user", content }], max_tokens: 60 };
      for (const model of ["llmock", "llmock-messages"]) {
        const streamed = { ...options, model: `${model}-streams` };
        for (const answer of [
          await create({ ...options, model }),
          await patiently(() => all(streamed), Anthropic.AnthropicError),
        ]) {
          assert.ok(text(answer) && answer.usage.output_tokens > 0, JSON.stringify(answer));
        }
        for (const answer of [
          await create({ ...options, model, tools }),
          await patiently(() => all({ ...streamed, tools }), Anthropic.AnthropicError),
        ]) {
          const call = answer.content.find((block) => block.type === "tool_use");
          assert.ok(call.name === "get_weather" && call.input.city, JSON.stringify(answer));
        }
      }
    }
  },

  async counted() {
    await isCounted("anthropic-js", async (apiKey, model, stream) => {
      const own = client.withOptions({ apiKey });
      try {
        const streamed = () => own.messages.stream({ model, ...ask }).finalMessage();
        const { usage } = await (stream ? streamed() : create({ model }, own));
        // What was cached is a part of the prompt.
        return [read(usage) + (usage.cache_creation_input_tokens ?? 0), usage.output_tokens];
      } catch (error) {
        assert.ok(error instanceof (model === "status-400" ? Anthropic.BadRequestError : Anthropic.InternalServerError), `${error}`);
      }
    });
  },
});
