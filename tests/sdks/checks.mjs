// What the suites in JavaScript share. A check is a function; each prints a line, and the exit code tells whether all went well.
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

export const GATEWAY = process.env.GATEWAY_URL;
export const FAULTS = process.env.FAULTS_URL;
// The text that `full` says.
export const SAID = "I ask “both” – 世界.";
export const QUESTION = "What is the capital of France?";

// A package below SDKS_MODULES.
export function load(name) {
  const require = createRequire(pathToFileURL(path.join(process.env.SDKS_MODULES, "..", "any.js")));
  return require(name);
}

export async function run(suite, checks) {
  const wanted = process.argv.slice(2);
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    if (wanted.length && !wanted.some((word) => name.includes(word))) continue;
    const began = performance.now();
    try {
      await check();
      console.log(`ok    ${suite}: ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.error(error);
      console.log(`FAIL  ${suite}: ${name}`);
    }
  }
  console.log(`${suite}: ${Object.keys(checks).length} checks, ${failed} failed`);
  process.exit(failed > 0 ? 1 : 0);
}

// Checks that a promise fails with this kind of error, and returns that.
export async function raises(kind, promise) {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof kind, `${error?.constructor?.name}: ${error}`);
    return error;
  }
  assert.fail(`nothing was raised, but ${kind.name} was wanted`);
}

// What the provider that fails on purpose saw of a model's calls.
export async function counts(model) {
  const answer = await fetch(`${FAULTS}/counts`);
  return (await answer.json())[model] ?? {};
}

// Waits until something is so, for 10 s at most.
export async function until(what) {
  const end = performance.now() + 10_000;
  while (!(await what())) {
    assert.ok(performance.now() < end, "it does not become so");
    await new Promise((done) => setTimeout(done, 20));
  }
}

// Counts what an SDK sends, and when: `options` are for its client.
export function counting(options = {}) {
  const times = [];
  const counted = (url, init) => {
    times.push(performance.now());
    return fetch(url, init);
  };
  return { times, options: { apiKey: "key-of-app", ...options, fetch: counted } };
}

const FATES = JSON.parse(fs.readFileSync(new URL("./fates.json", import.meta.url), "utf8"));

// Each way of a provider to fail, by either interface: the model, whether it is streamed, and what is to come of it: `whole`,
// `breaks` behind some of it, or an error of one of these statuses.
function* fates(suite) {
  for (const fate of FATES) {
    for (const way of ["whole", "streamed"]) {
      if (!(way in fate)) continue;
      // What closes a provider has one of its own.
      const own = fate.closes ? `.${suite}-${way}` : "";
      const prefixes = fate.of === "openai" ? [""] : ["", "claude-"];
      for (const prefix of prefixes) yield [prefix + fate.name + own, way === "streamed", fate[way]];
    }
  }
}

// Asks for each fate, and returns how often it has. `ask(model, streamed)` yields texts, with whether the answer said there that it
// is complete; it throws what the SDK does.
export async function eachFate(suite, sdk, ask) {
  const take = async (model, streamed) => {
    const seen = { model, streamed, said: "", ended: false, error: undefined };
    try {
      for await (const [text, complete] of ask(model, streamed)) {
        seen.said += text;
        seen.ended ||= complete;
      }
    } catch (error) {
      if (!(error instanceof sdk.APIError)) throw error;
      seen.error = error;
    }
    return seen;
  };
  const texts = { "": (await take("text", false)).said, "claude-": (await take("claude-text", false)).said };
  assert.ok(texts[""] && texts["claude-"]);
  const suffer = async ([model, streamed, asked]) => {
    // As Anthropic says that it is overloaded; a quota that is used up is 503 for its callers, too.
    const wanted = sdk.name === "Anthropic" && asked.includes(503) ? [...asked, 529] : asked;
    const seen = await take(model, streamed);
    const told = JSON.stringify({ ...seen, error: `${seen.error?.constructor.name}: ${seen.error}` });
    if (wanted === "whole") {
      const whole = streamed ? SAID : texts[model.startsWith("claude-") ? "claude-" : ""];
      assert.ok(!seen.error && seen.ended && seen.said === whole, told);
      return;
    }
    assert.ok(seen.error && !seen.ended, told);
    if (wanted === "breaks") {
      assert.ok(seen.said && SAID.startsWith(seen.said), told);
      return;
    }
    const kind = { 400: sdk.BadRequestError, 429: sdk.RateLimitError }[wanted[0]] ?? sdk.InternalServerError;
    assert.ok(seen.error instanceof kind && wanted.includes(seen.error.status) && !seen.said, told);
    assert.equal(seen.error.headers.get("x-should-retry"), "false", told);
    assert.ok(!JSON.stringify(seen.error.error).includes("key-of-faults"), told);
  };
  const all = [...fates(suite)];
  assert.ok(all.length > 100);
  const failed = [];
  const waiting = all.values();
  const worker = async () => {
    for (const fate of waiting) await suffer(fate).catch((error) => failed.push(error.message));
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  assert.deepEqual(failed, []);
  return all.length + 2;
}

// As programs do that want the whole of an answer: asks again for what broke, later each time.
export async function patiently(ask, kind) {
  for (let wait = 100; ; wait *= 1.5) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof kind) || wait > 2_500) throw error;
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

// What the gateway wrote down for a tenant: calls, and tokens read and written. `/status` and `/metrics` say the same.
async function ledger(tenant) {
  const used = (await (await fetch(`${GATEWAY}/status`)).json()).usage.by_tenant[tenant];
  const metrics = await (await fetch(`${GATEWAY}/metrics`)).text();
  const metric = (name, more = "") => {
    const found = metrics.match(new RegExp(`^campanile_tenant_${name}\\{tenant="${tenant}"${more}\\} (\\S+)$`, "m"));
    return Number(found?.[1] ?? 0);
  };
  const measured = [metric("attempts_total"), metric("failed_attempts_total")];
  measured.push(metric("tokens_total", ',kind="input"'), metric("tokens_total", ',kind="output"'));
  const noted = used ? [used.calls, used.failed, used.input_tokens, used.output_tokens] : [0, 0, 0, 0];
  assert.deepEqual(measured, noted);
  return noted;
}

// Asks so often, and compares the gateway's books. `ask(key, model, streamed)` returns the tokens of prompt and answer as the SDK was
// told, or nothing where it threw.
export async function isCounted(suite, ask) {
  const tenant = `counted-${suite}`;
  const key = `key-${tenant}`;
  const wanted = await ledger(tenant);
  for (const [model, streamed, times] of [["text", false, 3], ["claude-text", false, 3], ["full", true, 4], ["claude-full", true, 4]]) {
    for (let time = 0; time < times; time++) {
      const [read, written] = await ask(key, model, streamed);
      assert.ok(read > 0 && written > 0, model);
      wanted[2] += read;
      wanted[3] += written;
    }
  }
  // An attempt, which is the caller's fault; and three, which are the provider's.
  for (const model of ["status-400", "status-500"]) assert.equal(await ask(key, model, false), undefined);
  wanted[0] += 14 + 1 + 3;
  wanted[1] += 3;
  // What ends a call is written down as it ends, which may be just after the last word is read.
  await until(async () => (await ledger(tenant))[0] >= wanted[0]);
  assert.deepEqual(await ledger(tenant), wanted);
}

let number = 0;
// A name of this model that no other call has.
export const fresh = (model) => `${model}.${process.pid}-js-${number++}`;
