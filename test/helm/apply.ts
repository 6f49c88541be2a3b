/** Sends objects to an API server like Helm, as dry-run requests: defaults, validation and admission are real. */
import type { ApiClient } from "../e2e/servers.ts";
import type { Rendered } from "./rendered.ts";

interface ResourceList {
  readonly resources: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
  }[];
}

/** @returns the failures, each with the kind and name of its object */
export async function refusedByServer(api: ApiClient, objects: readonly Rendered[]): Promise<string[]> {
  const refused: string[] = [];
  for (const object of objects) {
    const path = `${await pathOf(api, object)}?dryRun=All&fieldManager=helm&force=true&fieldValidation=Strict`;
    const { status, body } = await api.ask("PATCH", path, object, { type: "application/apply-patch+yaml" });
    if (status > 201) refused.push(`${object.kind} ${object.metadata.name}: ${status} ${body}`);
  }
  return refused;
}

async function pathOf(api: ApiClient, { apiVersion, kind, metadata }: Rendered): Promise<string> {
  const base = apiVersion === "v1" ? "/api/v1" : `/apis/${apiVersion}`;
  const { resources }: ResourceList = JSON.parse((await api.get(base)).body);
  const found = resources.find((each) => each.kind === kind && !each.name.includes("/"));
  if (found === undefined) throw new Error(`the API server does not serve ${apiVersion} ${kind}`);
  const scope = found.namespaced ? `/namespaces/${metadata.namespace}` : "";
  return `${base}${scope}/${found.name}/${metadata.name}`;
}
