/**
 * Alert rules and the dashboard: checked with the real promtool, compared with the metrics of a real host and with their pages.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { parse } from "yaml";
import { ERRORS } from "../../host/error.ts";
import { PROGRAM } from "../../host/main.ts";
import { WALLS } from "../../host/sandbox/wall/wall.ts";
import { CREDENTIAL_EVENTS, LABELS, METRICS, type MetricName } from "../../host/telemetry/metric-table.ts";
import { ask, freePort } from "../support/admin.ts";
import { Fixture, localConfig, root } from "../support/fixture.ts";
import { promtool } from "../support/promtool.ts";

const RULES = join(root, "deploy", "prometheus", "kleidi.rules.yaml");
const RULES_TEST = join(root, "deploy", "prometheus", "kleidi.rules.test.yaml");
const DASHBOARD = join(root, "deploy", "grafana", "kleidi.json");
const RUNBOOKS = join(root, "docs", "runbooks");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook: string };
}
interface Case {
  readonly alert_rule_test: readonly { readonly alertname: string; readonly exp_alerts: readonly object[] }[];
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly datasource: object;
  }[];
  readonly fieldConfig?: object;
  readonly options?: object;
}
interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { name: string; type: string; definition?: string }[] };
  readonly panels: readonly Panel[];
}

const rules: Rule[] = parse(readFileSync(RULES, "utf8")).groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
);
const dashboard: Dashboard = JSON.parse(readFileSync(DASHBOARD, "utf8"));
const expressions = [
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
  ...dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr }) => [`${title} ${refId}`, expr] as const),
  ),
];

/** A metric as an expression names it, with the matchers of its labels. */
interface Use {
  readonly metric: string;
  readonly labels: readonly { readonly name: string; readonly values: readonly string[] }[];
}

/** Names of PromQL are followed by "(" or are keywords; the others name metrics. Labels after by and on are recognized separately. */
function usesOf(expr: string): { uses: Use[]; grouped: string[] } {
  const grouped: string[] = [];
  const ungrouped = expr.replace(/\b(by|on|without)\s*\(([^)]*)\)/g, (_, _word, names: string) => {
    grouped.push(...names.split(",").map((name) => name.trim()));
    return " ";
  });
  const uses: Use[] = [];
  const found = /\b([a-z_][a-z0-9_]*)\b(?!\s*\()\s*(?:\{([^}]*)\})?(?![a-z0-9_])/g;
  for (const [, metric = "", selector = ""] of ungrouped.replace(/\[[^\]]*\]/g, "").matchAll(found)) {
    if (/^(or|and|unless|bool|offset)$/.test(metric)) continue;
    const labels = [...selector.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g)].map(
      ([, name = "", values = ""]) => ({
        name,
        values: values.split("|"),
      }),
    );
    uses.push({ metric, labels });
  }
  return { uses, grouped };
}

/** The labels that Prometheus adds to every series. */
const TARGET = ["instance", "job"];
const bare = (name: string) => name.replace(/_(bucket|sum|count)$/, "");

test("the rules are valid, and each fires only where it should", () => {
  const checked = promtool(["check", "rules", RULES]);
  assert.equal(checked.status, 0, checked.text);
  const tested = promtool(["test", "rules", RULES_TEST]);
  assert.equal(tested.status, 0, tested.text);
});

test("each alert has a case in which it fires, and one in which it does not", () => {
  const cases = parse(readFileSync(RULES_TEST, "utf8")).tests.flatMap(
    ({ alert_rule_test }: Case) => alert_rule_test,
  ) as Case["alert_rule_test"];
  for (const { alert } of rules) {
    const own = cases
      .filter(({ alertname }) => alertname === alert)
      .map(({ exp_alerts }) => exp_alerts.length > 0);
    assert.deepEqual(new Set(own), new Set([true, false]), alert);
  }
});

