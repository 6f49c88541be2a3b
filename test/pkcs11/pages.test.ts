/** The commands of the pages about tokens, with this machine's folders and user. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { kleidi } from "../support/fixture.ts";
import { Page } from "../support/page.ts";
import { MODULE, SoftHsm } from "../support/softhsm.ts";

/** The name of the plugin's token and of its key. */
const PLUGIN = "kleidi-kms-plugin";

/**
 * Runs the commands of sections as one script. Without the lines that change this machine: its packages and its users.
 * @param paths of the page, and what stands for them here
 * @returns the output
 */
function run(page: Page, headings: readonly string[], paths: Readonly<Record<string, string>>): string {
  const lines = headings.flatMap((heading) => page.commands(heading));
  let script = lines.filter((line) => !/^(apt-get|usermod) /.test(line)).join("\n");
  for (const [path, here] of Object.entries(paths)) script = script.replaceAll(path, here);
  const user = String(process.getuid?.());
  script = script
    .replaceAll("-R kleidi:", `-R ${user}`)
    .replaceAll("-o kleidi", `-o ${user}`)
    .replaceAll("root:kleidi", `root:${user}`)
    .replaceAll("kleidi-socket", "root")
    .replaceAll("runuser -u kleidi -- kleidi", kleidi)
    .replace(/^kleidi /gm, `${kleidi} `);
  return execFileSync("sh", ["-euc", script], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function folder(t: { after(work: () => void): void }): string {
  const made = mkdtempSync(join(tmpdir(), "kleidi-page-"));
  t.after(() => rmSync(made, { recursive: true }));
  return made;
}

function assertPin(file: string): void {
  assert.equal(statSync(file).mode & 0o777, 0o600);
}

test("pkcs11.md: a token, a key and a configuration from nothing", (t) => {
  const here = folder(t);
  const paths = {
    "/etc/kleidi": here,
    "/var/lib/kleidi/tokens": join(here, "tokens"),
    "--group": `--hsm-pin-file ${join(here, "pin")} --socket ${join(here, "kms.sock")} --config ${join(here, "kleidi.yaml")} --group`,
    "doctor --live": `doctor --live --config ${join(here, "kleidi.yaml")}`,
  };
  const headings = ["Set up", "Create the token and the key", "Write the configuration"];
  const output = run(new Page("operate/pkcs11.md"), headings, paths);
  assert.match(output, /ok {3}token kleidi key kek-2026: AES-256, not extractable/);
  assertPin(join(here, "pin"));
});

test("from-kleidi-go.md: the host uses a token of the plugin's manual", (t) => {
  const here = folder(t);
  const hsm = new SoftHsm(PLUGIN);
  t.after(() => hsm.close());
  hsm.addKey(PLUGIN);
  mkdirSync(join(here, "plugin"));
  for (const plugin of [
    // As the manual of the plugin writes it, and on one line.
    `{\n  "tokenLabel": "${PLUGIN}",\n  "pin": "${hsm.pin}",\n  "path": "${MODULE}" \n}\n`,
    `{"tokenLabel":"${PLUGIN}","pin":"${hsm.pin}","path":"${MODULE}"}\n`,
  ]) {
    writeFileSync(join(here, "plugin", "config.json"), plugin);
    const paths = {
      "/var/lib/softhsm/tokens": hsm.tokens,
      "/opt/kleidi": join(here, "plugin"),
      "/etc/kleidi": here,
    };
    const page = new Page("operate/from-kleidi-go.md");
    run(page, ["Let the host use the token"], paths);
    assert.equal(readFileSync(join(here, "pin"), "utf8"), `${hsm.pin}\n`);
    assertPin(join(here, "pin"));
    const output = run(page, ["Create the key of kleidí"], paths);
    assert.match(output, new RegExp(`label: +${PLUGIN}\n`));
    assert.match(output, /label: +kek-2026\n/);
    hsm.removeKey("kek-2026");
  }
});
