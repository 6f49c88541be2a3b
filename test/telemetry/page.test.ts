/** The admin page in a real browser: hostile text in it has no effect, and its content is readable. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { KmsClient } from "../../host/grpc/client.ts";
import { createAdmin, listenOnAddress } from "../../host/telemetry/admin.ts";
import type { HostReport } from "../../host/telemetry/report.ts";
import { buildGuests } from "../guests/build.ts";
import { ask, freePort } from "../support/admin.ts";
import { accessFaults, assertContrast } from "../support/browser-checks.ts";
import { Chromium, type Tab } from "../support/chromium.ts";
import { Fixture, localConfig, localModule, root, sha256Of } from "../support/fixture.ts";
import { untilWell } from "../support/until-well.ts";

/** The folder of the screenshots, for people. */
const PICTURES = join(root, ".tmp", "page");
const WIDTHS = [400, 1400];

/** Typical injections into a page; each would reveal itself if it ran or requested anything. */
const ATTACKS = [
  "<script>document.title='owned'</script>",
  "</style><script>document.title='owned'</script>",
  `"><img src=/stolen onerror="document.title='owned'">`,
  "' onmouseover='document.title=1' x='",
  "<svg/onload=document.title='owned'>",
  "</title><script>document.title='owned'</script>",
  "<meta http-equiv=refresh content='0;url=/stolen'>",
  "<link rel=stylesheet href=/stolen><base href=//evil.example/>",
  "<iframe src=/stolen></iframe><form action=/stolen><input name=x>",
  "javascript:alert(1) &lt;script&gt; ]]> --> {{7*7}}",
  "\u202etxt.exe\u0000\u2028\u200b",
  "W".repeat(300),
];
const attack = (i: number) => ATTACKS[i % ATTACKS.length] ?? "";

function hostileReport(): HostReport {
  const at = Date.UTC(2026, 10, 25, 9, 0, 0);
  return {
    version: "0.1.0",
    configurationSha256: "ab".repeat(32),
    wall: "bubblewrap",
    startedAt: at - 93_784_000,
    at,
    notReadyReason: `Cannot use key "kek": ${attack(0)}`,
    providers: Object.fromEntries(
      ATTACKS.map((text, i) => [
        `p${i}`,
        {
          state: (["ready", "starting", "quarantined", "stopped"] as const)[i % 4] ?? "ready",
          ...(i % 4 === 2 ? { quarantine: { reason: text, ...(i > 4 && { until: at }) } } : {}),
          processes: i % 3,
          wanted: 2,
          ends: i,
          inFlight: 1,
          waiting: 0,
          module: { name: text, version: text, sha256: "ab".repeat(32), trust: text },
          reach: [{ ok: i % 2 === 0, detail: text, why: text }],
          reached: [
            {
              capability: text,
              operation: text,
              allowed: 12_345,
              denied: i,
              refused: 0,
              targets: ATTACKS.slice(0, 5),
            },
          ],
        },
      ]),
    ),
    keys: ATTACKS.map((text, i) => ({
      name: text,
      provider: text,
      use: i === 0 ? "active" : "decrypt",
      key_id_hashes: [],
      ...(i % 3 === 0 ? {} : { key_id_sha256: "0123456789abcdef", version: text }),
      ...(i % 2 === 0 ? { failure: text, code: "provider-fault" } : {}),
      probe: { at: at - 1000, result: "failed", ...(i % 2 === 0 && { goodAgeMs: 61_000 }) },
    })),
    denials: ATTACKS.map((text) => ({ at, provider: text, rpc: text, request: text, why: text })),
    changes: ATTACKS.map((text, i) => ({ at, subject: text, good: i % 2 === 0, detail: text })),
  };
}

