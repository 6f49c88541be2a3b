/** KleidiNode: the report of one control-plane node. It has no spec; the agent writes its status. It contains hashes and counters only. */
import * as z from "zod";
import { conditions, count, hash, listBy, text, time } from "./fields.ts";

const host = z.object({
  reachable: z.boolean().describe("The admin listener of kleidi answered."),
  ready: z.boolean().describe("kleidi is ready: it can encrypt."),
  version: text(64).optional().describe("The version of kleidi."),
  wall: text(32).optional().describe("The wall around providers' processes."),
  startedAt: time().optional().describe("When kleidi was started."),
  configurationHash: hash()
    .optional()
    .describe("The SHA-256 of kleidi's configuration file as it was loaded."),
});

const module = z.object({
  provider: text(128).describe("The provider's name in the configuration."),
  name: text(128).describe("The module's name."),
  version: text(64).describe("The module's version."),
  hash: hash().describe("The SHA-256 of the module."),
});

const key = z.object({
  name: text(128).describe("The key's name in the configuration."),
  provider: text(128).describe("The provider that holds the key."),
  use: z.enum(["active", "decrypt"]).describe("active: kleidi encrypts new data with it."),
  ready: z.boolean().describe("The last probe of the key succeeded."),
  hashes: z
    .array(hash())
    .max(64)
    .describe("The hashes of all key_ids that the key can decrypt, the current one first."),
});

const active = z.object({
  hash: hash().describe("The hash of the key_id with which kleidi encrypts."),
  since: time().describe("When the agent first saw this key_id."),
  previous: hash().optional().describe("The hash before it, if the agent saw the change."),
});

const seenKey = z.object({
  hash: hash().describe("The hash of a key_id, as in the metrics of the API server."),
  polledAt: time().optional().describe("When Status last returned this key_id."),
  reads: count().describe("Objects read from storage under it since the API server's start."),
  writes: count().describe("Objects written to storage under it since the API server's start."),
});

const apiServer = z.object({
  reachable: z.boolean().describe("The API server answered with its metrics."),
  startedAt: time().optional().describe("The start of the API server."),
  configurationHash: hash().optional().describe("The SHA-256 of the EncryptionConfiguration in force."),
  failedReloads: count()
    .optional()
    .describe("Failed reloads of the EncryptionConfiguration since the start."),
  keys: listBy(seenKey, 128, "hash").optional().describe("Each key_id that the API server has seen."),
});

export const kleidiNodeStatus = z.object({
  observedAt: time().optional().describe("When the agent made this report, by the clock of the node."),
  intervalSeconds: z
    .int()
    .min(1)
    .max(60)
    .optional()
    .describe("The time between two reports. After four intervals without a report the node is Unknown."),
  host: host.optional().describe("kleidi on this node."),
  modules: listBy(module, 64, "provider").optional().describe("The modules that are running."),
  keys: listBy(key, 64, "name").optional().describe("The keys that kleidi holds."),
  active: active.optional().describe("The key_id with which kleidi encrypts."),
  activeKey: text(128).optional().describe("The name of the active key."),
  apiServer: apiServer.optional().describe("The API server of this node, by its own metrics."),
  conditions: conditions().optional(),
});

export const kleidiNode = z.object({ status: kleidiNodeStatus.optional() });

export type KleidiNodeStatus = z.infer<typeof kleidiNodeStatus>;
export type SeenKey = z.infer<typeof seenKey>;
export type HeldKey = z.infer<typeof key>;
