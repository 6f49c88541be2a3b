/** The real gpg, with its own home. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Options that make gpg write messages that providers/gpg can read. */
export const READABLE = ["--compress-algo", "none", "--s2k-digest-algo", "SHA256"] as const;

const ASK_NOBODY = ["--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback"];

export class Gpg {
  /** A short path, because the agent's socket is in it, and a socket's path has at most 108 bytes. */
  readonly home = mkdtempSync("/tmp/kg-");
  readonly #file = join(this.home, "message");

  /** The message of `gpg --symmetric`. The plaintext comes from a file of that name, or from stdin. */
  symmetric(passphrase: string, plaintext: Uint8Array, options: readonly string[], name?: string): Buffer {
    const words = join(this.home, "passphrase");
    writeFileSync(words, passphrase, { mode: 0o600 });
    const file = name === undefined ? [] : [join(this.home, name)];
    for (const path of file) writeFileSync(path, plaintext);
    const args = ["--passphrase-file", words, ...options, "--output", "-", "--symmetric", ...file];
    return this.#run(args, plaintext);
  }

  /** The plaintext that `gpg --decrypt` reads in a message; throws where it fails. */
  decrypt(passphrase: string, message: Uint8Array): Buffer {
    writeFileSync(this.#file, message);
    return this.#run(["--passphrase-fd", "0", "--decrypt", this.#file], Buffer.from(passphrase));
  }

  /** The output of `gpg --list-packets` with the passphrase. */
  packets(passphrase: string, message: Uint8Array): string {
    writeFileSync(this.#file, message);
    return this.#run(
      ["--passphrase-fd", "0", "--list-packets", this.#file],
      Buffer.from(passphrase),
    ).toString();
  }

  /** Stops the agent that gpg started, and removes the home. */
  close(): void {
    spawnSync("gpgconf", ["--homedir", this.home, "--kill", "all"]);
    rmSync(this.home, { recursive: true, force: true });
  }

  #run(args: readonly string[], input: Uint8Array): Buffer {
    const all = ["--homedir", this.home, "--quiet", ...ASK_NOBODY, ...args];
    const { status, stdout, stderr } = spawnSync("gpg", all, { input });
    if (status !== 0) throw new Error(`gpg ended with ${status}:\n${stderr.toString()}`);
    return stdout;
  }
}
