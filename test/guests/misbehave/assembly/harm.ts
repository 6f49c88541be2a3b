/** What a provider can do to its own process, and replies that no codec would write. None of it needs the request. */

import { utf8 } from "../../../../sdk/assemblyscript/assembly";
import { toBlock, writeOutput } from "../../../../sdk/assemblyscript/assembly/extism";
import * as env from "../../../../sdk/assemblyscript/assembly/imports";

/** Kept in memory, so that the compiler cannot take an endless or long computation away. */
let sink: u64 = 1;

export function trap(): void {
  unreachable();
}

export function loop(): void {
  while (true) sink = sink * 6364136223846793005 + 1;
}

/** About 300 ms on the machines that this was measured on; it asks the host for nothing. */
export function slow(): void {
  for (let i = 0; i < 100_000_000; i++) sink = (sink ^ (i as u64)) * 6364136223846793005 + 1;
}

/** Grows until the engine says no. */
export function grow(): void {
  while (memory.grow(1) !== -1) sink++;
  unreachable();
}

/** A million blocks of 64 KiB, whether the host gives them or not. */
export function blocks(): void {
  for (let i = 0; i < 1_000_000; i++) env.alloc(65536);
  unreachable();
}

/** 32 bytes that are no protobuf: a tag that never ends. */
export function garbage(): void {
  writeOutput(new Uint8Array(32).fill(0xff));
}

/** A block of 100 KiB as the reply: over the contract's 64 KiB. */
export function hugeOutput(): void {
  env.output_set(env.alloc(102_400), 102_400);
}

/** The reply in a longer block, all of it readable as protobuf: the reply, then an unknown field of no bytes. */
export function trailing(reply: Uint8Array): void {
  const longer = new Uint8Array(reply.length + 2);
  longer.set(reply);
  longer[reply.length] = (15 << 3) | 2;
  env.output_set(toBlock(longer), reply.length as u64);
}

/** A reply whose length is zero. */
export function emptyOutput(): void {
  env.output_set(env.alloc(1), 0);
}

export function errorSet(): void {
  env.error_set(toBlock(utf8("CANARY-error-text")));
}

/** A host call with an address that the host never gave. True where it was answered with "invalid". */
export function badPointer(): bool {
  const reply = env.log_write(0xdeadbeef);
  // HostReply begins with field 1, the code.
  return env.load_u8(reply) === 8 && env.load_u8(reply + 1) === 2;
}
