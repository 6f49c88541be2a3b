import type { AdminConfig } from "../config/config.ts";

/** The address of the admin listener in messages: `unix:/run/kleidi/admin.sock`, `127.0.0.1:9180` or `[::1]:9180`. */
export function adminAddress(admin: AdminConfig): string {
  if ("socket" in admin) return `unix:${admin.socket}`;
  return admin.host.includes(":") ? `[${admin.host}]:${admin.port}` : `${admin.host}:${admin.port}`;
}
