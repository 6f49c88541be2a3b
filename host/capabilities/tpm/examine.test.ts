import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { assertError, errorOf } from "../../../test/support/failures.ts";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { assertSentence } from "../../../test/support/thrown.ts";
import * as tpm from "../../../test/support/tpm-commands.ts";
import { TpmProxy } from "../../../test/support/tpm-proxy.ts";
import { TpmRefusal } from "./capabilities.ts";
import { examine, TpmTimeout } from "./examine.ts";
import { parseTpmDevice } from "./parse-device.ts";
import { Rc } from "./response.ts";
import { TransportError } from "./transport-error.ts";

const STARTUP = 0x144;
const plain = (code: number) => tpm.join(tpm.u16(0x8001), tpm.u32(10), tpm.u32(code));

/** A TPM that answers each command code in one way; otherwise it reports that it was not started. */
async function scripted(t: TestContext, answers: ReadonlyMap<number, Uint8Array | undefined>) {
  const asked: number[] = [];
  const server = createServer((socket) => {
    t.after(() => socket.destroy());
    socket.on("error", () => {});
    socket.on("data", (command: Buffer) => {
      const code = command.readUInt32BE(6);
      asked.push(code);
      const answer = answers.has(code) ? answers.get(code) : plain(Rc.INITIALIZE);
      if (answer !== undefined) socket.write(answer);
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close());
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  return { endpoint: parseTpmDevice(`swtpm:127.0.0.1:${port}`), asked };
}

test("a virtual TPM that was not started is started and examined", async (t) => {
  const swtpm = await Swtpm.start();
  t.after(() => swtpm.stop());
  await swtpm.tool("swtpm_ioctl", "--unix", join(swtpm.folder, "tpm.sock.ctrl"), "-i");
  const path = join(swtpm.folder, "proxy.sock");
  const proxy = await TpmProxy.start(path, swtpm.socket);
  t.after(() => proxy.close());
  const facts = await examine(parseTpmDevice(`swtpm:${path}`));
  assert.ok(facts.commands.has(STARTUP));
  assert.equal(facts.aes128Cfb, true);
  assert.equal(proxy.heard.filter(({ code, from }) => code === STARTUP && from === "host").length, 1);
  // The second time it is started already.
  await examine(parseTpmDevice(`swtpm:${path}`));
  assert.equal(proxy.heard.filter(({ code, from }) => code === STARTUP && from === "host").length, 1);
});

test("a TPM that refuses Startup is reported, and gets no further command", async (t) => {
  const { endpoint, asked } = await scripted(t, new Map([[STARTUP, plain(Rc.FAILURE)]]));
  const error = await errorOf(() => examine(endpoint));
  assert.ok(error instanceof TpmRefusal);
  assert.equal(error.rc, Rc.FAILURE);
  assertSentence(t, error.message);
  assert.equal(asked.at(-1), STARTUP);
});

test("a malformed response to Startup is reported", async (t) => {
  const { endpoint } = await scripted(
    t,
    new Map([[STARTUP, tpm.join(tpm.u16(0x00c4), tpm.u32(10), tpm.u32(0))]]),
  );
  await assertError(t, Error, () => examine(endpoint));
});

test("a TPM that still reports INITIALIZE after Startup is not started again", async (t) => {
  const { endpoint, asked } = await scripted(t, new Map([[STARTUP, plain(0)]]));
  await assertError(t, Error, () => examine(endpoint));
  assert.equal(asked.filter((code) => code === STARTUP).length, 1);
});

test("the host does not start the kernel's TPM", async (t) => {
  const { endpoint, asked } = await scripted(t, new Map());
  await assertError(t, Error, () => examine({ ...endpoint, managed: true }));
  assert.ok(!asked.includes(STARTUP));
});

test("a TPM that does not answer is reported with the time limit", async (t) => {
  const { endpoint } = await scripted(t, new Map([[0x17a, undefined]]));
  const error = await errorOf(() => examine(endpoint, 50));
  assert.ok(error instanceof TpmTimeout && error instanceof TransportError);
  assertSentence(t, error.message);
});
