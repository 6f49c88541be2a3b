/** Login method: a token in a file, read again when it changes. */
import type { LoginMethod } from "../method.ts";
import type { TokenFileRecipe } from "../token-recipe.ts";
import { type FileConfig, SCHEMA } from "./grant.ts";

export const file = {
  kind: "file",
  schema: SCHEMA,
  recipe: ({ file, header, scheme }: FileConfig): TokenFileRecipe => ({
    kind: "file",
    header: { name: header, scheme },
    file,
  }),
  source: () => "by file",
} as const satisfies LoginMethod;
