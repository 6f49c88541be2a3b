import assert from "node:assert/strict";
import { test } from "node:test";
import { type FrameState, faultOf } from "./frame-order.ts";
import { Frame } from "./wire.mjs";

/** The host has loaded the module and sent call 1. */
const serving: FrameState = {
  started: true,
  loadingEnded: true,
  nextCall: 2,
  outputBytes: 8,
  stateOf: () => "running",
};
const cold: FrameState = { ...serving, started: false, loadingEnded: false };
const loading: FrameState = { ...serving, loadingEnded: false };

const ALLOWED: [string, FrameState, number, number, number][] = [
  ["STARTED first", cold, Frame.STARTED, 0, 0],
  ["LOADED after STARTED", loading, Frame.LOADED, 0, 0],
  ["FAILED for the loading", loading, Frame.FAILED, 0, 9],
  ["RESULT at the limit", serving, Frame.RESULT, 1, 8],
  ["USAGE, if the process was told to send it", { ...serving, reportsUsage: true }, Frame.USAGE, 1, 20],
  ["FAILED of a call", serving, Frame.FAILED, 1, 600],
  ["HOST_CALL", serving, Frame.HOST_CALL, 1, 60_000],
  ["the one frame of a dropped call", { ...serving, stateOf: () => "dropped" }, Frame.RESULT, 1, 0],
];
for (const [title, state, ...frame] of ALLOWED) {
  test(`a frame in order has no fault: ${title}`, () => assert.equal(faultOf(state, ...frame), undefined));
}

const REFUSED: [string, FrameState, number, number, number][] = [
  ["STARTED twice", serving, Frame.STARTED, 0, 0],
  ["STARTED for a call", cold, Frame.STARTED, 1, 0],
  ["LOADED before STARTED", cold, Frame.LOADED, 0, 0],
  ["LOADED twice", serving, Frame.LOADED, 0, 0],
  ["LOADED for a call", loading, Frame.LOADED, 1, 0],
  ["FAILED for the loading, twice", serving, Frame.FAILED, 0, 0],
  ["a type of the host", serving, Frame.CALL, 1, 0],
  ["a type that does not exist", serving, 255, 1, 0],
  ["RESULT for call 0", serving, Frame.RESULT, 0, 0],
  ["USAGE, unless the process was told to send it", serving, Frame.USAGE, 1, 20],
  ["USAGE for call 0", { ...serving, reportsUsage: true }, Frame.USAGE, 0, 20],
  ["USAGE of another size", { ...serving, reportsUsage: true }, Frame.USAGE, 1, 21],
  ["a call that does not exist", serving, Frame.HOST_CALL, 2, 0],
  ["RESULT over the limit", serving, Frame.RESULT, 1, 9],
  ["a call that has ended", { ...serving, stateOf: () => "ended" }, Frame.RESULT, 1, 0],
  ["a call that waits for the host", { ...serving, stateOf: () => "waiting" }, Frame.RESULT, 1, 0],
];
for (const [title, state, ...frame] of REFUSED) {
  test(`a frame out of order has a fault: ${title}`, (t) => {
    const fault = faultOf(state, ...frame);
    assert.ok(fault !== undefined);
    t.assert.snapshot(fault);
  });
}
