/** Checks of level 2, section 4: what is stored cannot be changed, is never the same, and has nothing of the plaintext. */
import { randomBytes } from "node:crypto";
import { type Check, eachOf, type Findings } from "./check.ts";
import { notFailure } from "./expectation.ts";
import { formIn } from "./leak.ts";
import type { Sealed, Subject } from "./subject.ts";

const NOT_OURS = [1];
/** Ciphertexts of one plaintext that are compared. */
const EQUALS = 16;
/** Bytes in which they must differ: a nonce is longer. */
const MIN_DIFFERENT = 8;

export const CIPHERTEXT_CHECKS: readonly Check[] = [
  {
    name: "ciphertext_with_each_byte_changed",
    level: 2,
    section: "4",
    run: (it) => changed(it, "ciphertext"),
  },
  { name: "ciphertext_cut_at_each_byte", level: 2, section: "4", run: (it) => cut(it, "ciphertext") },
  { name: "ciphertext_with_more_bytes", level: 2, section: "4", run: (it) => longer(it, "ciphertext") },
  { name: "ciphertext_of_random_bytes", level: 2, section: "4", run: randomCiphertexts },
  {
    name: "associated_data_with_each_byte_changed",
    level: 2,
    section: "4",
    run: bound((it) => changed(it, "associatedData")),
  },
  {
    name: "associated_data_cut_at_each_byte",
    level: 2,
    section: "4",
    run: bound((it) => cut(it, "associatedData")),
  },
  {
    name: "associated_data_with_more_bytes",
    level: 2,
    section: "4",
    run: bound((it) => longer(it, "associatedData")),
  },
  { name: "annotation_with_each_byte_changed", level: 2, section: "4", run: annotationBytes },
  { name: "annotation_missing", level: 2, section: "4", run: annotationsMissing },
  { name: "annotation_of_another_object", level: 2, section: "4", run: annotationsExchanged },
  { name: "annotation_of_somebody_else", level: 2, section: "4", run: foreignAnnotation },
  { name: "equal_plaintexts_differ", level: 2, section: "4", run: equalPlaintexts },
  { name: "nothing_of_the_plaintext_is_stored", level: 2, section: "4", run: nothingStored },
];

type Part = "ciphertext" | "associatedData";

async function refusesEach(
  subject: Subject,
  variants: readonly (readonly [what: string, changes: Partial<Sealed>])[],
) {
  const good = await subject.good();
  return await eachOf(subject, variants, async ([what, changes]) => {
    const fault = notFailure(await subject.open({ ...good, ...changes }), NOT_OURS);
    return fault && `Decrypt with ${what} ${fault}`;
  });
}

const WORDS: Readonly<Record<Part, string>> = { ciphertext: "ciphertext", associatedData: "associated data" };

async function changed(subject: Subject, part: Part): Promise<Findings> {
  const bytes = (await subject.good())[part];
  const variants = Array.from(bytes, (_, at) => {
    // bit 0 in one byte, bit 1 in the next: digits and letters become others of their kind, too
    const copy = Uint8Array.from(bytes);
    copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
    return [`bit ${at % 8} of byte ${at} of the ${WORDS[part]} changed`, { [part]: copy }] as const;
  });
  return await refusesEach(subject, variants);
}

async function cut(subject: Subject, part: Part): Promise<Findings> {
  const bytes = (await subject.good())[part];
  // the host sends no empty ciphertext
  const least = part === "ciphertext" ? 1 : 0;
  const variants = Array.from({ length: bytes.length - least }, (_, i) => {
    const size = i + least;
    return [
      `${size} of the ${bytes.length} bytes of the ${WORDS[part]}`,
      { [part]: bytes.subarray(0, size) },
    ] as const;
  });
  return await refusesEach(subject, variants);
}

async function longer(subject: Subject, part: Part): Promise<Findings> {
  const bytes = (await subject.good())[part];
  const extra = ["00", "0a", "20", "3d", "41", "00".repeat(16)].map((hex) => Buffer.from(hex, "hex"));
  const variants = extra.flatMap((more) => {
    const hex = more.toString("hex");
    return [
      [`the bytes ${hex} after the ${WORDS[part]}`, { [part]: Buffer.concat([bytes, more]) }] as const,
      [`the bytes ${hex} before the ${WORDS[part]}`, { [part]: Buffer.concat([more, bytes]) }] as const,
    ];
  });
  return await refusesEach(subject, [
    ...variants,
    [`the ${WORDS[part]} twice`, { [part]: Buffer.concat([bytes, bytes]).subarray(0, 1023) }],
  ]);
}

