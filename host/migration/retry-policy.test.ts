/** Retries while an API server restarts, and stops if it does not come back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ApiError } from "./api.ts";
import { RetryPolicy, retryDelay } from "./retry-policy.ts";

const DELAYS = [0, 0, 0];
const TRIES = DELAYS.length + 1;

const failing = (code: number) => {
  const asked = { times: 0 };
  const ask = async () => {
    asked.times += 1;
    throw new ApiError("ask", code, "no");
  };
  return { asked, ask };
};

describe("RetryPolicy", () => {
  const signal = new AbortController().signal;

  for (const code of [0, 429, 500, 503])
    test(`retries after ${code}`, async () => {
      const { asked, ask } = failing(code);
      await assert.rejects(new RetryPolicy(signal, DELAYS).run(ask), { code });
      assert.equal(asked.times, TRIES);
    });

  for (const code of [403, 404, 409, 422])
    test(`does not retry after ${code}`, async () => {
      const { asked, ask } = failing(code);
      await assert.rejects(new RetryPolicy(signal, DELAYS).run(ask), { code });
      assert.equal(asked.times, 1);
    });

  test("does not wait again after one request used all retries, until a request succeeds", async () => {
    const retry = new RetryPolicy(signal, DELAYS);
    const { asked, ask } = failing(500);
    await assert.rejects(retry.run(ask));
    await assert.rejects(retry.run(ask));
    assert.equal(asked.times, TRIES + 1);
    await retry.run(async () => {});
    await assert.rejects(retry.run(ask));
    assert.equal(asked.times, 2 * TRIES + 1);
  });

  test("obeys a Retry-After for at most a minute", () => {
    const after = (retryAfterMs: number) => retryDelay(250, { retryAfterMs });
    assert.deepEqual([0, 5000, 1e12].map(after), [250, 5000, 60_000]);
  });

  test("ends at once if the pass is stopped", async () => {
    const stopped = AbortSignal.abort();
    const { asked, ask } = failing(503);
    await assert.rejects(new RetryPolicy(stopped).run(ask), { code: 503 });
    assert.equal(asked.times, 1);
  });
});
