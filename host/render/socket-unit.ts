/** The text of kleidi.socket: systemd binds the socket and holds it while the service restarts. systemd.socket(5) documents each setting. */
import { unitWord } from "./escape.ts";
import type { RenderInput } from "./rendered.ts";

export function socketUnitText({ config, digest }: RenderInput): string {
  const { socket, mode, group = "kleidi" } = config.listen;
  return [
    `# kleidi.dev/config-sha256: ${digest}`,
    "[Unit]",
    "Description=The KMS v2 socket of kleidi",
    "",
    "[Socket]",
    `ListenStream=${unitWord(socket)}`,
    "SocketUser=kleidi",
    `SocketGroup=${unitWord(String(group))}`,
    `SocketMode=${mode.toString(8).padStart(4, "0")}`,
    "RemoveOnStop=yes",
    "# A service that cannot start for a while must not end the socket.",
    "TriggerLimitIntervalSec=0",
    "",
    "[Install]",
    "WantedBy=sockets.target",
    "",
  ].join("\n");
}