async function randomCiphertexts(subject: Subject): Promise<Findings> {
  const { ciphertext } = await subject.good();
  const sizes = [1, 2, 16, 28, 29, 30, 45, 61, ciphertext.length, 512, 1023];
  return await refusesEach(
    subject,
    sizes.map(
      (size) => [`${size} random bytes as the ciphertext`, { ciphertext: randomBytes(size) }] as const,
    ),
  );
}

function bound(run: (subject: Subject) => Promise<Findings>): (subject: Subject) => Promise<Findings> {
  return async (subject) =>
    subject.options.binds
      ? await run(subject)
      : { skipped: "the fixture says that the KMS binds no associated data" };
}

const NO_ANNOTATIONS = { skipped: "Encrypt returns no annotations" };

async function annotationBytes(subject: Subject): Promise<Findings> {
  const { annotations } = await subject.good();
  if (annotations.length === 0) return NO_ANNOTATIONS;
  const variants = annotations.flatMap(({ name, value }, index) =>
    Array.from(value, (_, at) => {
      const copy = Uint8Array.from(value);
      copy[at] = (copy[at] ?? 0) ^ (1 << (at % 8));
      return [
        `byte ${at} of the annotation ${name} changed`,
        { annotations: annotations.with(index, { name, value: copy }) },
      ] as const;
    }),
  );
  return await refusesEach(subject, variants);
}

async function annotationsMissing(subject: Subject): Promise<Findings> {
  const { annotations } = await subject.good();
  if (annotations.length === 0) return NO_ANNOTATIONS;
  return await refusesEach(
    subject,
    annotations.map(
      ({ name }, index) =>
        [`no annotation ${name}`, { annotations: annotations.toSpliced(index, 1) }] as const,
    ),
  );
}

async function annotationsExchanged(subject: Subject): Promise<Findings> {
  const good = await subject.good();
  if (good.annotations.length === 0) return NO_ANNOTATIONS;
  const other = await subject.seal({ version: good.version });
  const isSame = other.annotations.every(
    ({ value }, i) => Buffer.compare(value, good.annotations[i]?.value ?? value) === 0,
  );
  if (isSame) return { skipped: "the annotations of two objects are the same" };
  return await refusesEach(subject, [
    ["the annotations of another object", { annotations: other.annotations }],
  ]);
}

async function foreignAnnotation(subject: Subject): Promise<Findings> {
  const { annotations } = await subject.good();
  const foreign = { name: "conformance.kleidi.example", value: Buffer.from("1") };
  return await refusesEach(subject, [
    ["an annotation that Encrypt did not make", { annotations: [...annotations, foreign] }],
  ]);
}

async function equalPlaintexts(subject: Subject): Promise<Findings> {
  const { version, plaintext, associatedData } = await subject.good();
  const all = await Promise.all(
    Array.from({ length: EQUALS }, () => subject.seal({ version, plaintext, associatedData })),
  );
  const texts = all.map(({ ciphertext }) => Buffer.from(ciphertext));
  const distinct = new Set(texts.map((each) => each.toString("hex"))).size;
  if (distinct < EQUALS)
    return [`${EQUALS} Encrypts of one plaintext gave ${distinct} different ciphertexts`];
  const size = Math.min(...texts.map(({ length }) => length));
  const different = Array.from({ length: size }).filter(
    (_, at) => new Set(texts.map((each) => each[at])).size > 1,
  ).length;
  return different >= MIN_DIFFERENT
    ? []
    : [
        `${EQUALS} ciphertexts of one plaintext differ in ${different} bytes, at least ${MIN_DIFFERENT} are expected of a nonce`,
      ];
}

async function nothingStored(subject: Subject): Promise<Findings> {
  const { version } = await subject.good();
  return await eachOf(subject, [32, 64, 512], async (size) => {
    const { plaintext, ciphertext, annotations } = await subject.seal({
      version,
      plaintext: randomBytes(size),
    });
    const stored: [string, Uint8Array][] = [
      ["the ciphertext", ciphertext],
      ...annotations.flatMap(({ name, value }): [string, Uint8Array][] => [
        ["the name of an annotation", Buffer.from(name)],
        ["an annotation", value],
      ]),
      [
        "the ciphertext and the annotations together",
        Buffer.concat([ciphertext, ...annotations.map(({ value }) => value)]),
      ],
    ];
    const found = stored.flatMap(([what, bytes]) => {
      const form = formIn(bytes, plaintext);
      return form === undefined ? [] : [`Encrypt of ${size} bytes: ${what} has the plaintext ${form}`];
    });
    return found[0];
  });
}
