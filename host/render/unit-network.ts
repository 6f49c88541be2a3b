/** The network settings of a unit: the access that the grants need, and no network without a grant. */
import { isIP } from "node:net";
import type { RenderInput } from "./rendered.ts";

export interface UnitNetwork {
  readonly lines: readonly string[];
  /** True if a granted server is not on loopback. */
  readonly isOnline: boolean;
  readonly notes: readonly string[];
}

const LOOPBACK = /^(127\.|::1$)/;

export function networkOf({ config, footprint: { servers } }: RenderInput): UnitNetwork {
  const { admin } = config;
  const listens = admin !== undefined && "host" in admin ? [admin.host] : [];
  if (servers.length + listens.length === 0) return { lines: NONE, isOnline: false, notes: [] };
  const open = [
    ...servers.filter((server) => isIP(server) === 0).map(unknownServer),
    ...listens.filter((host) => !LOOPBACK.test(host)).map(unknownCallers),
  ];
  const peers = [...servers, ...listens].map((host) => (LOOPBACK.test(host) ? "localhost" : host));
  const addresses =
    open.length > 0 ? [] : ["IPAddressDeny=any", `IPAddressAllow=${[...new Set(peers)].sort().join(" ")}`];
  return {
    lines: ["PrivateNetwork=no", families("AF_INET AF_INET6 "), ...addresses],
    isOnline: servers.some((server) => !LOOPBACK.test(server)),
    notes: open,
  };
}

// AF_NETLINK: bubblewrap sets up the empty network of a provider's process
function families(more = ""): string {
  return `RestrictAddressFamilies=${more}AF_NETLINK AF_UNIX`;
}

const NONE = ["PrivateNetwork=yes", families(), "IPAddressDeny=any"];

function unknownServer(server: string): string {
  return `The addresses of ${server} and of the DNS servers are not in the configuration: add a drop-in with IPAddressDeny=any and IPAddressAllow= for them.`;
}

function unknownCallers(host: string): string {
  return `The callers of the admin listener on ${host} are not in the configuration: add a drop-in with IPAddressDeny=any and IPAddressAllow= for them and the servers.`;
}
