/**
 * npm run bench -- scrape: the time of a scrape, idle and with 64 callers, compared with an empty registry in the same process and an
 * answer that computes nothing (livez); the time of the admin page; and the growth of a scrape with the number of calls.
 */
import { Agent, get } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../test/support/admin.ts";
import { Fixture, localConfig, localModule, sha256Of } from "../test/support/fixture.ts";
import { line, node, run } from "./callers.ts";
import { quantile } from "./figures.ts";

const quick = process.argv.includes("--quick");
const SCRAPES = quick ? 50 : 200;
const PROVIDERS = [1, 16];
const agent = new Agent({ keepAlive: true });

function ask(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => {
        text += part;
      });
      response.on("end", () => resolve(text));
    }).on("error", reject);
  });
}

/** Milliseconds of each, measured alternately, so that all see the same load. */
async function measure(urls: Readonly<Record<string, string>>): Promise<Map<string, number[]>> {
  const samples = new Map(Object.keys(urls).map((name) => [name, [] as number[]]));
  for (let i = 0; i < SCRAPES; i++) {
    for (const [name, url] of Object.entries(urls)) {
      const begun = performance.now();
      await ask(url);
      samples.get(name)?.push(performance.now() - begun);
    }
    await sleep(10);
  }
  return samples;
}

for (const count of PROVIDERS) {
  const [admin, other] = [await freePort(), await freePort()];
  const fixture = new Fixture();
  const names = Array.from({ length: count }, (_, i) => `kek-${i}`);
  const provider = (key: string) => ({
    module: localModule,
    sha256: sha256Of(localModule),
    grants: { keystore: { keys: [key] } },
  });
  const keys = names.map(
    (name, i) => ({ name, provider: name, use: i === 0 ? "active" : "decrypt" }) as const,
  );
  const providers = Object.fromEntries(names.map((name) => [name, provider(name)]));
  fixture.write(
    localConfig(keys, {
      providers,
      admin: { listen: `127.0.0.1:${admin}` },
      log: { level: "warn", file: "kleidi.log" },
    }),
  );
  for (const name of names) fixture.keyInit(name);
  const host = node("scrape-host.ts", fixture.config, String(other));
  try {
    await line(host);
    while ((await ask(`http://127.0.0.1:${admin}/readyz`).catch(() => "")) !== "ok\n") await sleep(50);
    await sleep(1000);
    const urls = {
      "/metrics": `http://127.0.0.1:${admin}/metrics`,
      "an empty registry": `http://127.0.0.1:${other}/`,
      "/livez": `http://127.0.0.1:${admin}/livez`,
      "the page": `http://127.0.0.1:${admin}/`,
    };
    const scrape = urls["/metrics"];
    await measure(urls);
    const idle = await measure(urls);
    const before = (await ask(scrape)).split("\n").length;
    let over = false;
    const load = run(fixture.socket, "Decrypt", 64, quick ? "8000ms" : "20000ms").finally(() => {
      over = true;
    });
    await sleep(2000);
    const loaded = await measure(urls);
    const inTime = !over;
    const { rps, failures } = await load;
    const after = await ask(scrape);
    console.log(
      `\n${count} providers, ${after.length} bytes a scrape; ms, medians of ${SCRAPES} (target: 10 ms):`,
    );
    console.table(
      Object.fromEntries(
        Object.keys(urls).map((name) => {
          const of = (samples: Map<string, number[]>, q: number) =>
            quantile(samples.get(name) ?? [], q).toFixed(2);
          const row = { idle: of(idle, 0.5), "idle p99": of(idle, 0.99) };
          return [name, { ...row, "64 callers": of(loaded, 0.5), "64 callers p99": of(loaded, 0.99) }];
        }),
      ),
    );
    console.log(
      `Load: ${Math.round(rps)} Decrypt/s, ${failures} failed${inTime ? "" : "; IT ENDED BEFORE THE SCRAPES DID"}. Lines of a scrape before it ${before}, after it ${after.split("\n").length}.`,
    );
  } finally {
    await Fixture.stop(host);
    await fixture.close();
  }
}
agent.destroy();