test("each alert has a severity, a summary, a description, and a runbook page with its name", () => {
  for (const { alert, labels, annotations } of rules) {
    assert.match(labels.severity, /^(critical|warning|info)$/, alert);
    assert.ok(annotations.summary.length > 10 && annotations.description.length > 10, alert);
    assert.equal(annotations.runbook, `docs/runbooks/${alert}.md`);
  }
});

test("each alert has a page, and each page an alert", () => {
  const pages = readdirSync(RUNBOOKS).map((name) => basename(name, ".md"));
  assert.deepEqual(pages.sort(), rules.map(({ alert }) => alert).sort());
});

const COMMANDS = PROGRAM.commands.map(({ name }) => name);

for (const { alert } of rules) {
  const text = readFileSync(join(RUNBOOKS, `${alert}.md`), "utf8");
  const code = [...text.matchAll(/`([^`]+)`/g)].map(([, quoted = ""]) => quoted);

  test(`the page of ${alert} has the headings Meaning, Checks and Actions`, () => {
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading);
    assert.deepEqual(headings, [alert, "Meaning", "Checks", "Actions"]);
    assert.ok(text.split(/\s+/).length < 350, "short enough to read at night");
  });

  test(`the commands, metrics and codes on the page of ${alert} exist`, () => {
    for (const quoted of code) {
      const [, command] = /^kleidi ((?:(?:key|audit) )?[a-z]+)/.exec(quoted) ?? [];
      if (command !== undefined) assert.ok(COMMANDS.includes(command), `${quoted} is a command`);
      for (const [name] of quoted.matchAll(/\bkleidi_\w+/g))
        assert.ok(Object.hasOwn(METRICS, bare(name)), name);
      if (/^[a-z]+(-[a-z]+)+$/.test(quoted)) assert.ok(Object.hasOwn(ERRORS, quoted), `${quoted} is a code`);
    }
  });
}

describe("compared with a real host's scrape", () => {
  const fixture = new Fixture();
  let types = new Set<string>();
  const values = new Map<string, Set<string>>();
  before(async () => {
    const admin = `127.0.0.1:${await freePort()}`;
    const keys = [
      { name: "kek", use: "active" },
      { name: "old", use: "decrypt" },
    ] as const;
    fixture
      .write(localConfig(keys, { admin: { listen: admin } }))
      .keyInit("kek")
      .keyInit("old");
    await fixture.serve();
    const { text } = await ask(admin, "/metrics");
    types = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name));
    for (const [, name = "", value = ""] of text.matchAll(/(\w+)="([^"]*)"/g)) {
      const known = values.get(name) ?? new Set();
      values.set(name, known.add(value));
    }
    // The series appears with the first credential, and this host has none.
    values.set("event", new Set(CREDENTIAL_EVENTS));
    // The host exposes one of these.
    values.set("wall", new Set(WALLS));
  });
  after(() => fixture.close());

  for (const [where, expr] of expressions) {
    test(`${where} names only what the host exposes`, () => {
      const { uses, grouped } = usesOf(expr);
      assert.ok(uses.length > 0, expr);
      const all = new Set<string>(TARGET);
      for (const { metric, labels } of uses) {
        if (metric === "up") continue;
        assert.ok(types.has(metric) || types.has(bare(metric)), `${metric} is exposed`);
        const row = METRICS[bare(metric) as MetricName];
        const own = [...TARGET, ...(row?.labels ?? []), ...(metric.endsWith("_bucket") ? ["le"] : [])];
        for (const name of own) all.add(name);
        for (const { name, values: named } of labels) {
          assert.ok(own.includes(name), `${metric} has the label ${name}`);
          if (name === "instance" || name === "job") continue;
          for (const value of named) assert.ok(values.get(name)?.has(value), `${name} can be "${value}"`);
        }
      }
      for (const name of grouped) assert.ok(all.has(name), `the label ${name} exists to group by`);
    });
  }
});

test("an expression without a metric, an invented metric and an invented label are detected", () => {
  assert.deepEqual(
    usesOf('sum by (rpc, le) (rate(a_total{x=~"b|c", y="d"}[5m])) / 2 > on (z) b or absent(up)'),
    {
      uses: [
        {
          metric: "a_total",
          labels: [
            { name: "x", values: ["b", "c"] },
            { name: "y", values: ["d"] },
          ],
        },
        { metric: "b", labels: [] },
        { metric: "up", labels: [] },
      ],
      grouped: ["rpc", "le", "z"],
    },
  );
});

test("the dashboard's expressions are PromQL", () => {
  const folder = mkdtempSync(join(tmpdir(), "kleidi-rules-"));
  const file = join(folder, "dashboard.yaml");
  const recorded = dashboard.panels.flatMap(({ targets = [] }) =>
    targets.map(({ expr }) => ({
      record: "x",
      expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".*"),
    })),
  );
  try {
    const rulesOf = (each: object[]) =>
      JSON.stringify({ groups: each.map((rule, i) => ({ name: `g${i}`, rules: [rule] })) });
    writeFileSync(file, rulesOf(recorded));
    const { status, text } = promtool(["check", "rules", file]);
    assert.equal(status, 0, text);
    writeFileSync(file, rulesOf([{ record: "x", expr: "sum(" }]));
    assert.notEqual(promtool(["check", "rules", file]).status, 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

describe("the dashboard", () => {
  test("has a row for each question of its readers", () => {
    const rows = dashboard.panels.filter(({ type }) => type === "row").map(({ title }) => title);
    assert.deepEqual(rows, ["The API server's view", "Providers", "Keys", "Security", "Host"]);
  });

  test("has the fields that Grafana requires of a dashboard and its panels", () => {
    assert.ok(dashboard.title && dashboard.uid && dashboard.schemaVersion >= 36);
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    for (const { title, type, targets, fieldConfig, options } of dashboard.panels) {
      if (type === "row") continue;
      assert.match(type, /^(timeseries|stat|table)$/, title);
      assert.ok(targets && targets.length > 0 && fieldConfig && options, title);
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    }
  });

  test("queries only the selected data source and the selected hosts", () => {
    const variables = dashboard.templating.list.map(({ name, type }) => `${name} ${type}`);
    assert.deepEqual(variables, ["datasource datasource", "instance query"]);
    for (const { title, type, datasource, targets = [] } of dashboard.panels) {
      if (type === "row") continue;
      const chosen = { type: "prometheus", uid: "$" + "{datasource}" };
      assert.deepEqual(datasource, chosen, title);
      for (const target of targets) {
        assert.deepEqual(target.datasource, chosen, title);
        for (const { metric, labels } of usesOf(target.expr).uses)
          if (metric !== "kleidi_build_info" || !target.expr.includes("on (instance)"))
            assert.ok(
              labels.some(({ name, values: named }) => name === "instance" && named[0] === "$instance"),
              `${title}: ${metric}`,
            );
      }
    }
  });

  test("has panels that fill their rows and do not overlap", () => {
    const taken = new Map<string, string>();
    for (const { title, gridPos } of dashboard.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.equal(taken.get(`${x} ${y}`), undefined, title);
          taken.set(`${x} ${y}`, title);
        }
    }
    const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
    assert.equal(taken.size, bottom * 24);
  });

  test("shows every metric of the host that no alert uses, except the one that a runbook names", () => {
    const shown = new Set(
      expressions.flatMap(([, expr]) => usesOf(expr).uses.map(({ metric }) => bare(metric))),
    );
    assert.deepEqual(
      Object.keys(METRICS).filter((name) => !shown.has(name)),
      ["kleidi_audit_lag_bytes"],
    );
  });
});

test("the grouping labels of rules and dashboard are documented", () => {
  const grouped = new Set(expressions.flatMap(([, expr]) => usesOf(expr).grouped));
  for (const name of grouped) assert.ok([...TARGET, "le", ...Object.keys(LABELS)].includes(name), name);
});
