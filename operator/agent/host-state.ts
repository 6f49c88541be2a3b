/** Reads the state of kleidi on this node from /state of its admin listener. The reply is distrusted: each field is checked and cut. */
import { request } from "node:http";
import type { HeldKey, KleidiNodeStatus } from "../api/kleidi-node.ts";

export type AdminAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number };

type HostPart = Pick<KleidiNodeStatus, "host" | "modules" | "keys">;
type Raw = Record<string, unknown>;

const TIMEOUT_MS = 5000;
const MAX_BYTES = 8 << 20;
const HASH = /^sha256:[0-9a-f]{64}$/;

/** @returns the host's part of the report; `reachable: false` if the host did not answer */
export async function hostPart(admin: AdminAddress): Promise<HostPart> {
  try {
    return parseState(JSON.parse(await get(admin, "/state")));
  } catch {
    return { host: { reachable: false, ready: false } };
  }
}

/** @throws Error the text is not a state report */
export function parseState(value: unknown): HostPart {
  const { version, wall, startedAt, unready, configurationSha256, providers, keys } = record(value);
  if (!Array.isArray(keys)) throw new Error("not a kleidi state report");
  return {
    host: {
      reachable: true,
      ready: unready === undefined,
      version: text(version, 64),
      wall: text(wall, 32),
      ...(typeof startedAt === "number" && { startedAt: new Date(startedAt).toISOString() }),
      ...hashOf("configurationHash", configurationSha256),
    },
    modules: Object.entries(record(providers)).flatMap(([provider, report]) => module(provider, report)),
    keys: keys.map((each) => key(record(each))),
  };
}

function module(provider: string, report: unknown): NonNullable<HostPart["modules"]> {
  const { module } = record(report);
  if (module === undefined) return [];
  const { name, version, sha256 } = record(module);
  const { hash } = hashOf("hash", sha256);
  if (hash === undefined) throw new Error("a module without a digest");
  return [{ provider: text(provider, 128), name: text(name, 128), version: text(version, 64), hash }];
}

function key({ name, provider, use, failure, key_id_sha256, key_id_hashes }: Raw): HeldKey {
  const hashes = Array.isArray(key_id_hashes) ? key_id_hashes : [];
  return {
    name: text(name, 128),
    provider: text(provider, 128),
    use: use === "active" ? "active" : "decrypt",
    ready: failure === undefined && key_id_sha256 !== undefined,
    hashes: hashes.filter((hash): hash is string => typeof hash === "string" && HASH.test(hash)).slice(0, 64),
  };
}

function hashOf<Name extends string>(name: Name, sha256: unknown): { [key in Name]?: string } {
  const hash = `sha256:${sha256}`;
  return (HASH.test(hash) ? { [name]: hash } : {}) as { [key in Name]?: string };
}

function record(value: unknown): Raw {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("not a kleidi state report");
  return value as Raw;
}

function text(value: unknown, max: number): string {
  if (typeof value !== "string") throw new Error("not a kleidi state report");
  return value.slice(0, max);
}

function get(admin: AdminAddress, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // The time limit covers the whole answer: a server that sends one byte at a time would otherwise block the report forever.
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const outgoing = request({ ...admin, path, signal, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      answer.on("data", (chunk: Buffer) => {
        size += chunk.length;
        if (size > MAX_BYTES) outgoing.destroy(new Error(`the answer is longer than ${MAX_BYTES} bytes`));
        chunks.push(chunk);
      });
      answer.on("error", reject);
      answer.on("end", () => {
        if (answer.statusCode === 200) resolve(Buffer.concat(chunks).toString("utf8"));
        else reject(new Error(`the answer is HTTP ${answer.statusCode}`));
      });
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}
