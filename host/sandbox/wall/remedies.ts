/** Remedies for walls that cannot be built, chosen by the messages of their programs. */
import type { WallName } from "./wall.ts";

interface Remedy {
  /** Absent: for every wall. */
  readonly wall?: WallName;
  readonly message: RegExp;
  readonly remedy: string;
}

const REMEDIES: readonly Remedy[] = [
  {
    message: /(prlimit|choom) (is not installed|cannot be run)/,
    remedy: "Install util-linux, which has prlimit and choom.",
  },
  {
    message: /^(prlimit|choom): /,
    remedy:
      "The host's own limits are too low for a provider's process: in a systemd unit, LimitDATA= must allow limits.processMemory plus 640 MiB, and LimitNOFILE= 64 files.",
  },
  {
    message: /can be written by others/,
    remedy:
      "Make root the owner of the folder and its programs, and let only the owner write: chown root, chmod go-w.",
  },
  {
    wall: "bubblewrap",
    message: /not installed|cannot be run/,
    remedy: "Install bubblewrap: apt-get install bubblewrap, dnf install bubblewrap.",
  },
  {
    wall: "bubblewrap",
    message: /namespace|uid map|Operation not permitted/i,
    remedy:
      "bubblewrap needs user namespaces. In a systemd unit: RestrictNamespaces= and SystemCallFilter= as in docs/operate/systemd.md; on Ubuntu, an AppArmor profile for bwrap; a pod under RuntimeDefault forbids them, so use landlock there.",
  },
  {
    wall: "bubblewrap",
    message: /NETLINK|loopback/i,
    remedy:
      "bubblewrap creates its own network namespace. In a systemd unit: add AF_NETLINK to RestrictAddressFamilies=.",
  },
  {
    wall: "landlock",
    message: /not installed|cannot be run/,
    remedy: "Install util-linux 2.41 or later (Debian 13, Fedora 42), which has setpriv.",
  },
  {
    wall: "landlock",
    message: /unrecognized option|option .* (requires|is unknown)|invalid option/i,
    remedy:
      "This setpriv is too old: util-linux 2.41 or later (Debian 13, Fedora 42) is needed; sandbox.programs can name another folder.",
  },
  {
    wall: "landlock",
    message: /landlock/i,
    remedy:
      "The kernel must have Landlock (5.19 or later) and enable it: /sys/kernel/security/lsm must list landlock, else add lsm=landlock,… to the kernel's command line. In a systemd unit: SystemCallFilter= as in docs/operate/systemd.md.",
  },
];

/**
 * @param why the reason as the probe returns it
 * @returns one or two sentences
 */
export function remedyOf(wall: WallName, why: string): string {
  return (
    REMEDIES.find((each) => (each.wall ?? wall) === wall && each.message.test(why))?.remedy ??
    `${wall} does not work here: see docs/operate/confinement.md.`
  );
}
