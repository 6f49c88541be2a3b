/** Draws the capability graph: RPCs on the left, operations on the right, a line for each operation that an RPC requests or can reach. */
import type { Html } from "../lib/html.ts";
import { cut, cutWithLength, escapeName } from "../lib/text.ts";
import { html } from "./markup.ts";
import type { AuthorityRow, Report } from "./report.ts";
import { pathText, usageOf } from "./text.ts";

/** Maximum number of operations in the graph; the table below it lists all. */
export const MAX_OPERATIONS = 96;

const ROW = 30;
const BOX = 22;
const TOP = 30;
const LEFT = { x: 10, width: 120 };
const RIGHT = { x: 560, width: 290 };
const WIDTH = 860;
const LONGEST = 38;

/** Draws the graph as SVG. Deterministic: RPCs in their order, operations sorted. */
export function graphOf({ rpcs, authority }: Pick<Report, "rpcs" | "authority">): Html {
  const sources = [...new Set([...rpcs.map(({ rpc }) => rpc), ...authority.map(({ rpc }) => rpc)])];
  const operations = [...new Set(authority.map(labelOf))].sort().slice(0, MAX_OPERATIONS);
  const rows = Math.max(sources.length, operations.length);
  const height = TOP + rows * ROW + 10;
  // each column uses the whole height, so that the lines of neighbouring boxes are apart
  const place = (index: number, count: number) => TOP + ((index + 0.5) * rows * ROW) / count - BOX / 2;
  const source = new Map(sources.map((rpc, i) => [rpc as string, place(i, sources.length)]));
  const target = new Map(operations.map((label, i) => [label, place(i, operations.length)]));
  const lines = authority.flatMap((row) => {
    const from = source.get(row.rpc);
    const to = target.get(labelOf(row));
    return from === undefined || to === undefined ? [] : [lineOf(row, from, to, rpcs)];
  });
  return html`<svg viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Host calls that each RPC requests and can reach">
<text class="column" x="${LEFT.x}" y="18">RPC</text>
<text class="column" x="${RIGHT.x}" y="18">capability.operation</text>
${lines}
${[...source].map(([rpc, y]) => box(rpc, rpc, LEFT, y))}
${[...target].map(([label, y]) => box("operation", label, RIGHT, y))}
</svg>`;
}

function lineOf(row: AuthorityRow, from: number, to: number, rpcs: Report["rpcs"]): Html {
  const path = rpcs
    .find(({ rpc }) => rpc === row.rpc)
    ?.reaches.find((each) => each.capability === row.capability && each.operation === row.operation);
  const kind = row.used !== true ? "requested" : row.requested ? `both ${row.rpc}` : "used";
  const table = path?.throughTable === true ? " table" : "";
  const begin = LEFT.x + LEFT.width;
  const middle = (begin + RIGHT.x) / 2;
  const [y, end] = [from + BOX / 2, to + BOX / 2];
  const title = `${row.rpc} → ${labelOf(row)}: ${usageOf(row)[1]}${path === undefined ? "" : `, ${pathText(path)}`}`;
  return html`<path class="${kind}${table}" d="M${begin} ${y} C${middle} ${y} ${middle} ${end} ${RIGHT.x} ${end}"><title>${title}</title></path>
`;
}

function box(kind: string, label: string, { x, width }: typeof LEFT, y: number): Html {
  return html`<g><rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${BOX}" rx="4"></rect><text x="${x + 8}" y="${y + 15}">${cut(label, LONGEST)}</text><title>${cutWithLength(label, 200)}</title></g>
`;
}

function labelOf({ capability, operation }: AuthorityRow): string {
  return `${escapeName(capability)}.${escapeName(operation)}`;
}
