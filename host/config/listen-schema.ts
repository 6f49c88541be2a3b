/** The schema of `listen`: the socket for the API server. */
import * as z from "zod";
import { field, path } from "../schema/field.ts";
import { GROUP, MODE, socketGroup, socketMode } from "./socket-schema.ts";

export const listen = field(
  z.strictObject({
    socket: field(path(), {
      expected: "a path of at most 100 bytes once resolved",
      meaning: "The Unix socket that the API server connects to.",
      example: "/run/kleidi/kms.sock",
    }),
    mode: field(socketMode().prefault("0600"), {
      ...MODE,
      meaning: "The file mode of the socket. Quoted: without quotes, YAML reads a decimal number.",
    }),
    group: field(socketGroup(), {
      ...GROUP,
      meaning: "The group of the socket.",
      example: "kleidi-socket",
    }),
  }),
  {
    expected: "a mapping with the key socket",
    meaning: "The socket for the API server.",
    example: "{ socket: /run/kleidi/kms.sock }",
  },
);
