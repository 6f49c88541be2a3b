/**
 * Decides which addresses the host may connect to: public ones always, others only if the grant lists their network. So a name under
 * foreign control cannot lead to an internal machine or a cloud's metadata service (special-purpose addresses: RFC 6890).
 */

import { BlockList, isIP } from "node:net";
import { replaceNonAscii } from "../../lib/text.ts";

interface Kind {
  readonly name: string;
  readonly networks: readonly string[];
  /** Cannot be granted: such an address is not a single machine. */
  readonly never?: true;
}

const KINDS: readonly Kind[] = [
  { name: "unspecified", networks: ["0.0.0.0/8", "::/128"], never: true },
  { name: "multicast", networks: ["224.0.0.0/4", "ff00::/8"], never: true },
  { name: "broadcast", networks: ["255.255.255.255/32"], never: true },
  { name: "loopback", networks: ["127.0.0.0/8", "::1/128"] },
  { name: "link-local", networks: ["169.254.0.0/16", "fe80::/10"] },
  { name: "private", networks: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"] },
  { name: "shared with a carrier", networks: ["100.64.0.0/10"] },
  {
    name: "reserved",
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
  // A public address, at which every virtual machine of Azure reaches its host.
  { name: "a cloud's own", networks: ["168.63.129.16/32"] },
  // Mapped, compatible and translated: the IPv4 address itself can be granted instead.
  { name: "IPv4 in IPv6", networks: ["::ffff:0:0/96", "::/96", "::ffff:0:0:0/96"], never: true },
  // NAT64, Teredo and 6to4: a gateway decides which machine is behind the address.
  {
    name: "translated to IPv4",
    networks: ["64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16"],
  },
];

/** A set of networks, separate for each family: a BlockList equates an IPv4 address with its mapped IPv6 address. */
export class Networks {
  readonly #lists = { ipv4: new BlockList(), ipv6: new BlockList() };

  /** @throws RangeError a network that is not valid; the schema has already checked those of a configuration */
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

const LISTS = KINDS.map(({ name, networks, never }) => ({ name, never, list: new Networks(networks) }));

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}

/** Why the host must not connect to an address, as the end of a sentence; undefined if it may. */
export function addressFault(address: string, granted: Networks): string | undefined {
  if (isIP(address) === 0)
    return `${replaceNonAscii(JSON.stringify(address.slice(0, 60)))} is not a valid address`;
  // "fe80::1%eth0": a resolver must not choose the interface.
  if (address.includes("%")) return `${address.slice(0, 60)} has a zone`;
  const found = LISTS.find(({ list }) => list.has(address));
  if (found === undefined) return undefined;
  if (found.never) return `${address} is ${found.name}`;
  return granted.has(address)
    ? undefined
    : `${address} is ${found.name}, and the grant's networks do not list it`;
}
