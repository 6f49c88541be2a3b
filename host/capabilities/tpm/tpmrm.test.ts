/**
 * No test machine has a kernel with a TPM. A character device replaces /dev/tpmrm0: a raw terminal with a virtual TPM behind it, from
 * which a read gives EAGAIN until the response is there.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { requireDebian } from "../../../test/support/debian.ts";
import { assertError } from "../../../test/support/failures.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import * as tpm from "../../../test/support/tpm-commands.ts";
import { openTpmrm } from "./tpmrm.ts";
import { TransportError } from "./transport-error.ts";

// Waits before it answers, so that the first reads get no data.
const BRIDGE = `
import os, pty, socket, sys, time, tty
master, slave = pty.openpty()
tty.setraw(slave)
tpm = socket.socket(socket.AF_UNIX)
tpm.connect(sys.argv[1])
print(os.ttyname(slave), flush=True)
while True:
    command = os.read(master, 4096)
    assert len(command) == int.from_bytes(command[2:6], "big"), "a command is one write"
    tpm.sendall(command)
    response = tpm.recv(4096)
    time.sleep(0.02)
    os.write(master, response)
`;

async function device(t: TestContext): Promise<string> {
  requireDebian(["python3"]);
  const swtpm = await Swtpm.start();
  const bridge = spawn("/usr/bin/python3", ["-c", BRIDGE, swtpm.socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(async () => {
    bridge.kill();
    await swtpm.stop();
  });
  const [path] = await once(bridge.stdout, "data");
  return String(path).trim();
}

test("commands are written one after another, and each response is read when it is ready", async (t) => {
  const transport = await openTpmrm(await device(t));
  t.after(() => transport.close());
  const random = await transport.exchange(tpm.getRandom(32));
  assert.equal(tpm.rc(random), 0);
  assert.equal(tpm.sizedAt(random, 10, 1)[0]?.length, 32);
  const session = await transport.exchange(tpm.startSession());
  assert.equal(tpm.rc(session), 0);
  assert.equal(tpm.rc(await transport.exchange(tpm.flushContext(tpm.handleIn(session)))), 0);
});

test("a running exchange rejects when the connection is closed", async (t) => {
  const transport = await openTpmrm(await device(t));
  const answer = assert.rejects(transport.exchange(tpm.getRandom(32)), TransportError);
  await sleep(5);
  transport.close();
  await answer;
});

test("a missing device is reported with path and reason", async (t) => {
  await assertError(t, Error, () => openTpmrm("/dev/tpmrm999"));
});
