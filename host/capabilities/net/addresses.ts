/**
 * Which addresses an origin's name may lead to: public ones always, others only where the grant lists their network. So a name that
 * somebody else controls leads to no machine inside, and to no metadata service of a cloud (RFC 6890's special-purpose addresses).
 */

import { BlockList, isIP } from "node:net";
import { replaceNonAscii } from "../../lib/text.ts";

interface Kind {
  readonly what: string;
  readonly networks: readonly string[];
  /** No grant helps: nothing there is one machine. */
  readonly never?: true;
}

const KINDS: readonly Kind[] = [
  { what: "unspecified", networks: ["0.0.0.0/8", "::/128"], never: true },
  { what: "multicast", networks: ["224.0.0.0/4", "ff00::/8"], never: true },
  { what: "broadcast", networks: ["255.255.255.255/32"], never: true },
  { what: "loopback", networks: ["127.0.0.0/8", "::1/128"] },
  { what: "link-local", networks: ["169.254.0.0/16", "fe80::/10"] },
  { what: "private", networks: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"] },
  { what: "shared with a carrier", networks: ["100.64.0.0/10"] },
  {
    what: "reserved",
    networks: [
      "192.0.0.0/24",
      "192.0.2.0/24",
      "192.88.99.0/24",
      "198.18.0.0/15",
      "198.51.100.0/24",
      "203.0.113.0/24",
      "240.0.0.0/4",
      "100::/64",
      "100:0:0:1::/64",
      "2001:db8::/32",
      "3fff::/20",
      "5f00::/16",
    ],
  },
  // Public by its number; every virtual machine of Azure reaches its own host there.
  { what: "a cloud's own", networks: ["168.63.129.16/32"] },
  // Mapped, compatible and translated: the IPv4 address has a spelling of its own, by which it can be granted.
  { what: "IPv4 in IPv6", networks: ["::ffff:0:0/96", "::/96", "::ffff:0:0:0/96"], never: true },
  // NAT64, Teredo and 6to4: which machine is behind it is up to another one.
  {
    what: "translated to IPv4",
    networks: ["64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16"],
  },
];

/** Networks, each family for itself: a BlockList takes an IPv4 address for the mapped IPv6 one, and the other way round. */
export class Networks {
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() };

  /** @throws RangeError on what is no network: the configuration has seen to that */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = "", bits] = network.split("/");
      const family = familyOf(address);
      this.#lists[family].addSubnet(address, Number(bits), family);
    }
  }

  has(address: string): boolean {
    const family = familyOf(address);
    return this.#lists[family].check(address, family);
  }
}

const LISTS = KINDS.map(({ what, networks, never }) => ({ what, never, list: new Networks(networks) }));

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

/** Why an address is not connected to, as the end of a sentence; undefined where it may be. */
export function addressFault(address: string, granted: Networks): string | undefined {
  if (isIP(address) === 0) return `${replaceNonAscii(JSON.stringify(address.slice(0, 60)))} is no address`;
  // "fe80::1%eth0": which network is meant is not for a resolver to say.
  if (address.includes("%")) return `${address.slice(0, 60)} has a zone`;
  const found = LISTS.find(({ list }) => list.has(address));
  if (found === undefined) return undefined;
  if (found.never) return `${address} is ${found.what}`;
  return granted.has(address)
    ? undefined
    : `${address} is ${found.what}, and the grant's networks do not list it`;
}
