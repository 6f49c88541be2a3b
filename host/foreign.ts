/**
 * The formats of other KMS v2 plugins whose objects a key with `foreign` decrypts (docs/foreign-formats.md). A format is a row here, and an
 * answer of a provider to its name; nothing else lists them.
 */

export interface ForeignFormat {
  /** Every key_id that the plugin can store. None of them begins like one of kleidí, "k1.", and none is that of another format. */
  readonly keyId: RegExp;
  /** The annotations of each of its objects, all of them, as text. */
  readonly annotations: Readonly<Record<string, string>>;
}

export const FOREIGN_FORMATS = {
  "vault-kubernetes-kms": { keyId: /^[1-9][0-9]{0,9}$/, annotations: {} },
  "kleidi-go-vault": {
    keyId: /^kleidi-kms-plugin_[1-9][0-9]{0,9}_[0-9]{1,16}$/,
    annotations: { "v2.kleidi.beezy.dev": "1" },
  },
  "kleidi-go-softhsm": { keyId: /^kleidi-kms-plugin$/, annotations: { "v2.kleidi.beezy.dev": "1" } },
  "aws-encryption-provider": {
    // As KMS names a key: the ARN of a key or an alias, an alias, or the id of a key, also of a multi-Region key.
    keyId:
      /^(?:arn:aws[a-z-]{0,16}:kms:[a-z0-9-]{1,32}:[0-9]{12}:(?:key|alias)\/|alias\/)[A-Za-z0-9/_-]{1,256}$|^(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/,
    annotations: {},
  },
} as const satisfies Readonly<Record<string, ForeignFormat>>;

export type ForeignName = keyof typeof FOREIGN_FORMATS;

export const FOREIGN_NAMES = Object.keys(FOREIGN_FORMATS) as readonly ForeignName[] as readonly [
  ForeignName,
  ...ForeignName[],
];

/**
 * Finds the format of a stored object by its key_id and its annotations, which must be exactly those of the format.
 * @returns undefined if no format has such objects
 * @example foreignFormatOf("3", {}) // "vault-kubernetes-kms"
 */
export function foreignFormatOf(
  keyId: string,
  annotations: Readonly<Record<string, Uint8Array>>,
): ForeignName | undefined {
  return FOREIGN_NAMES.find((name) => {
    const format: ForeignFormat = FOREIGN_FORMATS[name];
    return format.keyId.test(keyId) && areAnnotations(annotations, format.annotations);
  });
}

function areAnnotations(
  stored: Readonly<Record<string, Uint8Array>>,
  expected: Readonly<Record<string, string>>,
): boolean {
  const names = Object.keys(stored);
  return (
    names.length === Object.keys(expected).length &&
    names.every(
      (name) =>
        Object.hasOwn(expected, name) && isText(stored[name] ?? new Uint8Array(), expected[name] ?? ""),
    )
  );
}

function isText(bytes: Uint8Array, text: string): boolean {
  return bytes.length === text.length && bytes.every((byte, i) => byte === text.charCodeAt(i));
}