describe("the admin page in Chromium", () => {
  let browser: Chromium;
  let tab: Tab;
  before(async () => {
    mkdirSync(PICTURES, { recursive: true });
    browser = new Chromium();
    tab = await browser.open();
  });
  after(() => browser.close());

  /** Loads the page at two widths, in light and dark mode; no other request may be sent and no problem reported. */
  async function look(url: string, name: string): Promise<void> {
    tab.events.requests.length = 0;
    tab.events.complaints.length = 0;
    await tab.go(url);
    for (const scheme of ["light", "dark"] as const) {
      await assertContrast(tab, scheme);
      for (const width of WIDTHS) {
        await tab.resize(width);
        const wide = await tab.value<number>("document.documentElement.scrollWidth");
        assert.ok(wide <= width, `it is ${wide} wide in a window of ${width}`);
        await tab.screenshot(join(PICTURES, `${name}-${scheme}-${width}.png`));
      }
    }
    assert.deepEqual(await accessFaults(tab), []);
    assert.deepEqual(tab.events.requests, [url]);
    assert.deepEqual(tab.events.complaints, []);
  }

  describe("with hostile text in every field", () => {
    const options = { metrics: async () => "", notReadyReason: () => undefined, state: hostileReport };
    const admin = createAdmin(options);
    let listener: Awaited<ReturnType<typeof listenOnAddress>>;
    let url = "";
    before(async () => {
      listener = await listenOnAddress({ host: "127.0.0.1", port: 0 }, (socket) => admin.accept(socket));
      url = `http://127.0.0.1:${listener.port}/`;
    });
    after(() => {
      listener.close();
      admin.close();
    });

    test("shows it, sends no request, runs no script, and is readable", async () => {
      await look(url, "hostile");
      assert.equal(await tab.value("document.title"), "NOT READY · kleidí");
      const elements =
        "script, img, svg, iframe, form, input, base, link, object, embed, [onerror], [onload], [onmouseover]";
      assert.equal(await tab.value(`document.querySelectorAll(${JSON.stringify(elements)}).length`), 0);
      assert.equal(await tab.value("document.querySelectorAll('meta[http-equiv]').length"), 0);
      const text = await tab.value<string>("document.body.textContent");
      for (const shown of ATTACKS.slice(0, 10)) assert.ok(text.includes(shown), `it shows ${shown}`);
      for (const hidden of ["\u202e", "\u0000", "\u2028", "\u200b"]) assert.ok(!text.includes(hidden));
    });

    test("blocks an injected script and image by its policy", async () => {
      await tab.go(url);
      await tab.value(`(() => {
        const script = document.createElement("script");
        script.textContent = "document.title = 'owned'";
        const picture = document.createElement("img");
        picture.src = "/stolen";
        document.body.append(script, picture);
      })()`);
      await untilWell(async () => {
        const refused = tab.events.complaints.filter((each) => each.includes("ContentSecurityPolicy"));
        assert.ok(refused.length >= 2, tab.events.complaints.join("\n"));
      });
      assert.equal(await tab.value("document.title"), "NOT READY · kleidí");
      assert.ok(!tab.events.complaints.some((each) => each.includes("404")));
    });
  });

  describe("of a real host with a provider whose requests are denied", () => {
    const fixture = new Fixture();
    let where = "";
    before(async () => {
      where = `127.0.0.1:${await freePort()}`;
      const { misbehave } = await buildGuests();
      const providers = {
        local: {
          module: localModule,
          sha256: sha256Of(localModule),
          grants: { keystore: { keys: ["kek-2026"] } },
        },
        stranger: {
          module: misbehave,
          sha256: sha256Of(misbehave),
          grants: { keystore: { keys: ["undeclared"], rpcs: ["decrypt"] } },
        },
      };
      const keys = [
        { name: "undeclared", provider: "stranger", use: "active" },
        { name: "kek-2026", provider: "local", use: "decrypt" },
      ] as const;
      fixture.write(localConfig(keys, { providers, admin: { listen: where } }));
      fixture.keyInit("kek-2026").keyInit("undeclared");
      fixture.spawn();
      await untilWell(async () => {
        const state: HostReport = JSON.parse((await ask(where, "/state")).text);
        assert.ok(state.denials.length > 0 && state.keys.every(({ probe }) => probe !== undefined));
      });
    });
    after(() => fixture.close());

    test("shows the grants, the calls and the denials of the provider", async () => {
      await look(`http://${where}/`, "host");
      const text = await tab.value<string>("document.body.innerText");
      assert.match(
        text,
        /Not ready, the API server will stop writing: Cannot grant provider "stranger" kleidi:keystore seal/,
      );
      assert.match(text, /keystore seal in decrypt|keystore seal nowhere, as the grant is narrowed/);
      assert.match(text, /the configuration grants it in decrypt only/);
      assert.match(text, /keystore info, seal, open in|keystore info in status/);
      assert.ok(text.includes(sha256Of(localModule)));
    });

    test("agrees with /state, which check reads", async () => {
      const state: HostReport = JSON.parse((await ask(where, "/state")).text);
      assert.deepEqual(Object.keys(state.providers), ["local", "stranger"]);
      const [denial] = state.denials;
      assert.deepEqual(
        [denial?.provider, denial?.rpc, denial?.request],
        ["stranger", "encrypt", "keystore seal"],
      );
      const info = state.providers.local?.reached.find(({ operation }) => operation === "info");
      assert.ok(info !== undefined && info.allowed > 0);
      assert.deepEqual(info.targets, ["kek-2026"]);
      assert.ok(state.changes.some(({ subject, good }) => subject === "key kek-2026" && good));
      assert.match(fixture.run("check").stdout, /running host: provider stranger is ready/);
    });

    test("reports a healthy host", async () => {
      const good = new Fixture();
      try {
        const at = `127.0.0.1:${await freePort()}`;
        const keys = [
          { name: "kek-2026", use: "active" },
          { name: "kek-2025", use: "decrypt" },
        ] as const;
        good
          .write(localConfig(keys, { admin: { listen: at } }))
          .keyInit("kek-2026")
          .keyInit("kek-2025");
        await good.serve();
        const client = new KmsClient(good.socket);
        await client.encrypt({ plaintext: new Uint8Array(32) });
        client.close();
        await look(`http://${at}/`, "good");
        assert.equal(await tab.value("document.title"), "ready · kleidí");
      } finally {
        await good.close();
      }
    });
  });
});
