/**
 * The messages of proto/provider/v1/provider.proto at the guest's exports. The SDK only reads requests and only writes replies.
 */
import { utf8 } from "./bytes";
import { Failure } from "./failure";
import { Reader, Writer } from "./protobuf";

/**
 * Public bytes that etcd keeps beside a ciphertext, in the clear.
 *
 * @param name a domain name of two labels or more that the provider's author owns; not at or under kleidi.dev
 * @param value any bytes
 * @example
 * ```ts
 * const reply = new EncryptReply(utf8("ciphertext"));
 * reply.annotations.push(new Annotation("nonce.mine.example.com", new Uint8Array(12)));
 * ```
 */
export class Annotation {
  constructor(
    /** A domain name of two labels or more. */
    public name: string = "",
    /** Any bytes; names and values together stay below 32,000 bytes. */
    public value: Uint8Array = new Uint8Array(0),
  ) {}

  /** @internal Reads the message `Annotation`; null if it is malformed. */
  static decode(bytes: Uint8Array): Annotation | null {
    const reader = new Reader(bytes);
    const it = new Annotation();
    while (reader.next()) {
      if (reader.field === 1) it.name = reader.string();
      else if (reader.field === 2) it.value = reader.bytesValue();
      else reader.skip();
    }
    return reader.ok ? it : null;
  }

  /** @internal The message `Annotation`. */
  encode(): Uint8Array {
    return new Writer().string(1, this.name).bytesValue(2, this.value).finish();
  }
}

/**
 * One of the key's `settings` in the configuration. It tells the provider where the key is in its KMS, and carries no authority.
 *
 * @param name 1 to 32 characters of a-z, A-Z and 0-9, the first a letter
 * @param value 1 to 256 printable ASCII characters
 * @example
 * ```ts
 * const setting = new Setting("mount", "transit");
 * if (setting.name !== "mount") log.warn("unknown setting");
 * ```
 */
export class Setting {
  constructor(
    /** 1 to 32 characters. */
    public name: string = "",
    /** 1 to 256 printable ASCII characters. */
    public value: string = "",
  ) {}

  /** @internal Reads the message `Setting`; null if it is malformed. */
  static decode(bytes: Uint8Array): Setting | null {
    const reader = new Reader(bytes);
    const it = new Setting();
    while (reader.next()) {
      if (reader.field === 1) it.name = reader.string();
      else if (reader.field === 2) it.value = reader.string();
      else reader.skip();
    }
    return reader.ok ? it : null;
  }

  /** @internal The message `Setting`. */
  encode(): Uint8Array {
    return new Writer().string(1, this.name).string(2, this.value).finish();
  }
}

/** Reads one setting of a request; a malformed one clears `reader.ok`. */
function addSetting(reader: Reader, settings: Setting[]): void {
  const setting = Setting.decode(reader.bytesValue());
  if (setting == null) reader.ok = false;
  else settings.push(setting);
}

/**
 * The input of Status.
 *
 * @example
 * ```ts
 * const request = new StatusRequest();
 * const info = keystore.info(request.key);
 * ```
 */
export class StatusRequest {
  /** The key's name in the configuration. */
  key: string = "";
  /** At most 16, sorted by name, each name once. Fail with KEY_UNUSABLE on a name that the provider does not know. */
  settings: Setting[] = [];
  /** Another plugin's format, if the key is for its objects; else "". Name their key ids in `foreign_key_ids`, or fail with KEY_UNUSABLE. */
  foreign_format: string = "";

  /** @internal Reads the message `StatusRequest`; null if it is malformed. */
  static decode(bytes: Uint8Array): StatusRequest | null {
    const reader = new Reader(bytes);
    const it = new StatusRequest();
    while (reader.next()) {
      if (reader.field === 1) it.key = reader.string();
      else if (reader.field === 2) addSetting(reader, it.settings);
      else if (reader.field === 3) it.foreign_format = reader.string();
      else reader.skip();
    }
    return reader.ok ? it : null;
  }
}

/**
 * The input of Encrypt.
 *
 * @example
 * ```ts
 * const request = new EncryptRequest();
 * const sealed = keystore.seal(request.key, request.version, request.plaintext, request.associated_data);
 * ```
 */
export class EncryptRequest {
  /** The key's name in the configuration. */
  key: string = "";
  /** The version that Status named, 1 to 128 characters. Use exactly this one, or fail. */
  version: string = "";
  /** 1 to 512 bytes. Never log them. */
  plaintext: Uint8Array = new Uint8Array(0);
  /** Bind it to the ciphertext if the KMS can (docs/ABI.md, section 7). */
  associated_data: Uint8Array = new Uint8Array(0);
  /** At most 16, sorted by name, each name once. Fail with KEY_UNUSABLE on a name that the provider does not know. */
  settings: Setting[] = [];

