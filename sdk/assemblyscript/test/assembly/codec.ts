/**
 * For codec.test.ts: each export reads its input as the message of its name and writes it again. It returns 1, and writes
 * nothing, if the input is not this message. A message of zero bytes is written as the one byte 00.
 */
import {
  Annotation,
  DecryptReply,
  DecryptRequest,
  EncryptReply,
  EncryptRequest,
  Failure,
  HostReply,
  NetHeader,
  NetResponse,
  ProvisionReply,
  ProvisionRequest,
  Setting,
  StatusReply,
  StatusRequest,
  UnusableVersions,
} from "../../assembly";
import { readInput, writeOutput } from "../../assembly/extism";
import { Reader, Writer } from "../../assembly/protobuf";

export function StatusRequest_(): i32 {
  const it = StatusRequest.decode(readInput());
  if (it === null) return 1;
  return write(
    settings(new Writer().string(1, it.key), 2, it.settings).string(3, it.foreign_format).finish(),
  );
}

export function EncryptRequest_(): i32 {
  const it = EncryptRequest.decode(readInput());
  if (it === null) return 1;
  const writer = new Writer().string(1, it.key).string(2, it.version).bytesValue(3, it.plaintext);
  return write(settings(writer.bytesValue(4, it.associated_data), 5, it.settings).finish());
}

export function DecryptRequest_(): i32 {
  const it = DecryptRequest.decode(readInput());
  if (it === null) return 1;
  const writer = new Writer().string(1, it.key).string(2, it.version).bytesValue(3, it.ciphertext);
  writer.bytesValue(4, it.associated_data);
  for (let i = 0; i < it.annotations.length; i++) writer.element(5, it.annotations[i].encode());
  return write(settings(writer, 6, it.settings).string(7, it.foreign_format).finish());
}

export function ProvisionRequest_(): i32 {
  const it = ProvisionRequest.decode(readInput());
  if (it === null) return 1;
  const writer = new Writer().string(1, it.key).string(2, it.scheme).bytesValue(3, it.imported);
  return write(settings(writer, 4, it.settings).finish());
}

export function HostReply_(): i32 {
  const it = HostReply.decode(readInput());
  if (it === null) return 1;
  return write(new Writer().uint32(1, it.code).string(2, it.message).bytesValue(3, it.body).finish());
}

// The SDK only writes replies; these read them too, with the same reader.

export function StatusReply_(): i32 {
  const reader = new Reader(readInput());
  const it = new StatusReply();
  while (reader.next()) {
    if (reader.field === 1) it.failure = failure(reader);
    else if (reader.field === 2) it.version = reader.string();
    else if (reader.field === 3) it.older_versions.push(reader.string());
    else if (reader.field === 4) it.unusable.push(unusable(reader));
    else if (reader.field === 5) it.foreign_key_ids.push(reader.string());
    else reader.skip();
  }
  return reader.ok ? write(it.encode()) : 1;
}

export function EncryptReply_(): i32 {
  const reader = new Reader(readInput());
  const it = new EncryptReply();
  while (reader.next()) {
    if (reader.field === 1) it.failure = failure(reader);
    else if (reader.field === 2) it.ciphertext = reader.bytesValue();
    else if (reader.field === 3) {
      const annotation = Annotation.decode(reader.bytesValue());
      if (annotation === null) reader.ok = false;
      else it.annotations.push(annotation);
    } else reader.skip();
  }
  return reader.ok ? write(it.encode()) : 1;
}

export function DecryptReply_(): i32 {
  const reader = new Reader(readInput());
  const it = new DecryptReply();
  while (reader.next()) {
    if (reader.field === 1) it.failure = failure(reader);
    else if (reader.field === 2) it.plaintext = reader.bytesValue();
    else reader.skip();
  }
  return reader.ok ? write(it.encode()) : 1;
}

export function ProvisionReply_(): i32 {
  const reader = new Reader(readInput());
  const it = new ProvisionReply();
  while (reader.next()) {
    if (reader.field === 1) it.failure = failure(reader);
    else if (reader.field === 2) it.version = reader.string();
    else reader.skip();
  }
  return reader.ok ? write(it.encode()) : 1;
}

export function NetRequest_(): i32 {
  const reader = new Reader(readInput());
  const writer = new Writer();
  while (reader.next()) {
    if (reader.field === 3) {
      const header = NetHeader.decode(reader.bytesValue());
      if (header === null) reader.ok = false;
      else writer.element(3, header.encode());
    } else if (reader.field === 4) writer.bytesValue(4, reader.bytesValue());
    else if (reader.field < 4) writer.string(reader.field, reader.string());
    else reader.skip();
  }
  return reader.ok ? write(writer.finish()) : 1;
}

export function NetResponse_(): i32 {
  const it = NetResponse.decode(readInput());
  if (it === null) return 1;
  const writer = new Writer().uint32(1, it.status);
  for (let i = 0; i < it.headers.length; i++) writer.element(2, it.headers[i].encode());
  return write(writer.bytesValue(3, it.body).finish());
}

function settings(writer: Writer, field: u32, all: Setting[]): Writer {
  for (let i = 0; i < all.length; i++) writer.element(field, all[i].encode());
  return writer;
}

function unusable(outer: Reader): UnusableVersions {
  const reader = new Reader(outer.bytesValue());
  const it = new UnusableVersions();
  while (reader.next()) {
    if (reader.field === 1) it.reason = reader.string();
    else if (reader.field === 2) it.remedy = reader.string();
    else if (reader.field === 3) it.ciphertext_prefixes.push(reader.bytesValue());
    else reader.skip();
  }
  if (!reader.ok) outer.ok = false;
  return it;
}

function failure(outer: Reader): Failure {
  const reader = new Reader(outer.bytesValue());
  const it = new Failure(0, "");
  while (reader.next()) {
    if (reader.field === 1) it.code = reader.uint32();
    else if (reader.field === 2) it.message = reader.string();
    else reader.skip();
  }
  if (!reader.ok) outer.ok = false;
  return it;
}

function write(bytes: Uint8Array): i32 {
  writeOutput(bytes.length === 0 ? new Uint8Array(1) : bytes);
  return 0;
}
