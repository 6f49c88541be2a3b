/** The chart without a cluster: lint, the objects for several values, and their comparison with the sources. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { root } from "../support/fixture.ts";
import { CHART, Helm } from "./helm.ts";
import { pageValues } from "./page.ts";
import { find, IMAGE, NAMESPACE, type Rendered, rendered } from "./rendered.ts";
import { ALL_ON, BARE, SOCKET } from "./values.ts";

const read = (path: string) => readFileSync(join(root, path), "utf8");
describe("the chart", () => {
  const helm = new Helm();
  after(() => helm.close());

  for (const [name, values] of Object.entries({ defaults: {}, "all on": ALL_ON, socket: SOCKET, bare: BARE }))
    test(`lint --strict reports no problem with the values: ${name}`, () => {
      const file = helm.values({ image: IMAGE, ...values });
      const said = helm.run(["lint", "--strict", CHART, "--values", file]);
      assert.match(said, /1 chart\(s\) linted, 0 chart\(s\) failed/);
    });

  test("the copies in the chart and the table of its README are current", () => {
    const { status, stderr } = spawnSync(process.execPath, ["deploy/helm/generate.ts", "--check"], {
      cwd: root,
      encoding: "utf8",
    });
    assert.equal(status, 0, stderr);
  });

  test("CRDs, alert rules and dashboard equal their sources", () => {
    const objects = rendered(helm, ALL_ON);
    const crds = globSync("operator/crds/*.yaml", { cwd: root }).map((file) => parse(read(file)));
    assert.equal(crds.length, 3);
    for (const { metadata, spec } of crds)
      assert.deepEqual(find(objects, "CustomResourceDefinition", metadata.name).spec, spec);
    const rules = parse(read("deploy/prometheus/kleidi.rules.yaml"));
    assert.deepEqual(find(objects, "PrometheusRule", "kleidi").spec, rules);
    const dashboard = find(objects, "ConfigMap", "kleidi-dashboard").data["kleidi.json"];
    assert.equal(dashboard.trimEnd(), read("deploy/grafana/kleidi.json").trimEnd());
  });

  test("accounts, rights and admission equal those of operator/manifests, in the namespace of the release", () => {
    const objects = rendered(helm, {
      migration: { enabled: true, resources: ["secrets"], storageVersionMigration: true },
    });
    const manifests = globSync("operator/manifests/*.yaml", { cwd: root })
      .flatMap((file) => parseAllDocuments(read(file).replaceAll("kleidi-system", NAMESPACE)))
      .map((document): Rendered => document.toJSON());
    assert.ok(manifests.length > 15, `${manifests.length} objects`);
    for (const { kind, metadata, automountServiceAccountToken: _, ...rest } of manifests) {
      const {
        metadata: found,
        automountServiceAccountToken,
        apiVersion,
        kind: __,
        ...same
      } = find(objects, kind, metadata.name);
      assert.deepEqual({ apiVersion, ...same }, rest, `${kind} ${metadata.name}`);
      assert.equal(found.namespace, metadata.namespace);
      // A pod that needs a token mounts it explicitly.
      if (kind === "ServiceAccount") assert.equal(automountServiceAccountToken, false);
    }
  });

  test("each pod runs with minimal privileges", () => {
    for (const values of [{}, ALL_ON, SOCKET])
      for (const { kind, spec } of rendered(helm, values).filter(
        (each) => each.spec?.template !== undefined,
      )) {
        const pod = spec.template.spec;
        const [container, ...others] = pod.containers;
        assert.deepEqual(others, [], kind);
        assert.deepEqual(
          [pod.securityContext.runAsNonRoot, pod.securityContext.seccompProfile],
          [true, { type: "RuntimeDefault" }],
        );
        assert.deepEqual(container.securityContext, {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ["ALL"] },
        });
        assert.ok(container.resources.limits.memory && container.resources.requests.memory);
        assert.ok(container.readinessProbe && container.livenessProbe);
        assert.ok(pod.priorityClassName.startsWith("system-"));
        assert.deepEqual([pod.enableServiceLinks, pod.hostPID, pod.hostIPC], [false, undefined, undefined]);
        assert.deepEqual(
          pod.tolerations.map(({ key }: Rendered) => key),
          ["node-role.kubernetes.io/control-plane"],
        );
      }
  });

  test("an agent with a socket mounts its folder read-only, as another user than kleidí's", () => {
    const { spec } = find(rendered(helm, SOCKET), "DaemonSet", "kleidi-agent").spec.template;
    assert.deepEqual(spec.volumes, [
      { name: "admin", hostPath: { path: "/run/kleidi-admin", type: "Directory" } },
    ]);
    assert.deepEqual(spec.containers[0].volumeMounts, [
      { name: "admin", mountPath: "/run/kleidi-admin", readOnly: true },
    ]);
    assert.ok(spec.containers[0].args.includes("--admin=unix:/run/kleidi-admin/admin.sock"));
    assert.deepEqual(
      [spec.securityContext.runAsUser, spec.securityContext.supplementalGroups],
      [65531, [4711]],
    );
    assert.equal(spec.hostNetwork, undefined);
  });

  test("a digest pins the image of both pods", () => {
    const digest = `sha256:${"a".repeat(64)}`;
    const objects = rendered(helm, { image: { ...IMAGE, tag: "", digest } });
    for (const [kind, name] of [
      ["Deployment", "kleidi-operator"],
      ["DaemonSet", "kleidi-agent"],
    ] as const)
      assert.equal(
        find(objects, kind, name).spec.template.spec.containers[0].image,
        `${IMAGE.repository}@${digest}`,
      );
  });

  test("only two replicas have a PodDisruptionBudget", () => {
    assert.equal(find(rendered(helm), "PodDisruptionBudget", "kleidi-operator"), undefined);
    assert.equal(find(rendered(helm, ALL_ON), "PodDisruptionBudget", "kleidi-operator").spec.minAvailable, 1);
  });

  test("CRDs are kept unless crds.keep is false", () => {
    for (const [values, expected] of [
      [{}, "keep"],
      [{ crds: { keep: false } }, undefined],
    ] as const) {
      const crds = rendered(helm, values).filter(({ kind }) => kind === "CustomResourceDefinition");
      assert.equal(crds.length, 3);
      for (const { metadata } of crds)
        assert.equal(metadata.annotations?.["helm.sh/resource-policy"], expected);
    }
  });

  test("the migration has one rule for each resource, and the operator its name", () => {
    const objects = rendered(helm, ALL_ON);
    assert.deepEqual(find(objects, "ClusterRole", "kleidi-migration").rules, [
      { apiGroups: [""], resources: ["secrets"], verbs: ["list", "patch"] },
      { apiGroups: ["example.com"], resources: ["widgets"], verbs: ["list", "patch"] },
      {
        apiGroups: ["storagemigration.k8s.io"],
        resources: ["storageversionmigrations"],
        verbs: ["get", "create", "delete"],
      },
    ]);
    const [container] = find(objects, "Deployment", "kleidi-operator").spec.template.spec.containers;
    assert.ok(container.args.includes("--migration-service-account=kleidi-migration"));
  });

  test("without the migration the rules of the chart name only resources of the groups that it needs", () => {
    const roles = rendered(helm).filter(({ kind }) => kind === "ClusterRole" || kind === "Role");
    const named = roles.flatMap(({ rules }) => rules.flatMap(({ resources = [] }: Rendered) => resources));
    assert.deepEqual([...new Set(named)].sort(), [
      "encryptionpolicies",
      "encryptionpolicies/status",
      "events",
      "keyrotations",
      "keyrotations/status",
      "kleidinodes",
      "kleidinodes/status",
      "leases",
    ]);
    assert.equal(
      roles.some(({ rules }) => JSON.stringify(rules).includes("*")),
      false,
    );
  });

  test("the command of docs/helm.md prints the rights with their reasons", () => {
    const [, command = ""] = /`helm (template [^`]+)`/.exec(read("docs/helm.md")) ?? [];
    const file = helm.values(pageValues);
    const words = command.split(" ").map((word) => (word === "values.yaml" ? file : word));
    assert.match(helm.run(words), /^ {2}# The controller polls the reports of the nodes/m);
  });

  test("a comment before each RBAC rule gives its reason", () => {
    for (const file of globSync(`${CHART}/templates/rbac-*.yaml`, { cwd: root })) {
      const lines = read(file).split("\n");
      for (const [index, line] of lines.entries())
        if (/^ {2}- (apiGroups|nonResourceURLs): /.test(line))
          assert.match(lines[index - 1] ?? "", /^ {2}# /, `${file}:${index + 1}`);
    }
  });
});
