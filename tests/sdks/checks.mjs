// What the suites in JavaScript share. A check is a function; each prints a line, and the exit code tells whether all went well.
import assert from "node:assert/strict";
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

let number = 0;
// A name of this model that no other call has.
export const fresh = (model) => `${model}.${process.pid}-js-${number++}`;