  /** @internal Reads the message `EncryptRequest`; null if it is malformed. */
  static decode(bytes: Uint8Array): EncryptRequest | null {
    const reader = new Reader(bytes);
    const it = new EncryptRequest();
    while (reader.next()) {
      if (reader.field === 1) it.key = reader.string();
      else if (reader.field === 2) it.version = reader.string();
      else if (reader.field === 3) it.plaintext = reader.bytesValue();
      else if (reader.field === 4) it.associated_data = reader.bytesValue();
      else if (reader.field === 5) addSetting(reader, it.settings);
      else reader.skip();
    }
    return reader.ok ? it : null;
  }
}

/**
 * The input of Decrypt.
 *
 * @example
 * ```ts
 * const request = new DecryptRequest();
 * if (request.ciphertext.length < 30) refuse(`it is ${decimal(request.ciphertext.length)} bytes, at least 30 are needed`);
 * ```
 */
export class DecryptRequest {
  /** The key's name in the configuration. */
  key: string = "";
  /** The version that Status named, 1 to 128 characters. Use exactly this one, or fail. */
  version: string = "";
  /** 1 to 1,023 bytes, from etcd: anybody may have changed them. */
  ciphertext: Uint8Array = new Uint8Array(0);
  /** Bind it to the ciphertext if the KMS can (docs/ABI.md, section 7). */
  associated_data: Uint8Array = new Uint8Array(0);
  /** As Encrypt returned them. Empty unless the provider overrides `writesAnnotations`. */
  annotations: Annotation[] = [];
  /** At most 16, sorted by name, each name once. Fail with KEY_UNUSABLE on a name that the provider does not know. */
  settings: Setting[] = [];
  /** The format of another plugin, if that plugin encrypted the ciphertext; else "". `associated_data` is empty then. */
  foreign_format: string = "";

  /** @internal Reads the message `DecryptRequest`; null if it is malformed. */
  static decode(bytes: Uint8Array): DecryptRequest | null {
    const reader = new Reader(bytes);
    const it = new DecryptRequest();
    while (reader.next()) {
      if (reader.field === 1) it.key = reader.string();
      else if (reader.field === 2) it.version = reader.string();
      else if (reader.field === 3) it.ciphertext = reader.bytesValue();
      else if (reader.field === 4) it.associated_data = reader.bytesValue();
      else if (reader.field === 5) {
        const annotation = Annotation.decode(reader.bytesValue());
        if (annotation == null) reader.ok = false;
        else it.annotations.push(annotation);
      } else if (reader.field === 6) addSetting(reader, it.settings);
      else if (reader.field === 7) it.foreign_format = reader.string();
      else reader.skip();
    }
    return reader.ok ? it : null;
  }
}

/**
 * The input of Provision.
 *
 * @example
 * ```ts
 * const request = new ProvisionRequest();
 * const imports = request.imported.length > 0;
 * ```
 */
export class ProvisionRequest {
  /** The key's name in the configuration. */
  key: string = "";
  /** The kind of key, as the provider's page names it; "" for the default. */
  scheme: string = "";
  /** Key material to import (the field `import` of the contract); empty if the KMS is to create the key. Never log it. */
  imported: Uint8Array = new Uint8Array(0);
  /** At most 16, sorted by name, each name once. Fail with KEY_UNUSABLE on a name that the provider does not know. */
  settings: Setting[] = [];

  /** @internal Reads the message `ProvisionRequest`; null if it is malformed. */
  static decode(bytes: Uint8Array): ProvisionRequest | null {
    const reader = new Reader(bytes);
    const it = new ProvisionRequest();
    while (reader.next()) {
      if (reader.field === 1) it.key = reader.string();
      else if (reader.field === 2) it.scheme = reader.string();
      else if (reader.field === 3) it.imported = reader.bytesValue();
      else if (reader.field === 4) addSetting(reader, it.settings);
      else reader.skip();
    }
    return reader.ok ? it : null;
  }
}

/**
 * Versions of the KMS that Decrypt does not accept now, all for the same reason. For messages: the host refuses nothing because of it.
 *
 * @param reason the versions, and why they cannot be used: a clause of 1 to 512 printable ASCII characters
 * @param remedy the operator's next step: 1 to 512 printable ASCII characters
 * @example
 * ```ts
 * const disabled = new UnusableVersions("versions 1 to 2 are disabled", "enable them: kms enable 1 2");
 * disabled.ciphertext_prefixes.push(utf8("kms:v1:"));
 * ```
 */
