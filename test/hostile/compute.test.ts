/** Guests that compute too much: endless loops, endless recursion, traps. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Arena, both, call, FAILED, type Rpc, until } from "./arena.ts";

const arena = new Arena();
const RPCS: readonly Rpc[] = ["status", "encrypt", "decrypt"];

describe("a guest that loops", () => {
  const ways = [
    [1, "in a loop"],
    [2, "in tail calls"],
  ] as const;
  for (const [attack, how] of ways) {
    for (const rpc of attack === 1 ? RPCS : (["encrypt"] as const)) {
      test(`${how} in ${rpc} is stopped at its deadline, and the standby serves`, async () => {
        const sandbox = await arena.enter("loop");
        await both(sandbox.supervisor);
        await arena.refused(() => call(sandbox, rpc, attack), {
          code: "deadline",
          message: `Cannot ${rpc}: provider "hostile" exceeded its deadline and was stopped`,
        });
        await call(sandbox, rpc, 0);
        await until(() => sandbox.ends.length > 0);
        assert.deepEqual(sandbox.ends, ["a call exceeded its deadline"]);
      });
    }
  }

  test("in any code that runs before the first call is not loaded", async () => {
    const places = ["start", "initialize", "start-export", "hs-init"];
    await Promise.all(
      places.map((place) =>
        arena.refused(() => arena.enter(`loop-in-${place}`), {
          code: "module-invalid",
          message: 'Cannot load provider "hostile": it was not ready within 5000 ms',
        }),
      ),
    );
  });
});

test("a guest that traps before its first call is not loaded", async () => {
  await arena.refused(() => arena.enter("trap-in-start"), {
    code: "module-invalid",
    message: 'Cannot load provider "hostile": its module cannot be compiled or instantiated',
    cause: "RuntimeError: unreachable",
  });
});

describe("a guest with endless recursion", () => {
  for (const [attack, how] of [
    [1, "directly"],
    [2, "over another function"],
    [3, "through its table"],
    [4, "with much on its stack"],
  ] as const) {
    test(`${how} fails, and its process survives`, async () => {
      const sandbox = await arena.enter("recursion");
      await arena.refused(() => call(sandbox, "encrypt", attack), {
        code: "provider-fault",
        message: FAILED,
        cause: "RangeError: Maximum call stack size exceeded",
      });
      await call(sandbox, "encrypt", 0);
      assert.deepEqual(sandbox.ends, []);
    });
  }
});

describe("a guest that traps", () => {
  const TRAPS: [attack: number, how: string][] = [
    [1, "unreachable"],
    [2, "memory access out of bounds"],
    [3, "divide by zero"],
    [4, "function signature mismatch"],
    [5, "float unrepresentable in integer range"],
    [6, "divide result unrepresentable"],
    [7, "table index is out of bounds"],
    [8, "function signature mismatch"],
    [9, "memory access out of bounds"],
  ];
  for (const [attack, how] of TRAPS) {
    test(`(${attack}: ${how}) fails only its own call, in each export`, async () => {
      const sandbox = await arena.enter("trap");
      for (const rpc of RPCS) {
        await arena.refused(() => call(sandbox, rpc, attack), {
          code: "provider-fault",
          message: FAILED,
          cause: `RuntimeError: ${how}`,
        });
        await call(sandbox, rpc, 0);
      }
      assert.deepEqual(sandbox.ends, []);
    });
  }
});
