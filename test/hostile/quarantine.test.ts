/** Guests whose processes exit repeatedly, and a process that was taken over. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { encodeFrame, Frame } from "../../host/sandbox/wire.mjs";
import { standIn } from "../support/wall.ts";
import { Arena, both, call, failure, until } from "./arena.ts";

const arena = new Arena();
const RESTART_POLICY = {
  firstBackoffMs: 1,
  lastBackoffMs: 2,
  goodLifeMs: 600_000,
  failures: 3,
  firstQuarantineMs: 1500,
  lastQuarantineMs: 600_000,
};

test("a guest whose process is killed three times is quarantined with a reason and an end, and is restarted then", async () => {
  const sandbox = await arena.enter("loop", { restartPolicy: RESTART_POLICY, deadlineMs: 300 });
  for (let i = 1; i <= 3; i++) {
    await both(sandbox.supervisor);
    await arena.refused(() => call(sandbox, "encrypt", 1), {
      code: "deadline",
      message: 'Cannot encrypt: provider "hostile" exceeded its deadline and was stopped',
    });
    await until(() => sandbox.ends.length >= i);
  }
  const reason = "its process exited 3 times in a row, most recently: a call exceeded its deadline";
  const { state, quarantine } = sandbox.supervisor.state();
  assert.deepEqual([state, quarantine?.reason], ["quarantined", reason]);
  assert.deepEqual(sandbox.ends.slice(2), [`quarantine: ${reason}`]);
  const end = new Date(quarantine?.until ?? 0).toISOString();
  for (const rpc of ["status", "encrypt", "decrypt"] as const) {
    await arena.refused(() => call(sandbox, rpc, 0), {
      code: "provider-quarantined",
      message: `Cannot ${rpc}: provider "hostile" is in quarantine, ${reason}; it is tried again at ${end}`,
    });
  }
  assert.deepEqual(sandbox.supervisor.pids, [], "none of its processes runs");
  await until(() => sandbox.supervisor.state().state === "ready");
  assert.ok(Date.now() >= (quarantine?.until ?? Number.POSITIVE_INFINITY));
  await call(sandbox, "encrypt", 0);
  // one attempt, not another series; and longer than before
  await both(sandbox.supervisor);
  assert.equal((await failure(() => call(sandbox, "encrypt", 1))).code, "deadline");
  await until(() => sandbox.supervisor.state().state === "quarantined");
  const again = sandbox.supervisor.state().quarantine?.until ?? 0;
  assert.ok(again - Date.now() > RESTART_POLICY.firstQuarantineMs, "the second quarantine is longer");
});

/** Reports that it is loaded, and then sends a frame that no guest can send. */
const TAKEN = `
  const link = new (require("node:net").Socket)({ fd: 3 });
  link.write(Buffer.from(process.argv[1], "base64"));
  link.once("data", () => setTimeout(() => link.write(Buffer.from(process.argv[2], "base64")), 50));
  link.on("error", () => {});
`;

test("a process that was taken over is not replaced", async () => {
  const says = [
    Buffer.concat([encodeFrame(Frame.STARTED, 0), encodeFrame(Frame.LOADED, 0)]),
    encodeFrame(99, 1),
  ].map((frame) => frame.toString("base64"));
  let spawned = 0;
  const sandbox = await arena.enter("loop", {
    restartPolicy: { ...RESTART_POLICY, firstQuarantineMs: 1 },
    wall: standIn(() => {
      spawned += 1;
      return spawn(process.execPath, ["-e", TAKEN, ...says], {
        stdio: ["ignore", "ignore", "ignore", "pipe"],
      });
    }),
  });
  const reason = "its process was taken over: it sent a frame of the unexpected type 99";
  await until(() => sandbox.supervisor.state().state === "quarantined");
  assert.deepEqual(sandbox.ends, [`quarantine: ${reason}`]);
  assert.equal(sandbox.supervisor.state().quarantine?.until, undefined);
  const before = spawned;
  for (const rpc of ["status", "encrypt", "decrypt"] as const) {
    await arena.refused(() => call(sandbox, rpc, 0), {
      code: "provider-quarantined",
      message: `Cannot ${rpc}: provider "hostile" is in quarantine, ${reason}; it is not started again until the host restarts`,
    });
  }
  await until(() => sandbox.supervisor.state().processes === 0);
  assert.equal(spawned, before, "no process was started since");
});
