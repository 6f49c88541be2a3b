/**
 * Which addresses an origin's name may lead to: public ones always, others only where the grant lists their network. So a name that
 * somebody else controls leads to no machine inside, and to no metadata service of a cloud (RFC 6890's special-purpose addresses).
 */
import { BlockList, isIP } from "node:net";

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
      "2001:db8::/32",
      "3fff::/20",
      "5f00::/16",
    ],
  },
  // An IPv4 address is inside, which would have to be looked at again.
  {
    what: "IPv4 in IPv6",
    networks: ["::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16"],
  },
];

const LISTS = KINDS.map(({ what, networks, never }) => ({ what, never, list: listOf(networks) }));

/** The networks of a grant, as one list. @throws RangeError on what is no network: the configuration has seen to that */
export function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", bits] = network.split("/");
    list.addSubnet(address, Number(bits), isIP(address) === 6 ? "ipv6" : "ipv4");
  }
  return list;
}

/** Why an address is not connected to, as the end of a sentence; undefined where it may be. */
export function addressFault(address: string, granted: BlockList): string | undefined {
  const family = isIP(address);
  if (family === 0) return `${JSON.stringify(address.slice(0, 60))} is no address`;
  const kind = family === 6 ? "ipv6" : "ipv4";
  // BlockList takes a mapped address for the IPv4 address in it; here it is one of its own.
  const mapped = family === 6 && /^(0{0,4}:){2,5}ffff:/i.test(address);
  const found = LISTS.find(({ what, list }) =>
    mapped ? what === "IPv4 in IPv6" : list.check(address, kind),
  );
  if (found === undefined) return undefined;
  if (found.never) return `${address} is ${found.what}`;
  return granted.check(address, kind) && !mapped
    ? undefined
    : `${address} is ${found.what}, and the grant's networks do not list it`;
}
