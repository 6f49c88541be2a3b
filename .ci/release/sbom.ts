/**
 * Makes the software bill of materials, CycloneDX 1.5 in JSON, from the lockfile alone. "npm sbom" writes a random number and the
 * current time, and its format depends on the version of npm, which nothing pins; a test compares the two.
 */
import { createHash } from "node:crypto";
import { ReleaseFault } from "./fault.ts";

/** A package of package-lock.json, version 3. */
interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Lockfile {
  readonly packages: Readonly<Record<string, Locked>>;
}

export interface Module {
  /** The file's name. */
  readonly name: string;
  /** 64 hexadecimal digits. */
  readonly sha256: string;
}

export interface Release {
  readonly version: string;
  readonly license: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
  /** Seconds since 1970. */
  readonly time: number;
}

const FOLDER = "node_modules/";

/**
 * @param modules the providers, which are files of the release and not packages
 * @returns the text of the document, which depends on the arguments only
 * @throws ReleaseFault if the lockfile lacks the digest of a package
 */
export function sbomOf(release: Release, lock: Lockfile, modules: readonly Module[]): string {
  const paths = Object.keys(lock.packages)
    .filter((path) => path !== "" && lock.packages[path]?.dev !== true)
    .sort();
  const own = refOf("kleidi", release.version);
  const compiler = lock.packages[`${FOLDER}assemblyscript`]?.version;
  const node = nodeOf(lock);
  const document = {
    $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    serialNumber: `urn:uuid:${uuidOf(`kleidi sbom ${release.version} ${release.commit}`)}`,
    version: 1,
    metadata: {
      timestamp: new Date(release.time * 1000).toISOString(),
      component: {
        "bom-ref": own,
        type: "application",
        name: "kleidi",
        version: release.version,
        licenses: [{ expression: release.license }],
        properties: [{ name: "kleidi:commit", value: release.commit }],
      },
    },
    components: [
      ...paths.map((path) => componentOf(path, lock.packages[path] as Locked)),
      ...node,
      ...modules.map(({ name, sha256 }) => ({
        "bom-ref": name,
        type: "file",
        name: `providers/${name}`,
        hashes: [{ alg: "SHA-256", content: sha256 }],
        licenses: [{ expression: release.license }],
        // The module contains the compiler's runtime.
        properties: [{ name: "kleidi:compiled-with", value: `pkg:npm/assemblyscript@${compiler}` }],
      })),
    ],
    dependencies: [
      {
        ref: own,
        dependsOn: [
          ...dependenciesOf("", lock),
          ...node.map((each) => each["bom-ref"]),
          ...modules.map(({ name }) => name),
        ],
      },
      ...paths.map((path) => ({ ref: refAt(path, lock), dependsOn: dependenciesOf(path, lock) })),
    ],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Node itself, under the names of vulnerability databases, which do not list the npm packages that contain it. */
function nodeOf({ packages }: Lockfile) {
  const locked = Object.entries(packages).find(([path]) => path.startsWith(`${FOLDER}node-linux-`))?.[1];
  if (locked === undefined) return [];
  const { version, license } = locked;
  return [
    {
      "bom-ref": refOf("node", version),
      type: "application",
      name: "node",
      version,
      scope: "required",
      purl: `pkg:generic/node@${version}`,
      cpe: `cpe:2.3:a:nodejs:node.js:${version}:*:*:*:*:*:*:*`,
      ...(license !== undefined && { licenses: [{ expression: license }] }),
    },
  ];
}

function componentOf(path: string, { version, integrity = "", license, optional }: Locked) {
  const name = nameAt(path);
  const [, sha512] = /^sha512-(\S+)$/.exec(integrity) ?? [];
  if (sha512 === undefined) throw new ReleaseFault(`package-lock.json has no SHA-512 of ${name}`);
  return {
    "bom-ref": refOf(name, version),
    type: "library",
    name,
    version,
    scope: optional === true ? "optional" : "required",
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    hashes: [{ alg: "SHA-512", content: Buffer.from(sha512, "base64").toString("hex") }],
    ...(license !== undefined && { licenses: [{ expression: license }] }),
  };
}

/** The packages that Node resolves from this one: in its own folder, otherwise in a parent folder. */
function dependenciesOf(path: string, lock: Lockfile): string[] {
  const { dependencies = {}, optionalDependencies = {} } = lock.packages[path] ?? {};
  const found = Object.keys({ ...dependencies, ...optionalDependencies }).flatMap((name) => {
    for (let from = path; ; from = from.slice(0, Math.max(0, from.lastIndexOf(`/${FOLDER}`)))) {
      const there = `${from === "" ? "" : `${from}/`}${FOLDER}${name}`;
      if (lock.packages[there] !== undefined) return [refAt(there, lock)];
      if (from === "") return [];
    }
  });
  return found.sort();
}

const nameAt = (path: string) => path.slice(path.lastIndexOf(FOLDER) + FOLDER.length);
const refOf = (name: string, version: string) => `${name}@${version}`;
const refAt = (path: string, lock: Lockfile) => refOf(nameAt(path), lock.packages[path]?.version ?? "");

/** A UUID of version 8 (RFC 9562, section 5.8). */
function uuidOf(text: string): string {
  const bytes = createHash("sha256").update(text).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
