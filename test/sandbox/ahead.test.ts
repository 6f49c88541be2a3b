/** The process that is started while the wall is tried: a provider runs in it; and it ends if no provider does. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { seal } from "../../host/kms/seal.ts";
import { guestArguments } from "../../host/sandbox/guest-arguments.ts";
import { openWallAhead } from "../../host/sandbox/wall/choose.ts";
import { localModule } from "../support/fixture.ts";
import { startSandbox } from "../support/sandbox.ts";
import { untilWell } from "../support/until-well.ts";

const INSTANCE = 16 << 20;
const MEMORY = 1 << 30;
const FIRST = { nodeArguments: guestArguments(INSTANCE), memoryBytes: MEMORY };
const LIMITS = { memoryBytes: INSTANCE, processMemoryBytes: MEMORY };

const children = () =>
  readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean).length;

test("a provider runs in the process that is there, and a second one in a process of its own", async () => {
  const before = children();
  const wall = await openWallAhead({ wall: "auto" }, MEMORY, FIRST);
  const options = { ...LIMITS, wall, keys: ["kek"], standby: false, deadlineMs: 60_000 };
  const first = await startSandbox("first", localModule, options);
  after(() => first.stop());
  assert.equal(children(), before + 1);
  const { version } = await first.provider.status("kek");
  await seal(await first.key("kek", version), new Uint8Array(32));
  const second = await startSandbox("second", localModule, options);
  after(() => second.stop());
  assert.equal(children(), before + 2);
  assert.notDeepEqual(first.supervisor.pids, second.supervisor.pids);
  wall.dismiss();
  assert.deepEqual([first.ends, second.ends], [[], []]);
});

test("dismiss ends the process", async () => {
  const before = children();
  const wall = await openWallAhead({ wall: "auto" }, MEMORY, FIRST);
  assert.equal(children(), before + 1);
  wall.dismiss();
  await untilWell(async () => assert.equal(children(), before));
});

test("a wall that does not hold leaves no process", async () => {
  const before = children();
  const folder = mkdtempSync(join(tmpdir(), "kleidi-programs-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  // Starts its command without building anything.
  const sham = '#!/bin/sh\nwhile [ "$1" != "--" ]; do shift; done; shift; exec "$@"\n';
  writeFileSync(join(folder, "bwrap"), sham, { mode: 0o755 });
  for (const name of ["prlimit", "choom"]) symlinkSync(join("/usr/bin", name), join(folder, name));
  await assert.rejects(openWallAhead({ wall: "bubblewrap", programs: folder }, MEMORY, FIRST), {
    code: "wall-missing",
  });
  await untilWell(async () => assert.equal(children(), before));
});
