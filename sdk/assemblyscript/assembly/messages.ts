/**
 * The messages of proto/provider/v1/provider.proto that cross the guest's exports. Requests are only read and
 * replies only written. `decode` gives null where the bytes are not the message.
 */
import { utf8 } from "./bytes";
import { Failure } from "./failure";
import { Reader, Writer } from "./protobuf";

/** Public bytes that are kept beside a ciphertext. The name is a domain name that the provider's author owns. */
export class Annotation {
  constructor(
    public name: string = "",
    public value: Uint8Array = new Uint8Array(0),
  ) {}

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

  encode(): Uint8Array {
    return new Writer().string(1, this.name).bytesValue(2, this.value).finish();
  }
}

/** What the operator wrote under the key's `settings`. */
export class Setting {
  constructor(
    public name: string = "",
    public value: string = "",
  ) {}

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

  encode(): Uint8Array {
    return new Writer().string(1, this.name).string(2, this.value).finish();
  }
}

/** Reads one setting of a request; the reader is not ok where it is none. */
function addSetting(reader: Reader, settings: Setting[]): void {
  const setting = Setting.decode(reader.bytesValue());
  if (setting == null) reader.ok = false;
  else settings.push(setting);
}

export class StatusRequest {
  key: string = "";
  settings: Setting[] = [];

  static decode(bytes: Uint8Array): StatusRequest | null {
    const reader = new Reader(bytes);
    const it = new StatusRequest();
    while (reader.next()) {
      if (reader.field === 1) it.key = reader.string();
      else if (reader.field === 2) addSetting(reader, it.settings);
      else reader.skip();
    }
    return reader.ok ? it : null;
  }
}

export class EncryptRequest {
  key: string = "";
  version: string = "";
  plaintext: Uint8Array = new Uint8Array(0);
  associated_data: Uint8Array = new Uint8Array(0);
  settings: Setting[] = [];

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

export class DecryptRequest {
  key: string = "";
  version: string = "";
  ciphertext: Uint8Array = new Uint8Array(0);
  associated_data: Uint8Array = new Uint8Array(0);
  annotations: Annotation[] = [];
  settings: Setting[] = [];

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
      else reader.skip();
    }
    return reader.ok ? it : null;
  }
}

/** `scheme`: "" or one that the provider's page names. `import`, as the contract calls it: key material from outside, or no bytes. */
export class ProvisionRequest {
  key: string = "";
  scheme: string = "";
  imported: Uint8Array = new Uint8Array(0);
  settings: Setting[] = [];

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

/** `version`: 1 to 128 bytes of UTF-8, never used again for other key material. */
export class StatusReply {
  failure: Failure | null = null;
  older_versions: string[] = [];

  constructor(public version: string = "") {}

  encode(): Uint8Array {
    const writer = new Writer();
    const failure = this.failure;
    if (failure) return writer.element(1, failure.encode()).finish();
    writer.string(2, this.version);
    for (let i = 0; i < this.older_versions.length; i++) {
      writer.element(3, utf8(this.older_versions[i]));
    }
    return writer.finish();
  }
}

/** `ciphertext`: 1 to 1,023 bytes. */
export class EncryptReply {
  failure: Failure | null = null;
  annotations: Annotation[] = [];

  constructor(public ciphertext: Uint8Array = new Uint8Array(0)) {}

  encode(): Uint8Array {
    const writer = new Writer();
    const failure = this.failure;
    if (failure) return writer.element(1, failure.encode()).finish();
    writer.bytesValue(2, this.ciphertext);
    for (let i = 0; i < this.annotations.length; i++) writer.element(3, this.annotations[i].encode());
    return writer.finish();
  }
}

/** `plaintext`: 1 to 512 bytes. */
export class DecryptReply {
  failure: Failure | null = null;

  constructor(public plaintext: Uint8Array = new Uint8Array(0)) {}

  encode(): Uint8Array {
    const failure = this.failure;
    if (failure) return new Writer().element(1, failure.encode()).finish();
    return new Writer().bytesValue(2, this.plaintext).finish();
  }
}

/** `version`: what Status will name for the key. */
export class ProvisionReply {
  failure: Failure | null = null;

  constructor(public version: string = "") {}

  encode(): Uint8Array {
    const failure = this.failure;
    if (failure) return new Writer().element(1, failure.encode()).finish();
    return new Writer().string(2, this.version).finish();
  }
}
