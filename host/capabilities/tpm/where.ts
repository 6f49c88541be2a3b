/** Which TPM a name of the configuration means, and by which way it is reached. */
import { isIPv4 } from "node:net";
import { openMssim, openSwtpm, type SocketAddress } from "./socket.ts";
import { openTpmrm } from "./tpmrm.ts";
import type { Where } from "./transport.ts";

const LOOPBACK_PORT = /^(127\.[\d.]+|\[::1\]):(\d{1,5})$/;

/**
 * @param name "/dev/tpmrm0", "swtpm:/path", "swtpm:127.0.0.1:2321" or "mssim:127.0.0.1:2321"
 * @throws RangeError for anything else
 */
export function whereIs(name: string): Where {
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

/** A name would be looked up, and another address would carry what is between host and TPM over a network. */
function loopback(text: string): SocketAddress | undefined {
  const [, host = "", digits] = LOOPBACK_PORT.exec(text) ?? [];
  const port = Number(digits);
  if (port === 0 || port > 65_535) return undefined;
  if (host === "[::1]") return { host: "::1", port };
  return isIPv4(host) ? { host, port } : undefined;
}
