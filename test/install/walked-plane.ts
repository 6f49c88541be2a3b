/** A control plane on which the commands of pages are run, with Secrets whose values are remembered and compared. */
import assert from "node:assert/strict";
import { copyFileSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { builtPackages, OLD } from "../packages/built.ts";
import { Page } from "../support/page.ts";
import { ControlPlane } from "./control-plane.ts";

/** The sections of install-systemd.md that install kleidí and start it. */
export const INSTALL = ["Install", "First configuration", "Start", "Check that it serves"];
const UNIT = "Another configuration: your own unit";

export class WalkedControlPlane extends ControlPlane {
  readonly configuration = join(this.root, "etc/kleidi/kleidi.yaml");
  readonly #secrets = new Map<string, string>();

  /** Boots the machine, with the packages in /root. */
  override async start(): Promise<void> {
    const packages = await builtPackages();
    for (const name of globSync(`*${OLD}*.deb`, { cwd: packages }))
      copyFileSync(join(packages, name), join(this.root, "root", name));
    await super.start();
  }

  /** Installs kleidí, and lets the API server encrypt with it. */
  install(): void {
    const [systemd, page] = [new Page("install-systemd.md"), new Page("install-api-server.md")];
    for (const heading of INSTALL) this.walk(systemd, heading);
    for (const heading of ["Before you begin", "Read with kleidí"]) this.walk(page, heading);
    const [encrypt = ""] = page.blocks("Write with kleidí");
    this.walkBlock(encrypt);
  }

  /** Creates a Secret that assertReadable() compares. */
  remember(name: string): void {
    this.#secrets.set(name, `value-of-${name}`);
    this.createSecret(name, `value-of-${name}`);
  }

  /** Forgets a Secret that is lost, or all of them. */
  forget(name?: string): void {
    if (name === undefined) this.#secrets.clear();
    else this.#secrets.delete(name);
  }

  assertReadable(): void {
    for (const [name, value] of this.#secrets) assert.equal(this.secret(name), value);
  }

  /** Runs each block of a section as one script that ends at the first failure. @returns what each printed */
  walk(page: Page, heading: string): string[] {
    return page.blocks(heading).map((block) => this.walkBlock(block));
  }

  walkBlock(block: string): string {
    return this.mustRun(`set -e\n${block}`);
  }

  /** Changes the configuration in force. */
  configure(change: (document: ReturnType<typeof parse>) => unknown): void {
    writeFileSync(this.configuration, stringify(change(parse(readFileSync(this.configuration, "utf8")))));
  }

  /** Merges the configuration of a section into the one in force. */
  configureAsShown(page: Page, heading: string): void {
    const [shown = ""] = page.blocks(heading, "yaml");
    this.configure((document) => overlay(document, parse(shown)));
  }

  /** Makes a shipped provider the only one, with a key kek-2026, and gives the node a unit for it. Objects under other keys are deleted. */
  useProvider(name: string, grants: object): void {
    this.mustRun("kubectl delete secrets --all");
    this.forget();
    // Another installation: the history of the former one would name its keys.
    this.mustRun("find /etc/kleidi /var/lib/kleidi -name 'kleidi.history.*' -delete");
    const module = `/etc/kleidi/providers/${name}.wasm`;
    this.mustRun(`install -m 0444 /usr/lib/kleidi/providers/${name}.wasm ${module}`);
    const [sha256 = ""] = this.mustRun(`sha256sum ${module}`).split(" ");
    this.configure(({ keystore, ...rest }) => ({
      ...rest,
      state: { directory: "/var/lib/kleidi/state" },
      status: { interval: "1s" },
      admin: { listen: "unix:/run/kleidi/admin.sock" },
      providers: { [name]: { module, sha256, grants } },
      keys: [{ name: "kek-2026", provider: name, use: "active" }],
    }));
    // Without the restart, because the key may be missing.
    const commands = new Page("install-systemd.md")
      .commands(UNIT)
      .filter((each) => !/ (restart|security) /.test(each));
    this.walkBlock(commands.join("\n"));
  }

  /** Starts kleidí with its present configuration, and then the API server. */
  serveAnew(): void {
    this.mustRun("systemctl restart kleidi.service && kleidi healthcheck --wait 30s");
    this.restartApiServer();
  }

  restartApiServer(): void {
    this.mustRun("systemctl restart kube-apiserver.service");
    this.untilReady();
  }

  /** Restarts the API server, which must not become ready, and waits until its log has the reason. */
  assertNotReady(reason: string): void {
    this.mustRun("systemctl restart kube-apiserver.service");
    // Of this start: an earlier one may have written the same reason.
    const log =
      "journalctl --no-pager _SYSTEMD_INVOCATION_ID=$(systemctl show --value --property InvocationID kube-apiserver.service)";
    const { status } = this.run(
      `timeout 60 sh -c 'until ${log} | grep --quiet "${reason}"; do sleep 0.5; done'`,
    );
    if (status !== 0)
      throw new Error(`its log does not contain ${reason}:\n${this.run(`${log} | tail --lines 20`).text}`);
    assert.notEqual(this.run("kubectl get --raw /readyz").status, 0);
  }
}

/** Mappings are merged; anything else replaces the former value. */
function overlay(base: unknown, over: unknown): unknown {
  if (!isMapping(base) || !isMapping(over)) return over;
  const merged = Object.entries(over).map(([name, value]) => [name, overlay(base[name], value)]);
  return { ...base, ...Object.fromEntries(merged) };
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