export class UnusableVersions {
  /** How each of their ciphertexts begins: 1 to 64 bytes each, at most 256 in all groups of a reply. */
  ciphertext_prefixes: Uint8Array[] = [];

  constructor(
    /** 1 to 512 printable ASCII characters. */
    public reason: string = "",
    /** 1 to 512 printable ASCII characters. */
    public remedy: string = "",
  ) {}

  /** @internal The message `UnusableVersions`. */
  encode(): Uint8Array {
    const writer = new Writer().string(1, this.reason).string(2, this.remedy);
    for (let i = 0; i < this.ciphertext_prefixes.length; i++) {
      writer.element(3, this.ciphertext_prefixes[i]);
    }
    return writer.finish();
  }
}

/**
 * The reply to Status.
 *
 * @param version the version to encrypt with: 1 to 128 printable ASCII characters without a space, never used again for other key material
 * @example
 * ```ts
 * const reply = new StatusReply("v7");
 * reply.older_versions.push("v6");
 * ```
 */
export class StatusReply {
  /** Set by `fail`, `failFrom` and `refuse`; the other fields are ignored then. */
  failure: Failure | null = null;
  /** At most 256 versions that Decrypt still accepts. */
  older_versions: string[] = [];
  /** At most 8 groups of versions that Decrypt does not accept now. */
  unusable: UnusableVersions[] = [];
  /** In reply to `foreign_format`: the key ids of the other plugin's objects that this key decrypts, the newest first, at most 257. */
  foreign_key_ids: string[] = [];

  constructor(
    /** 1 to 128 printable ASCII characters without a space. */
    public version: string = "",
  ) {}

  /** @internal The message `StatusReply`. */
  encode(): Uint8Array {
    const writer = new Writer();
    const failure = this.failure;
    if (failure) return writer.element(1, failure.encode()).finish();
    writer.string(2, this.version);
    for (let i = 0; i < this.older_versions.length; i++) {
      writer.element(3, utf8(this.older_versions[i]));
    }
    for (let i = 0; i < this.unusable.length; i++) writer.element(4, this.unusable[i].encode());
    for (let i = 0; i < this.foreign_key_ids.length; i++) {
      writer.element(5, utf8(this.foreign_key_ids[i]));
    }
    return writer.finish();
  }
}

/**
 * The reply to Encrypt.
 *
 * @param ciphertext 1 to 1,023 bytes
 * @example
 * ```ts
 * const reply = new EncryptReply(utf8("ciphertext"));
 * ```
 */
export class EncryptReply {
  /** Set by `fail`, `failFrom` and `refuse`; the other fields are ignored then. */
  failure: Failure | null = null;
  /** Public bytes to keep beside the ciphertext. Needs `writesAnnotations`. */
  annotations: Annotation[] = [];

  constructor(
    /** 1 to 1,023 bytes. */
    public ciphertext: Uint8Array = new Uint8Array(0),
  ) {}

  /** @internal The message `EncryptReply`. */
  encode(): Uint8Array {
    const writer = new Writer();
    const failure = this.failure;
    if (failure) return writer.element(1, failure.encode()).finish();
    writer.bytesValue(2, this.ciphertext);
    for (let i = 0; i < this.annotations.length; i++) writer.element(3, this.annotations[i].encode());
    return writer.finish();
  }
}

/**
 * The reply to Decrypt.
 *
 * @param plaintext 1 to 512 bytes
 * @example
 * ```ts
 * const reply = new DecryptReply(utf8("seed"));
 * ```
 */
export class DecryptReply {
  /** Set by `fail`, `failFrom` and `refuse`; the other fields are ignored then. */
  failure: Failure | null = null;

  constructor(
    /** 1 to 512 bytes. */
    public plaintext: Uint8Array = new Uint8Array(0),
  ) {}

  /** @internal The message `DecryptReply`. */
  encode(): Uint8Array {
    const failure = this.failure;
    if (failure) return new Writer().element(1, failure.encode()).finish();
    return new Writer().bytesValue(2, this.plaintext).finish();
  }
}

/**
 * The reply to Provision.
 *
 * @param version the version that Status will name for the key
 * @example
 * ```ts
 * const reply = new ProvisionReply("v1");
 * ```
 */
export class ProvisionReply {
  /** Set by `fail`, `failFrom` and `refuse`; the other fields are ignored then. */
  failure: Failure | null = null;

  constructor(
    /** 1 to 128 printable ASCII characters without a space. */
    public version: string = "",
  ) {}

  /** @internal The message `ProvisionReply`. */
  encode(): Uint8Array {
    const failure = this.failure;
    if (failure) return new Writer().element(1, failure.encode()).finish();
    return new Writer().string(2, this.version).finish();
  }
}
