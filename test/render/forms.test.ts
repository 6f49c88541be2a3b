/** Renders every form from configurations with each kind of authority: the files are snapshots, and unsupported combinations are refused. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, describe, test } from "node:test";
import { inputOf } from "../../host/cli/render.ts";
import { KleidiError } from "../../host/error.ts";
import { renderEncryptionConfig, STAGES, type Stage } from "../../host/render/encryption-config.ts";
import { renderKubeadm } from "../../host/render/kubeadm.ts";
import { renderK3s, renderRke2 } from "../../host/render/rancher.ts";
import type { Rendered, RenderInput } from "../../host/render/rendered.ts";
import { renderSidecar } from "../../host/render/sidecar.ts";
import { renderStaticPod } from "../../host/render/static-pod.ts";
import { renderSystemd } from "../../host/render/systemd.ts";
import { renderTalos } from "../../host/render/talos.ts";
import { requireDebian } from "../support/debian.ts";
import { kleidi } from "../support/fixture.ts";
import {
  local,
  localPod,
  moduleFromImage,
  talos,
  tpm,
  twoModules,
  vault,
  vaultAddress,
} from "./configurations.ts";

requireDebian(["systemd"]);
const folder = mkdtempSync(join(tmpdir(), "kleidi-render-"));
after(() => rmSync(folder, { recursive: true, force: true }));

function inputFrom(text: string, nodeConfig = "/etc/kleidi/kleidi.yaml"): RenderInput {
  const file = join(folder, "kleidi.yaml");
  writeFileSync(file, text);
  return inputOf(file, nodeConfig);
}

const image = "registry.example/kleidi:0.1.0";
const program = "/opt/kleidi/host/kleidi";
const moduleImages = new Map([["main", "registry.example/kleidi-provider-main:0.1.0"]]);
const encryption = { stage: "promote" as Stage, resources: ["secrets"] };
const service = { form: "systemd", program } as const;
const pod = { form: "static-pod", image } as const;
const sidecar = { form: "sidecar", image } as const;
const onTalos = () => inputFrom(talos, "/var/lib/kleidi/kleidi.yaml");

const FORMS: Readonly<Record<string, () => Rendered>> = {
  "systemd, software keys": () => renderSystemd(inputFrom(local), { program }),
  "systemd, with a socket unit": () => renderSystemd(inputFrom(local), { program, socketUnit: true }),
  "systemd, audit log and admin": () => renderSystemd(inputFrom(localPod), { program }),
  "systemd, TPM": () => renderSystemd(inputFrom(tpm), { program }),
  "systemd, server with a name": () => renderSystemd(inputFrom(vault), { program }),
  "systemd, server with an address, landlock": () => renderSystemd(inputFrom(vaultAddress), { program }),
  "static-pod": () => renderStaticPod(inputFrom(localPod), { image }),
  "static-pod, server": () => renderStaticPod(inputFrom(vault), { image }),
  "static-pod, the module from an image": () =>
    renderStaticPod(inputFrom(moduleFromImage), { image, moduleImages }),
  sidecar: () => renderSidecar(inputFrom(localPod), { image }),
  "sidecar, the module from an image": () =>
    renderSidecar(inputFrom(moduleFromImage), { image, moduleImages }),
  "kubeadm, systemd": () => renderKubeadm(inputFrom(local), service, encryption),
  "kubeadm, sidecar": () => renderKubeadm(inputFrom(localPod), sidecar, encryption),
  "k3s, systemd": () => renderK3s(inputFrom(local), service, encryption, { kubeletFirst: false }),
  "k3s, static-pod": () => renderK3s(inputFrom(localPod), pod, encryption, { kubeletFirst: true }),
  "rke2, static-pod": () => renderRke2(inputFrom(localPod), pod, encryption),
  talos: () => renderTalos(onTalos(), { image, encryption }),
};

for (const [name, render] of Object.entries(FORMS))
  test(`the files of ${name}`, (t) => t.assert.snapshot(textOf(render()), { serializers: [String] }));

function textOf({ files, commands, notes }: Rendered): string {
  const each = files.map(({ path, mode, owner, text }) => `# ${path} ${mode.toString(8)} ${owner}\n${text}`);
  return [...each, ...commands.map((line) => `run ${line}`), ...notes.map((line) => `note ${line}`)].join(
    "\n",
  );
}

const aescbc = { aescbc: { keys: [{ name: "a", secret: "c2VjcmV0" }] } };
const existing = [{ resources: ["secrets", "configmaps"], providers: [aescbc, { identity: {} }] }];

for (const stage of Object.keys(STAGES) as Stage[])
  test(`the providers of stage ${stage}, from identity, from aescbc and again from its own file`, () => {
    const text = (more: object) =>
      renderEncryptionConfig(inputFrom(local), { ...encryption, stage, file: "/enc.yaml", ...more }).files[0];
    const order = {
      stage: ["identity", "kms"],
      promote: ["kms", "identity"],
      retire: ["kms"],
      leave: ["identity", "kms"],
    };
    const kinds = (file = text({})) =>
      [...(file?.text ?? "").matchAll(/^ {6}- (\w+):/gm)].map(([, kind]) => kind);
    assert.deepEqual(kinds(), order[stage]);
    const others = ["aescbc", "identity"];
    const merged = {
      stage: [...others, "kms"],
      promote: ["kms", ...others],
      retire: ["kms"],
      leave: [...others, "kms"],
    };
    assert.deepEqual(kinds(text({ existing })), merged[stage]);
    const kms = { kms: { name: "kleidi", apiVersion: "v2", endpoint: "unix:///run/kleidi/kms.sock" } };
    const again = [{ resources: ["secrets"], providers: [kms, aescbc, { identity: {} }] }];
    assert.deepEqual(kinds(text({ existing: again })), merged[stage]);
    assert.equal(text({ existing })?.mode, 0o600);
  });

const REFUSED: Readonly<Record<string, () => Rendered>> = {
  "a TPM in a static pod": () => renderStaticPod(inputFrom(tpm), { image }),
  "a TPM in a sidecar": () => renderSidecar(inputFrom(tpm), { image }),
  "a static pod on a k3s that waits": () =>
    renderK3s(inputFrom(localPod), pod, encryption, { kubeletFirst: false }),
  "a sidecar on k3s": () => renderK3s(inputFrom(localPod), sidecar, encryption, { kubeletFirst: true }),
  "a sidecar on RKE2": () => renderRke2(inputFrom(localPod), sidecar, encryption),
  "a group name in a pod": () => renderStaticPod(inputFrom(local), { image }),
  "bubblewrap in a pod": () =>
    renderStaticPod(inputFrom(`${localPod}sandbox: { wall: bubblewrap }\n`), { image }),
  "an image for a module in a folder of the node": () =>
    renderStaticPod(inputFrom(localPod), { image, moduleImages }),
  "an image for an unknown provider": () =>
    renderSidecar(inputFrom(moduleFromImage), { image, moduleImages: new Map([["other", "x"]]) }),
  "an image over the module of another provider": () =>
    renderStaticPod(inputFrom(twoModules), { image, moduleImages }),
  "a configuration that Talos does not support": () => renderTalos(inputFrom(local), { image, encryption }),
  "a log in a system folder": () =>
    renderSystemd(inputFrom(localPod.replace("kleidi/audit.jsonl", "audit.jsonl")), { program }),
  "keys in a folder that the unit hides": () =>
    renderSystemd(inputFrom(local.replace("/var/lib/kleidi/keys", "/home/kleidi/keys")), { program }),
  "an endpoint that is not a URL": () =>
    renderEncryptionConfig(inputFrom(local.replace("/run/kleidi/", "/run/k%20?/")), {
      ...encryption,
      file: "/enc.yaml",
    }),
  "another plugin with kleidí's name": () =>
    renderEncryptionConfig(inputFrom(local), {
      ...encryption,
      file: "/enc.yaml",
      existing: [{ resources: ["secrets"], providers: [{ kms: { name: "kleidi", endpoint: "unix:///x" } }] }],
    }),
};

describe("refuses", () => {
  for (const [name, render] of Object.entries(REFUSED))
    test(name, () =>
      assert.throws(render, (error) => error instanceof KleidiError && error.code === "render-refused"),
    );
  test("each refusal has a reason and a remedy", (t) => {
    const sentences = Object.entries(REFUSED).map(([name, render]) => `${name}\n  ${messageOf(render)}`);
    t.assert.snapshot(sentences.join("\n"), { serializers: [String] });
  });
});

function messageOf(render: () => unknown): string {
  try {
    render();
  } catch (error) {
    return (error as Error).message;
  }
  assert.fail("the render succeeded");
}

describe("systemd", () => {
  const SERVICES = Object.entries(FORMS).filter(([name]) => name.startsWith("systemd"));
  for (const [name, render] of SERVICES) {
    const file = join(folder, name.replaceAll(/\W+/g, "-"), "kleidi.service");
    test(`accepts every line of the unit: ${name}`, () => {
      mkdirSync(join(file, ".."), { recursive: true });
      const units = render().files.filter(({ path }) => /\.(service|socket)$/.test(path));
      const written = units.map(({ path, text }) => {
        const unit = join(file, "..", basename(path));
        // verify requires that the program, the users and the groups exist
        writeFileSync(
          unit,
          text
            .replace(/^ExecStart=.*$/m, "ExecStart=/bin/true")
            .replaceAll(/^(User|Group|SocketUser|SocketGroup)=.*$/gm, "$1=daemon")
            .replace(/^SupplementaryGroups=.*\n/m, ""),
        );
        return unit;
      });
      const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", ...written], {
        encoding: "utf8",
      });
      const complaints = `${stdout}${stderr}`
        .split("\n")
        .filter((line) => /kleidi\.(service|socket)/.test(line));
      assert.deepEqual(complaints, []);
    });

    // systemd's own weights: 0.8 for the network, 0.2 for unknown addresses, 0.2 for a device
    // 0.2 and 0.1 for openat2 and /proc/sys, which bubblewrap needs
    const most = name.includes("software") ? 15 : name.includes("TPM") ? 17 : 24;
    test(`has an exposure score of at most ${most / 10} in systemd-analyze: ${name}`, () => {
      const args = ["security", "--offline=true", "--no-pager", `--threshold=${most}`, file];
      const { status, stdout } = spawnSync("systemd-analyze", args, { encoding: "utf8" });
      assert.equal(status, 0, stdout.split("\n").slice(-3).join("\n"));
    });
  }

  test("systemd-sysusers and systemd-tmpfiles create the users and the folders", () => {
    const root = join(folder, "root");
    mkdirSync(join(root, "etc"), { recursive: true });
    const { files } = renderStaticPod(inputFrom(localPod), { image });
    for (const { path, text } of files) {
      mkdirSync(join(root, path, ".."), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    for (const [program, ...args] of [["systemd-sysusers"], ["systemd-tmpfiles", "--create"]] as const) {
      const { status, stderr } = spawnSync(program, [...args, `--root=${root}`], { encoding: "utf8" });
      assert.equal(status, 0, stderr);
    }
    assert.match(readFileSync(join(root, "etc/passwd"), "utf8"), /^kleidi:x:65532:65532:/m);
    const status = (path: string) => {
      const { mode, uid, gid } = statSync(join(root, path));
      return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
    };
    assert.equal(status("run/kleidi"), "2750 65532:65533");
    assert.equal(status("var/lib/kleidi"), "750 0:65532");
    assert.equal(status("var/lib/kleidi/keys"), "700 65532:65532");
  });
});

describe("the command", () => {
  const file = join(folder, "command.yaml");
  writeFileSync(file, local);
  const run = (...args: string[]) =>
    spawnSync(kleidi, ["render", ...args, "--config", file], { encoding: "utf8", timeout: 120_000 });

  test("writes the files under --out, with their modes", () => {
    const out = join(folder, "out");
    const { status, stdout, stderr } = run("kubeadm", "--out", out);
    assert.deepEqual([status, stdout], [0, ""], stderr);
    const written = readdirSync(out, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(out.length))
      .sort();
    assert.deepEqual(written, [
      "/etc/kubernetes/enc/enc.yaml",
      "/etc/kubernetes/kleidi/kubeadm.yaml",
      "/etc/systemd/system/kleidi.service",
      "/etc/sysusers.d/kleidi.conf",
      "/etc/tmpfiles.d/kleidi.conf",
    ]);
    assert.equal(statSync(join(out, "etc/kubernetes/enc/enc.yaml")).mode & 0o777, 0o600);
  });

  test("prints one JSON object with --json", () => {
    const { ok, files, commands } = JSON.parse(run("encryption-config", "--json").stdout);
    assert.deepEqual([ok, files.length, files[0].mode, commands], [true, 1, "0600", []]);
  });

  const WRONG: readonly (readonly [name: string, args: readonly string[], status: number])[] = [
    ["an unknown distribution", ["openshift"], 2],
    ["an unknown stage", ["encryption-config", "--stage", "rewrite"], 2],
    ["an unknown form", ["kubeadm", "--form", "daemonset"], 2],
    ["a pod without an image", ["static-pod"], 2],
    ["an image with a space", ["static-pod", "--image", "a b"], 2],
    ["a resource with a line break", ["encryption-config", "--resource", "secrets\n- x"], 2],
    ["an existing file that would be printed", ["encryption-config", "--existing", "x"], 2],
    ["a relative path on the node", ["systemd", "--node-config", "kleidi.yaml"], 2],
    ["a form that the distribution does not support", ["k3s", "--form", "static-pod", "--image", image], 1],
  ];
  for (const [name, args, expected] of WRONG)
    test(`ends with ${expected} for ${name}`, () => {
      const { status, stdout, stderr } = run(...args);
      assert.deepEqual([status, stdout], [expected, ""], stderr);
    });

  test("never shows the content of an existing file that it refuses", () => {
    const enc = join(folder, "enc.yaml");
    writeFileSync(enc, "kind: EncryptionConfiguration\nresources: [{ secret: c2VjcmV0 }]\n");
    const { status, stderr } = run("encryption-config", "--existing", enc, "--out", join(folder, "out"));
    assert.equal(status, 2);
    assert.doesNotMatch(stderr, /c2VjcmV0/);
  });
});
