import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { Swtpm } from "../../../test/support/swtpm.ts";
import { getCapability } from "../../../test/support/tpm-commands.ts";
import { COMMANDS } from "./commands.ts";

test("the table's handle areas match those that a TPM reports for its commands", async (t) => {
  const swtpm = await Swtpm.start();
  t.after(() => swtpm.stop());
  const socket = connect(swtpm.socket);
  t.after(() => socket.destroy());
  socket.write(getCapability(2, 0x11f, 256));
  const [response]: Buffer[] = await once(socket, "data");
  assert.ok(response !== undefined);
  // TPML_CCA of TPMA_CC (TPM 2.0 Part 2, 8.9): cHandles are bits 25 to 27, rHandle is bit 28.
  const said = new Map<number, { handles: number; answersHandle: boolean }>();
  for (let at = 19; at < response.length; at += 4) {
    const attributes = response.readUInt32BE(at);
    said.set(attributes & 0xffff, {
      handles: (attributes >>> 25) & 7,
      answersHandle: ((attributes >>> 28) & 1) === 1,
    });
  }
  for (const { code, handles, creates, name } of COMMANDS.values()) {
    const expected = { handles: handles.length, answersHandle: creates !== undefined };
    assert.deepEqual(said.get(code), expected, name);
  }
});
