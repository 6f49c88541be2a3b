import assert from "node:assert/strict";
import { test } from "node:test";
import { CallGraph } from "./graph.ts";

test("a callee is recorded once for each caller", () => {
  const graph = new CallGraph(2, 3);
  for (const callee of [0, 1, 0, 4, 0]) graph.call(callee);
  graph.nextCaller();
  graph.nextCaller();
  for (const callee of [0, 0]) graph.call(callee);
  graph.callIndirect();
  graph.nextCaller();
  assert.deepEqual([...graph.ends], [3, 3, 4]);
  assert.deepEqual([...graph.callees.subarray(0, 4)], [0, 1, 4, 0]);
  assert.deepEqual([...graph.indirect], [0, 0, 1]);
});

test("the graph grows with the number of calls", () => {
  const graph = new CallGraph(0, 5000);
  for (let callee = 0; callee < 5000; callee++) graph.call(callee);
  graph.nextCaller();
  assert.equal(graph.ends[0], 5000);
  assert.deepEqual(
    [...graph.callees.subarray(0, 5000)],
    Array.from({ length: 5000 }, (_, i) => i),
  );
});
