/** Harm that a provider can do to its own process, and replies that no codec would produce. None of it depends on the request. */

import { utf8 } from "../../../../sdk/assemblyscript/assembly";
import { toBlock, writeOutput } from "../../../../sdk/assemblyscript/assembly/extism";
import * as env from "../../../../sdk/assemblyscript/assembly/imports";

/** Kept in memory, so that the compiler cannot remove an endless or long computation. */
let sink: u64 = 1;

export function trap(): void {
  unreachable();
}

export function loop(): void {
  while (true) sink = sink * 6364136223846793005 + 1;
}

/** About 300 ms on the machines where it was measured, without a host call. */
export function slow(): void {
  for (let i = 0; i < 100_000_000; i++) sink = (sink ^ (i as u64)) * 6364136223846793005 + 1;
}

/** Grows until the engine refuses. */
export function grow(): void {
  while (memory.grow(1) !== -1) sink++;
  unreachable();
}

/** Requests a million blocks of 64 KiB, granted or not. */
export function blocks(): void {
  for (let i = 0; i < 1_000_000; i++) env.alloc(65536);
  unreachable();
}

/** 32 bytes that are not protobuf: a tag that never ends. */
export function garbage(): void {
  writeOutput(new Uint8Array(32).fill(0xff));
}

/** A reply block of 100 KiB, over the contract's 64 KiB. */
export function hugeOutput(): void {
  env.output_set(env.alloc(102_400), 102_400);
}

/** The reply in a longer block that is valid protobuf: the reply, then an unknown field without bytes. */
export function trailing(reply: Uint8Array): void {
  const longer = new Uint8Array(reply.length + 2);
  longer.set(reply);
  longer[reply.length] = (15 << 3) | 2;
  env.output_set(toBlock(longer), reply.length as u64);
}

/** A reply of length zero. */
export function emptyOutput(): void {
  env.output_set(env.alloc(1), 0);
}

export function errorSet(): void {
  env.error_set(toBlock(utf8("CANARY-error-text")));
}

/** Makes a host call with an address that the host never gave. @returns whether the answer was "invalid" */
export function badPointer(): bool {
  const reply = env.log_write(0xdeadbeef);
  // HostReply begins with field 1, the code.
  return env.load_u8(reply) === 8 && env.load_u8(reply + 1) === 2;
}
