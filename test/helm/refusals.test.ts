/** Values that the chart refuses, by its schema or by a rule about several values. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { root } from "../support/fixture.ts";
import { CHART, Helm } from "./helm.ts";
import { IMAGE } from "./rendered.ts";

interface Schema {
  readonly type?: string;
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

/** Refused by the schema: the value, and the location in helm's message. */
const BY_SCHEMA: Readonly<Record<string, readonly [object, string]>> = {
  "an unknown value": [{ opreator: {} }, "''"],
  "an unknown value further down": [{ operator: { replica: 2 } }, "'/operator'"],
  "a value of another type": [{ crds: { keep: "true" } }, "'/crds/keep'"],
  "zero replicas": [{ operator: { replicas: 0 } }, "'/operator/replicas'"],
  "an interval of the agent above a minute": [{ agent: { intervalSeconds: 61 } }, "'/agent/intervalSeconds'"],
  "a malformed digest": [{ image: { digest: "sha256:abc" } }, "'/image/digest'"],
  "a repository with a digest in it": [{ image: { repository: "a/b@sha256:0" } }, "'/image/repository'"],
  "an API server without TLS": [{ apiServer: { url: "http://10.0.0.1" } }, "'/apiServer/url'"],
  "no memory limit": [{ agent: { resources: { limits: { memory: null } } } }, "'/agent/resources/limits'"],
  "a memory limit without a unit": [
    { agent: { resources: { limits: { memory: "110" } } } },
    "'/agent/resources/limits/memory'",
  ],
  "a wildcard of the migration": [
    { migration: { enabled: true, resources: ["*"] } },
    "'/migration/resources/0'",
  ],
  "an admin socket in the folder of the KMS socket": [
    { agent: { admin: { address: "", socket: "/run/kleidi/admin.sock", socketGroup: 4711 } } },
    "'/agent/admin/socket'",
  ],
  "the group of the KMS's socket": [
    { agent: { admin: { socketGroup: 65533 } } },
    "'/agent/admin/socketGroup'",
  ],
  "a listener on another address": [{ operator: { listenAddress: "10.0.0.1" } }, "'/operator/listenAddress'"],
};

/** Refused by a rule of templates/_checks.tpl; the snapshot has the messages. */
const BY_RULE: Readonly<Record<string, object>> = {
  "an image without a name": { image: { repository: "" } },
  "an image without a tag or a digest": { image: { tag: "" } },
  "a migration without resources": { migration: { enabled: true } },
  "resources without a migration": { migration: { resources: ["secrets"] } },
  "an address and a socket": { agent: { admin: { socket: "/run/kleidi-admin/admin.sock" } } },
  "neither an address nor a socket": { agent: { admin: { address: "" } } },
  "an address in the pod network": { agent: { hostNetwork: false } },
  "a socket without a group": { agent: { admin: { address: "", socket: "/run/kleidi-admin/admin.sock" } } },
  "a group without a socket": { agent: { admin: { socketGroup: 4711 } } },
  "a ServiceMonitor without a Service": {
    metrics: { service: { enabled: false }, serviceMonitor: { enabled: true } },
  },
  "a ServiceMonitor of loopback": {
    operator: { listenAddress: "127.0.0.1" },
    metrics: { serviceMonitor: { enabled: true } },
  },
  "a NetworkPolicy on the network of the host": {
    operator: { hostNetwork: true },
    networkPolicy: { enabled: true },
  },
};

describe("the chart refuses", () => {
  const helm = new Helm();
  after(() => helm.close());

  /** @returns the stderr of helm */
  function refuse(values: object): string {
    const files = [{ image: IMAGE }, values].flatMap((each) => ["--values", helm.values(each)]);
    const { status, stdout, stderr } = helm.try(["template", "kleidi", CHART, ...files]);
    assert.equal(status, 1);
    assert.equal(stdout, "");
    return stderr;
  }

  for (const [name, [values, place]] of Object.entries(BY_SCHEMA))
    test(`${name}, by its schema`, () => {
      const said = refuse(values);
      assert.match(said, /values don't meet the specifications of the schema/);
      assert.ok(said.includes(`at ${place}:`), said);
    });

  for (const [name, values] of Object.entries(BY_RULE))
    test(name, (t) => {
      const [, sentence] = /: (Cannot render the chart: .*)$/m.exec(refuse(values)) ?? [];
      t.assert.snapshot(sentence);
    });

  test("every unknown value: each object of the schema is closed, except maps of labels", () => {
    const schema = JSON.parse(readFileSync(join(root, CHART, "values.schema.json"), "utf8"));
    assert.deepEqual(openObjects(schema, ""), [
      "operator.nodeSelector",
      "agent.nodeSelector",
      "metrics.serviceMonitor.labels",
      "prometheusRule.labels",
      "dashboard.labels",
    ]);
  });
});

function openObjects({ type, additionalProperties, properties = {}, items }: Schema, path: string): string[] {
  const here = type === "object" && additionalProperties !== false ? [path.slice(1)] : [];
  const below = Object.entries(properties).flatMap(([name, each]) => openObjects(each, `${path}.${name}`));
  return [...here, ...below, ...(items === undefined ? [] : openObjects(items, `${path}[]`))];
}
