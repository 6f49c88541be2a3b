/** The package formats, and the differences between the distributions that use them. */

export interface Format {
  /** nfpm's name of the format, which is also the file extension. */
  readonly packager: "deb" | "rpm";
  /** Node's libraries, the programs of the wall, and systemd-sysusers and systemd-tmpfiles. */
  readonly depends: readonly string[];
  /** Shell → the path of its completions. */
  readonly completions: Readonly<Record<string, string>>;
}

const BASH = "/usr/share/bash-completion/completions/kleidi";
const FISH = "/usr/share/fish/vendor_completions.d/kleidi.fish";

export const FORMATS: readonly Format[] = [
  {
    packager: "deb",
    // prlimit, choom and setpriv are in util-linux, which is essential
    depends: ["bubblewrap", "libatomic1", "libc6 (>= 2.28)", "libgcc-s1", "libstdc++6", "systemd"],
    completions: { bash: BASH, fish: FISH, zsh: "/usr/share/zsh/vendor-completions/_kleidi" },
  },
  {
    packager: "rpm",
    depends: [
      "/bin/sh",
      "bubblewrap",
      "glibc >= 2.28",
      "libatomic",
      "libgcc",
      "libstdc++",
      "systemd",
      "util-linux",
    ],
    completions: { bash: BASH, fish: FISH, zsh: "/usr/share/zsh/site-functions/_kleidi" },
  },
];
