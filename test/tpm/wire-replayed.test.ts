/** End to end: a host, a real swtpm, and an attacker between them who repeats, cuts, delays and sends random bytes. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { CC } from "../../host/capabilities/tpm/commands.ts";
import { AttackedTpm, type Change, outcome, WAITS } from "../support/attacked-tpm.ts";
import { requireDebian } from "../support/debian.ts";
import { untilWell } from "../support/until-well.ts";

requireDebian(["swtpm", "tpm2-tools"]);

const STARTUP = 0x144;

let tpm: AttackedTpm;

before(async () => {
  tpm = await AttackedTpm.start();
});
after(() => tpm.close());

describe("an earlier response in place of a later one", () => {
  for (const [name, code] of [
    ["HMAC", CC.HMAC],
    ["Load", CC.Load],
    ["StartAuthSession", CC.StartAuthSession],
  ] as const) {
    test(`to ${name} is detected`, async () => {
      const earlier = tpm.proxy.heard.find((each) => each.code === code && each.from === "tpm")?.bytes;
      assert.ok(earlier);
      const how = await tpm.attack({ code, change: () => Buffer.from(earlier), isNew: code !== CC.HMAC });
      assert.notEqual(how, "right");
      const [latest] = tpm.proxy.heard.filter((each) => each.code === code && each.from === "tpm").slice(-1);
      assert.ok(latest);
      const again = await tpm.attack({
        code,
        change: () => Buffer.from(latest.bytes),
        isNew: code !== CC.HMAC,
      });
      assert.notEqual(again, "right");
    });
  }

  test("to CreatePrimary has the same key, so the call succeeds", async () => {
    const last = tpm.proxy.heard.findLast((each) => each.code === CC.CreatePrimary && each.from === "tpm");
    assert.ok(last);
    const how = await tpm.attack({
      code: CC.CreatePrimary,
      change: () => Buffer.from(last.bytes),
      isNew: true,
    });
    assert.equal(how, "right");
  });
});

describe("an attacker on the connection", () => {
  const kinds = [CC.HMAC, CC.CreatePrimary, CC.StartAuthSession, CC.Load, CC.GetCapability, STARTUP];

  test("cuts it in the middle of a response: the call fails with UNAVAILABLE", async () => {
    for (const code of kinds)
      for (const length of [0, 3, 10, 13]) {
        const change: Change = (response) => ({ send: response.subarray(0, length), thenCut: true });
        // Ten bytes are a complete response only if it is an error, which none of these is, or Startup's, which has no more.
        const how = await tpm.attack({ code, change, isNew: code !== CC.HMAC });
        if (code === STARTUP && length >= 10) continue;
        assert.equal(how, "UNAVAILABLE", `0x${code.toString(16)}, ${length} bytes`);
      }
  });

  test("delays a response: the call ends in time, and the late response is ignored", async () => {
    const change: Change = (response) => ({ send: response, afterMs: WAITS.known + 100 });
    const how = await tpm.attack({ code: CC.HMAC, change });
    assert.ok(how === "UNAVAILABLE" || how === "DEADLINE_EXCEEDED", how);
    await tpm.proxy.allGiven();
    await tpm.opens(tpm.sealed);
  });

  test("sends random bytes: no result is returned, and calls succeed when the TPM's responses arrive again", async () => {
    const garbage: Change[] = [
      () => randomBytes(64),
      () => randomBytes(5000),
      (response) => Buffer.concat([response.subarray(0, 10), randomBytes(response.length - 10)]),
      // A header that reports success, and no body.
      () => Buffer.from("80020000000a00000000", "hex"),
      () => Buffer.from("8001ffffffff00000000", "hex"),
      (response) => Buffer.concat([response, response]),
    ];
    for (const change of garbage)
      for (const code of [CC.HMAC, CC.CreatePrimary]) {
        const how = await tpm.attack({ code, change, isNew: code !== CC.HMAC });
        assert.notEqual(how, "right");
      }
    // Garbage in reply to every command, for eight calls.
    tpm.proxy.tamper = () => randomBytes(40);
    for (let i = 0; i < 8; i++)
      assert.notEqual(await outcome(tpm.client.decrypt(tpm.sealed, WAITS.known)), "right");
    tpm.proxy.honest();
    await untilWell(() => tpm.opens(tpm.sealed));
  });
});

test("after all attacks the host serves, stops cleanly, and leaves nothing in the TPM", () =>
  tpm.assertUnharmed());
