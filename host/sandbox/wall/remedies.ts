/** What to do where a wall cannot be built, by what its programs say. */
import type { WallName } from "./wall.ts";

interface Remedy {
  /** Absent: of either. */
  readonly wall?: WallName;
  readonly said: RegExp;
  readonly remedy: string;
}

const REMEDIES: readonly Remedy[] = [
  {
    said: /(prlimit|choom) (is not installed|cannot be run)/,
    remedy: "Install util-linux, which has prlimit and choom.",
  },
  {
    said: /^(prlimit|choom): /,
    remedy:
      "The host's own limits are below what a provider's process needs: in a unit, LimitDATA= and LimitNOFILE= must allow limits.processMemory and 640 MiB, and 64 files.",
  },
  {
    said: /can be written by others/,
    remedy: "Make the folder and its programs root's, and writable by their owner only: chmod go-w.",
  },
  {
    wall: "bubblewrap",
    said: /not installed|cannot be run/,
    remedy: "Install bubblewrap: apt-get install bubblewrap, dnf install bubblewrap.",
  },
  {
    wall: "bubblewrap",
    said: /namespace|uid map|Operation not permitted/i,
    remedy:
      "bubblewrap needs user namespaces. In a systemd unit: RestrictNamespaces= and SystemCallFilter= as in docs/running.md; on Ubuntu, an AppArmor profile for bwrap; in a pod under RuntimeDefault they are forbidden, so use landlock.",
  },
  {
    wall: "bubblewrap",
    said: /NETLINK|loopback/i,
    remedy:
      "bubblewrap makes a network of its own. In a systemd unit: add AF_NETLINK to RestrictAddressFamilies=.",
  },
  {
    wall: "landlock",
    said: /not installed|cannot be run/,
    remedy: "Install util-linux 2.41 or later (Debian 13, Fedora 42), which has setpriv.",
  },
  {
    wall: "landlock",
    said: /unrecognized option|option .* (requires|is unknown)|invalid option/i,
    remedy:
      "This setpriv is too old: util-linux 2.41 or later (Debian 13, Fedora 42) is needed; sandbox.programs names another folder.",
  },
  {
    wall: "landlock",
    said: /landlock/i,
    remedy:
      "The kernel must have Landlock (5.19 or later) and start it: landlock must stand in /sys/kernel/security/lsm, else add lsm=landlock,… to the kernel's command line. In a systemd unit: SystemCallFilter= as in docs/running.md.",
  },
];

/** @param why as the probe tells it */
export function remedyOf(wall: WallName, why: string): string {
  return (
    REMEDIES.find((each) => (each.wall ?? wall) === wall && each.said.test(why))?.remedy ??
    `${wall} was tried and does not work here: see "The wall" in docs/running.md.`
  );
}
