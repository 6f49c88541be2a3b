/** Tries again while an API server restarts, and not for ever where it does not come back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ApiError } from "../cluster/client.ts";
import { Patience, pauseOf } from "./patience.ts";

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

describe("Patience", () => {
  const signal = new AbortController().signal;

  for (const code of [0, 429, 500, 503])
    test(`asks again after ${code}`, async () => {
      const { asked, ask } = failing(code);
      await assert.rejects(new Patience(signal, DELAYS).ask(ask), { code });
      assert.equal(asked.times, TRIES);
    });

  for (const code of [403, 404, 409, 422])
    test(`does not ask again after ${code}`, async () => {
      const { asked, ask } = failing(code);
      await assert.rejects(new Patience(signal, DELAYS).ask(ask), { code });
      assert.equal(asked.times, 1);
    });

  test("is exhausted by one request for all others, until one succeeds", async () => {
    const patience = new Patience(signal, DELAYS);
    const { asked, ask } = failing(500);
    await assert.rejects(patience.ask(ask));
    await assert.rejects(patience.ask(ask));
    assert.equal(asked.times, TRIES + 1);
    await patience.ask(async () => {});
    await assert.rejects(patience.ask(ask));
    assert.equal(asked.times, 2 * TRIES + 1);
  });

  test("obeys a Retry-After for at most a minute", () => {
    const after = (retryAfterMs: number) => pauseOf(250, { retryAfterMs });
    assert.deepEqual([0, 5000, 1e12].map(after), [250, 5000, 60_000]);
  });

  test("ends at once where the pass is stopped", async () => {
    const stopped = AbortSignal.abort();
    const { asked, ask } = failing(503);
    await assert.rejects(new Patience(stopped).ask(ask), { code: 503 });
    assert.equal(asked.times, 1);
  });
});
