/** A token of SoftHSM in a folder of its own, set up by softhsm2-util and pkcs11-tool, as an operator does. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireDebian } from "./debian.ts";

export const MODULE = "/usr/lib/softhsm/libsofthsm2.so";

export class SoftHsm {
  readonly folder = mkdtempSync(join(tmpdir(), "kleidi-hsm-"));
  readonly tokens = join(this.folder, "tokens");
  readonly pinFile = join(this.folder, "pin");
  readonly label: string;
  readonly pin = "48151623";
  readonly #conf = join(this.folder, "softhsm2.conf");

  constructor(label = "kleidi") {
    requireDebian(["softhsm2", "opensc"]);
    this.label = label;
    mkdirSync(this.tokens, { mode: 0o700 });
    writeFileSync(
      this.#conf,
      `directories.tokendir = ${this.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`,
    );
    this.writePin(this.pin);
    this.addToken(label);
  }

  addToken(label: string): void {
    this.#run("softhsm2-util", [
      "--init-token",
      "--free",
      "--label",
      label,
      "--pin",
      this.pin,
      "--so-pin",
      "31415926",
    ]);
  }

  writePin(pin: string): void {
    writeFileSync(this.pinFile, `${pin}\n`, { mode: 0o600 });
  }

  addKey(label: string, id = "01"): void {
    this.tool("--keygen", "--key-type", "aes:32", "--label", label, "--id", id, "--sensitive");
  }

  /** Writes the bytes of an AES key to the token, so that a test knows them. It has no CKA_ID, like those of the Go kleidi's manual. */
  importKey(label: string, key: Uint8Array): void {
    const file = join(this.folder, "imported");
    writeFileSync(file, key, { mode: 0o600 });
    const type = ["--type", "secrkey", "--key-type", "AES:32"];
    this.tool("--write-object", file, ...type, "--label", label, "--usage-decrypt", "--usage-wrap");
    rmSync(file);
  }

  removeKey(label: string): void {
    this.tool("--delete-object", "--type", "secrkey", "--label", label);
  }

  /** Takes all tokens out of their slots. @returns puts them back */
  pull(): () => void {
    const away = `${this.tokens}-away`;
    mkdirSync(away);
    const move = (from: string, to: string) => {
      for (const name of readdirSync(from)) renameSync(join(from, name), join(to, name));
    };
    move(this.tokens, away);
    return () => {
      move(away, this.tokens);
      rmSync(away, { recursive: true });
    };
  }

  /** Runs pkcs11-tool, logged in to the token. @returns its output */
  tool(...args: string[]): string {
    return this.#run("pkcs11-tool", [
      ...["--module", MODULE, "--token-label", this.label, "--login", "--pin", this.pin],
      ...args,
    ]);
  }

  /** The value of grants.pkcs11. */
  grant(keys: readonly string[], changes: Record<string, unknown> = {}): Record<string, unknown> {
    return {
      module: MODULE,
      token: this.label,
      pin: { file: this.pinFile },
      keys,
      environment: { SOFTHSM2_CONF: this.#conf },
      reads: [this.#conf],
      writes: [this.tokens],
      ...changes,
    };
  }

  /** The environment of a program that uses the token. */
  get environment(): Record<string, string> {
    return { PATH: process.env.PATH ?? "", SOFTHSM2_CONF: this.#conf };
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #run(program: string, args: readonly string[]): string {
    return execFileSync(program, args, {
      env: this.environment,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }
}
