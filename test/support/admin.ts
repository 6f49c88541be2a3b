/** Requests to a host's admin listener, for tests. */
import { createServer } from "node:net";

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function ask(admin: string, path: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`http://${admin}${path}`);
  return { status: response.status, text: await response.text() };
}
