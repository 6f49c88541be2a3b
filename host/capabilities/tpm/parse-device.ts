/** Parses the name of a TPM device in the configuration. */
import { isIPv4 } from "node:net";
import { openMssim, openSwtpm, type SocketAddress } from "./socket.ts";
import { openTpmrm } from "./tpmrm.ts";
import type { TpmEndpoint } from "./transport.ts";

const LOOPBACK_PORT = /^(127\.[\d.]+|\[::1\]):(\d{1,5})$/;

/**
 * @param name a device of `grants.tpm`: "/dev/tpmrm0", "swtpm:/path", "swtpm:127.0.0.1:2321" or "mssim:127.0.0.1:2321"
 * @returns how to connect to that TPM; nothing is opened yet
 * @throws RangeError any other name
 */
export function parseTpmDevice(name: string): TpmEndpoint {
  if (/^\/dev\/tpmrm\d{1,3}$/.test(name)) return { name, managed: true, open: () => openTpmrm(name) };
  const [, kind, rest = ""] = /^(swtpm|mssim):(.+)$/.exec(name) ?? [];
  const tcp = loopback(rest);
  if (kind === "mssim" && tcp !== undefined) {
    return { name, managed: false, open: (...how) => openMssim(tcp, ...how) };
  }
  const address = tcp ?? (rest.startsWith("/") ? { path: rest } : undefined);
  if (kind === "swtpm" && address !== undefined) {
    return { name, managed: false, open: (...how) => openSwtpm(address, ...how) };
  }
  throw new RangeError(
    `Cannot open the TPM "${name}": a device is /dev/tpmrm0, swtpm:/path, swtpm:127.0.0.1:2321 or mssim:127.0.0.1:2321`,
  );
}

/** Accepts loopback addresses only: a host name would be resolved, and any other address would put TPM traffic on a network. */
function loopback(text: string): SocketAddress | undefined {
  const [, host = "", digits] = LOOPBACK_PORT.exec(text) ?? [];
  const port = Number(digits);
  if (port === 0 || port > 65_535) return undefined;
  if (host === "[::1]") return { host: "::1", port };
  return isIPv4(host) ? { host, port } : undefined;
}
