import assert from "node:assert/strict";
import { test } from "node:test";
import type { Decision } from "../capabilities/gate.ts";
import { combineObservers, type HostObserver } from "./observer.ts";

const decision: Decision = {
  call: {
    provider: "local",
    rpc: "encrypt",
    ordinal: 1,
    ordinalOfCapability: 1,
    capability: "keystore",
    operation: "seal",
    request: new Uint8Array(),
    signal: new AbortController().signal,
  },
  verdict: "allowed",
  why: "grants.keystore",
};

test("the observers that handle an event get it in their order", () => {
  const events: string[] = [];
  const named = (name: string): Partial<HostObserver> => ({ decided: () => events.push(name) });
  combineObservers([named("audit"), {}, named("log")]).decided(decision);
  assert.deepEqual(events, ["audit", "log"]);
});

test("an event that the first observer cannot record reaches no other observer, and the caller gets the error", () => {
  const fault = new Error("the disk is full");
  const audit: Partial<HostObserver> = {
    decided() {
      throw fault;
    },
  };
  const log: Partial<HostObserver> = { decided: () => assert.fail("it was not recorded") };
  assert.throws(() => combineObservers([audit, log]).decided(decision), fault);
});

test("an observer's methods are called with its this", () => {
  class Counter implements Partial<HostObserver> {
    #count = 0;
    get count() {
      return this.#count;
    }
    adminOpened(_: string, tries: number) {
      this.#count += tries;
    }
  }
  const counter = new Counter();
  combineObservers([counter]).adminOpened("127.0.0.1:1", 3);
  assert.equal(counter.count, 3);
});
