/** The origin of a grant: its one spelling, and the one that was probably meant by another text. */
import { isIP, isIPv4 } from "node:net";

const NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** Rejects a name whose last label is a number, which some programs parse as an address. */
export function isName(text: string): boolean {
  return NAME.test(text) && !/(^|\.)(?:[0-9]+|0x[0-9a-f]*)$/.test(text);
}

function isLoopback(host: string): boolean {
  return host === "[::1]" || (isIPv4(host) && host.startsWith("127."));
}

/** The origin with an explicit port; undefined if the text is not a valid origin, or is http to another machine. */
export function originOf(text: string): string | undefined {
  const [, scheme = "", host = "", port] =
    /^(https?):\/\/(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::([1-9][0-9]{0,4}))?\/?$/.exec(text) ?? [];
  const inner = host.replace(/^\[(.*)\]$/, "$1");
  const isAddress = isIP(inner) === (host.startsWith("[") ? 6 : 4);
  const number = Number(port ?? (scheme === "https" ? 443 : 80));
  if (!(isAddress || isName(host)) || number > 65_535) return undefined;
  // one spelling per origin: "[0::1]" is another one of "[::1]", and "xn--a" is not a host
  if (!URL.canParse(text) || new URL(text).hostname !== host) return undefined;
  if (scheme === "http" && !isLoopback(host)) return undefined;
  return `${scheme}://${host}:${number}`;
}

/** The origin that was probably meant: without user and path, in lower case, an IPv6 address in brackets. It need not be valid. */
export function suggestOrigin(source: string): string | undefined {
  const [, scheme = "https://", rest = ""] = /^(https?:\/\/)?(?:[^/?#]*@)?([^/?#@\s]+)/i.exec(source) ?? [];
  const { host, port } = splitPort(rest.toLowerCase());
  const end = port === "" ? "" : `:${port}`;
  const spelled = isIP(host) === 6 ? shortest(host) : host;
  if (spelled === undefined || spelled === "") return undefined;
  // The name of a listener of this machine: it has one address, and http needs one.
  if (spelled === "localhost" && /^http:/i.test(scheme)) return `http://127.0.0.1${end}`;
  const safe = isLoopback(spelled) ? scheme.toLowerCase() : "https://";
  return `${safe}${spelled}${end}`;
}

/** Without brackets, the end of an IPv6 address that looks like a port is taken for one. */
function splitPort(text: string): { host: string; port: string } {
  const [, inner, after = ""] = /^\[([^\]]*)\](?::(.*))?$/.exec(text) ?? [];
  if (inner !== undefined) return { host: inner, port: after };
  const [, before = "", last = ""] = /^(.*):([1-9][0-9]{2,4})$/.exec(text) ?? [];
  if (last !== "" && (isIP(before) === 6 || !before.includes(":"))) return { host: before, port: last };
  return { host: text, port: "" };
}

/** An IPv6 address as a URL writes it, in brackets; undefined for an IPv4 address in it, to which the host does not connect. */
function shortest(address: string): string | undefined {
  if (!URL.canParse(`https://[${address}]`)) return undefined;
  const { hostname } = new URL(`https://[${address}]`);
  return hostname.startsWith("[::ffff:") ? undefined : hostname;
}
