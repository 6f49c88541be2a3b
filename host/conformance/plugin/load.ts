/** Checks of many calls and many connections at once. */
import { randomUUID } from "node:crypto";
import { eachOf, type Findings } from "../verdict.ts";
import { CLAUSES, type PluginCheck } from "./check.ts";
import { Plugin } from "./plugin.ts";

const AT_ONCE = 64;
const CONNECTIONS = 16;

export const LOAD_CHECKS: readonly PluginCheck[] = [
  { name: "callers_64_at_once", group: "load", clause: CLAUSES.server, run: atOnce },
  { name: "connections_16_at_once", group: "load", clause: CLAUSES.server, run: connections },
];

/** Each within the time-out. */
async function atOnce(plugin: Plugin): Promise<Findings> {
  const many = { options: { parallel: AT_ONCE, variants: AT_ONCE } };
  return await eachOf(many, Array.from({ length: AT_ONCE }), async () => {
    const fault = await plugin.openFault(await plugin.seal(undefined, randomUUID()));
    return fault && `one of ${AT_ONCE} Encrypts at once: ${fault}`;
  });
}

/** Of the API server before and after its restart, and of whoever watches. */
async function connections({ options }: Plugin): Promise<Findings> {
  const plugins = Array.from({ length: CONNECTIONS }, () => new Plugin(options));
  const many = { options: { parallel: CONNECTIONS, variants: CONNECTIONS } };
  try {
    return await eachOf(many, plugins, async (each) => {
      await each.status();
      const fault = await each.openFault(await each.seal());
      return fault && `over one of ${CONNECTIONS} connections: ${fault}`;
    });
  } finally {
    for (const each of plugins) each.close();
  }
}
