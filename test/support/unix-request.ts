/** A GET request to an HTTP server on a Unix socket. */
import { get } from "node:http";
import { text } from "node:stream/consumers";

export async function request(socketPath: string, path: string): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  get({ socketPath, path }, (response) => {
    text(response).then((body) => resolve({ status: response.statusCode ?? 0, text: body }), reject);
  }).once("error", reject);
  return await promise;
}
