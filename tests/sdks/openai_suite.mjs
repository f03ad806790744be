// OpenAI's SDK for JavaScript, unchanged but for the base URL.
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

const OpenAI = load("openai").default;
const baseURL = `${GATEWAY}/v1`;
const client = new OpenAI({ baseURL, apiKey: "key-of-app" });
const messages = [{ role: "user", content: QUESTION }];
const tools = [
  {
    type: "function",
    function: {
      name: "get_weather",
      // What may be said is bounded: so small a model does not end a text by itself.
      parameters: { type: "object", properties: { city: { type: "string", enum: ["Rome", "Oslo"] } }, required: ["city"] },
    },
  },
];
const create = (options, of = client) => of.chat.completions.create({ messages, ...options });
const counted = (more) => {
  const { times, options } = counting(more);
  return [new OpenAI({ baseURL, ...options }), times];
};
const drain = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
};
const text = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("");

await run("openai, JavaScript", {
  async chat() {
    for (const model of ["smollm2", "smollm2-messages"]) {
      const answer = await create({ model, max_tokens: 24, temperature: 0 });
      assert.match(answer.choices[0].message.content, /Paris/);
      assert.ok(answer.usage.prompt_tokens > 5 && answer.usage.completion_tokens > 2);
    }
  },

  async "streaming with usage"() {
    for (const model of ["smollm2", "smollm2-messages"]) {
      const options = { model, max_tokens: 24, temperature: 0, stream: true, stream_options: { include_usage: true } };
      const chunks = await drain(await create(options));
      assert.match(text(chunks), /Paris/);
      assert.ok(chunks.at(-1).usage.completion_tokens > 2);
      assert.equal(chunks.filter((chunk) => chunk.usage).length, 1);
    }
  },

  async "stream helper"() {
    const stream = client.chat.completions.stream({ model: "full", messages });
    const final = await stream.finalChatCompletion();
    assert.equal(final.choices[0].message.content, SAID);
    const calls = final.choices[0].message.tool_calls;
    assert.deepEqual(calls.map((call) => JSON.parse(call.function.arguments).city), ["Rome", "Oslo"]);
  },

  async tools() {
    const options = { max_tokens: 60, tools, tool_choice: "required", logit_bias: [[13, 50], [2, 100]] };
    for (const [model, more] of [["smollm2", options], ["tools", { tools }], ["claude-tools", { tools }]]) {
      const message = (await create({ model, ...more })).choices[0].message;
      assert.equal(message.tool_calls[0].function.name, "get_weather");
      assert.ok("city" in JSON.parse(message.tool_calls[0].function.arguments));
      const chunks = await drain(await create({ model, ...more, stream: true }));
      const calls = [];
      for (const call of chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? [])) {
        const [name, said] = calls[call.index] ?? ["", ""];
        calls[call.index] = [name + (call.function?.name ?? ""), said + (call.function?.arguments ?? "")];
      }
      assert.ok(calls.length > 0);
      for (const [name, said] of calls) {
        assert.equal(name, "get_weather");
        assert.ok("city" in JSON.parse(said));
      }
    }
  },

  async embeddings() {
    // The SDK asks for base64 unless it is told otherwise, and decodes it.
    const answer = await client.embeddings.create({ model: "multilingual-e5-small", input: ["a dog", "a puppy"] });
    assert.deepEqual(answer.data.map((item) => item.embedding.length), [384, 384]);
    assert.ok(Math.abs(answer.data[0].embedding.reduce((sum, x) => sum + x * x, 0) - 1) < 0.01);
  },

  async "model list"() {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    for (const id of ["smollm2", "multilingual-e5-small", "claude-text"]) assert.ok(ids.includes(id), `${ids}`);
  },

  async "wrong key"() {
    const [stranger, times] = counted({ apiKey: "key-of-nobody" });
    const error = await raises(OpenAI.AuthenticationError, create({ model: "smollm2" }, stranger));
    assert.equal(error.status, 401);
    assert.equal(times.length, 1);
  },

  async "unknown model"() {
    const error = await raises(OpenAI.NotFoundError, create({ model: "smolm2" }, client.withOptions({ apiKey: "key-of-few" })));
    assert.match(error.message, /smollm2/);
    assert.equal(error.code, "model_not_found");
  },

  async "bad requests"() {
    const [of, times] = counted();
    const error = await raises(OpenAI.BadRequestError, create({ model: "smollm2", messages: "nothing" }, of));
    assert.equal(error.param, "messages");
    await raises(OpenAI.BadRequestError, create({ model: "status-400" }, of));
    await raises(OpenAI.UnprocessableEntityError, create({ model: "status-422" }, of));
    assert.equal(times.length, 3);
  },

  async "too large"() {
    const [of, times] = counted();
    const large = [{ role: "user", content: "x".repeat(200_000) }];
    const error = await raises(OpenAI.APIError, create({ model: "smollm2", messages: large }, of));
    assert.equal(error.status, 413);
    assert.equal(times.length, 1);
  },

  async "provider's errors are sent once"() {
    for (const [model, kind, status] of [
      ["status-500", OpenAI.InternalServerError, 502],
      ["status-503", OpenAI.InternalServerError, 503],
      ["reset", OpenAI.InternalServerError, 502],
      ["silent", OpenAI.InternalServerError, 504],
      ["rate", OpenAI.RateLimitError, 429],
      ["quota", OpenAI.InternalServerError, 503],
    ]) {
      const [of, times] = counted();
      // These close the provider for a while.
      const closes = model === "rate" || model === "quota";
      const name = closes ? `${model}.openai-js` : fresh(model);
      const error = await raises(kind, create({ model: name }, of));
      assert.equal(error.status, status, model);
      assert.equal(error.headers.get("x-should-retry"), "false");
      assert.equal(error.headers.has("retry-after"), model === "rate", model);
      assert.equal(times.length, 1, model);
      const tried = (await counts(name)).requests;
      assert.ok(model === "quota" ? tried === 1 : closes || tried > 1, `${model}: ${tried}`);
    }
  },

  async "own limits are waited for"() {
    const [of, times] = counted({ apiKey: "key-of-slow" });
    for (let call = 0; call < 6; call++) {
      const before = times.length;
      assert.ok((await create({ model: "text" }, of)).choices[0].message.content);
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
        const all = async () => {
          for await (const chunk of await create({ model: name, stream: true })) {
            said += text([chunk]);
            assert.ok(!chunk.choices[0]?.finish_reason, `${name}: a false end`);
          }
        };
        await raises(OpenAI.APIError, all());
        assert.ok(said && SAID.startsWith(said), `${name}: ${said}`);
        await raises(OpenAI.OpenAIError, client.chat.completions.stream({ model: name, messages }).finalChatCompletion());
      }
    }
  },

  async "leaving cancels"() {
    const name = fresh("slower");
    for await (const chunk of await create({ model: name, stream: true })) {
      if (chunk.choices[0]?.delta.content) break;
    }
    await until(async () => (await counts(name)).cancelled === 1);
    const silent = fresh("silent");
    const controller = new AbortController();
    const call = client.chat.completions.create({ model: silent, messages }, { signal: controller.signal });
    const ended = raises(OpenAI.APIUserAbortError, call);
    await until(async () => (await counts(silent)).active === 1);
    controller.abort();
    await ended;
    await until(async () => (await counts(silent)).cancelled === 1);
    assert.equal((await counts(silent)).requests, 1);
  },

  async "its own time limit"() {
    const [of, times] = counted({ timeout: 400, maxRetries: 1 });
    const name = fresh("silent");
    await raises(OpenAI.APIConnectionTimeoutError, create({ model: name }, of));
    assert.equal(times.length, 2);
    await until(async () => (await counts(name)).cancelled === 2);
  },

  async "many at once"() {
    const one = async () => text(await drain(await create({ model: "slow", stream: true })));
    const all = await Promise.all(Array.from({ length: 50 }, one));
    assert.deepEqual(all, Array(50).fill(SAID));
  },

  // Whatever a provider does: a whole answer, or an error of the right class; never a clean end of what was cut.
  async fates() {
    const [of, times] = counted();
    const calls = await eachFate("openai-js", OpenAI, async function* (model, stream) {
      const answer = await create({ model, stream }, of);
      if (!stream) {
        yield [answer.choices[0].message.content, Boolean(answer.choices[0].finish_reason)];
        return;
      }
      for await (const chunk of answer) yield [text([chunk]), Boolean(chunk.choices[0]?.finish_reason)];
    });
    assert.equal(times.length, calls, "none is sent again");
  },

  // A mock of others, that breaks its answers at random: see what it says of its callers at its end.
  async llmock() {
    const all = async (options) => {
      const chunks = await drain(await create({ ...options, stream: true }));
      assert.ok(chunks.some((chunk) => chunk.choices[0]?.finish_reason));
      return chunks;
    };
    for (let number = 0; number < 8; number++) {
      const content = `Question ${number} of the weather, by OpenAI's SDK for JavaScript?`;
      const options = { messages: [{ role: "user", content }], max_tokens: 60 };
      for (const model of ["llmock", "llmock-messages"]) {
        const streamed = { ...options, model: `${model}-streams` };
        assert.ok((await create({ ...options, model })).choices[0].message.content);
        assert.ok(text(await patiently(() => all(streamed), OpenAI.APIError)));
        const whole = (await create({ ...options, model, tools })).choices[0].message.tool_calls;
        const chunks = await patiently(() => all({ ...streamed, tools }), OpenAI.APIError);
        const calls = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
        for (const call of [whole, calls]) {
          assert.equal(call[0].function.name, "get_weather");
          assert.ok(JSON.parse(call.map((part) => part.function.arguments ?? "").join("")).city);
        }
      }
    }
  },

  async counted() {
    await isCounted("openai-js", async (apiKey, model, stream) => {
      const options = stream ? { stream, stream_options: { include_usage: true } } : {};
      try {
        const answer = await create({ model, ...options }, client.withOptions({ apiKey }));
        const { usage } = stream ? (await drain(answer)).at(-1) : answer;
        return [usage.prompt_tokens, usage.completion_tokens];
      } catch (error) {
        assert.ok(error instanceof (model === "status-400" ? OpenAI.BadRequestError : OpenAI.InternalServerError), `${error}`);
      }
    });
  },
});
