/*
 * kleidi.h: write a provider of kleidi in C (docs/ABI.md, ABI 1). One header, no library:
 *
 *     clang --target=wasm32 -nostdlib -ffreestanding -O2 -Wl,--no-entry -o raw.wasm provider.c
 *
 * or "kleidi provider build" in the folder, which also attaches the manifest. Include it in one file only. The provider is three
 * functions, and KL_PROVIDER(status, encrypt, decrypt) exports them. Every call has a new instance: nothing is freed, and no variable
 * lives longer than a call. A reader that fails returns an empty kl_bytes whose data is NULL.
 *
 * No function pointer is used: with a table the host could not tell the RPCs apart (docs/ABI.md, section 6).
 */
#ifndef KLEIDI_H
#define KLEIDI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- bytes ---- */

/* Bytes, without a NUL behind them. No bytes of a failed reader: data is NULL. */
typedef struct {
  const uint8_t *data;
  size_t size;
} kl_bytes;

/* A string literal as bytes. */
#define KL_TEXT(literal) ((kl_bytes){(const uint8_t *)(literal), sizeof(literal) - 1})
#define KL_NONE ((kl_bytes){NULL, 0})
#define KL_UNUSED __attribute__((unused)) static

/* The compiler calls these for copies and for values at the start of a variable. */
__attribute__((used)) void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  uint8_t *out = to;
  const uint8_t *in = from;
  for (size_t i = 0; i < size; i++) out[i] = in[i];
  return to;
}
__attribute__((used)) void *memmove(void *to, const void *from, size_t size) {
  uint8_t *out = to;
  const uint8_t *in = from;
  if (out < in)
    for (size_t i = 0; i < size; i++) out[i] = in[i];
  else
    for (size_t i = size; i > 0; i--) out[i - 1] = in[i - 1];
  return to;
}
__attribute__((used)) void *memset(void *to, int value, size_t size) {
  uint8_t *out = to;
  for (size_t i = 0; i < size; i++) out[i] = (uint8_t)value;
  return to;
}
__attribute__((used)) int memcmp(const void *left, const void *right, size_t size) {
  const uint8_t *a = left, *b = right;
  for (size_t i = 0; i < size; i++)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

/* ---- imports (sections 3 and 5) ---- */

#define KL_IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define KL_EXTISM(name) KL_IMPORT("extism:host/env", name)
KL_EXTISM("input_length") uint64_t kl_input_length(void);
KL_EXTISM("input_load_u8") uint32_t kl_input_load_u8(uint64_t);
KL_EXTISM("alloc") uint64_t kl_block_alloc(uint64_t);
KL_EXTISM("free") void kl_block_free(uint64_t);
KL_EXTISM("length") uint64_t kl_block_length(uint64_t);
KL_EXTISM("load_u8") uint32_t kl_block_load_u8(uint64_t);
KL_EXTISM("store_u8") void kl_block_store_u8(uint64_t, uint32_t);
KL_EXTISM("output_set") void kl_output_set(uint64_t, uint64_t);
KL_EXTISM("error_set") void kl_error_set(uint64_t);

/* A host call: KL_HOST_CALL(kl_net_request, request). An import that is not called is not in the module. */
KL_IMPORT("kleidi:log", "write") uint64_t kl_log_write(uint64_t);
KL_IMPORT("kleidi:crypto", "random") uint64_t kl_crypto_random(uint64_t);
KL_IMPORT("kleidi:crypto", "digest") uint64_t kl_crypto_digest(uint64_t);
KL_IMPORT("kleidi:crypto", "hmac") uint64_t kl_crypto_hmac(uint64_t);
KL_IMPORT("kleidi:crypto", "hkdf") uint64_t kl_crypto_hkdf(uint64_t);
KL_IMPORT("kleidi:crypto", "aead_seal") uint64_t kl_crypto_aead_seal(uint64_t);
KL_IMPORT("kleidi:crypto", "aead_open") uint64_t kl_crypto_aead_open(uint64_t);
KL_IMPORT("kleidi:keystore", "info") uint64_t kl_keystore_info(uint64_t);
KL_IMPORT("kleidi:keystore", "seal") uint64_t kl_keystore_seal(uint64_t);
KL_IMPORT("kleidi:keystore", "open") uint64_t kl_keystore_open(uint64_t);
KL_IMPORT("kleidi:net", "request") uint64_t kl_net_request(uint64_t);
KL_IMPORT("kleidi:pkcs11", "find") uint64_t kl_pkcs11_find(uint64_t);
KL_IMPORT("kleidi:pkcs11", "encrypt") uint64_t kl_pkcs11_encrypt(uint64_t);
KL_IMPORT("kleidi:pkcs11", "decrypt") uint64_t kl_pkcs11_decrypt(uint64_t);

/* ---- the arena ---- */

#ifndef KL_ARENA_SIZE
#define KL_ARENA_SIZE (1024 * 1024)
#endif
static _Alignas(16) uint8_t kl_arena[KL_ARENA_SIZE];
static size_t kl_arena_used;

/* Ends the call. With "kleidi provider build --dev" the host's log has the text and the line. */
#ifdef KLEIDI_DEV
_Noreturn KL_UNUSED void kl_abort_at(kl_bytes text) {
  uint64_t block = kl_block_alloc(text.size);
  for (size_t i = 0; i < text.size; i++) kl_block_store_u8(block + i, text.data[i]);
  kl_error_set(block);
  __builtin_trap();
}
#define KL_STRING(x) #x
#define KL_LINE(x) KL_STRING(x)
#define KL_ABORT(text) kl_abort_at(KL_TEXT(text " in " __FILE__ ":" KL_LINE(__LINE__)))
#else
#define KL_ABORT(text) __builtin_trap()
#endif

/* Memory for the rest of the call. */
KL_UNUSED void *kl_alloc(size_t size) {
  size_t rounded = (size + 15) & ~(size_t)15;
  if (rounded < size || rounded > KL_ARENA_SIZE - kl_arena_used) KL_ABORT("the arena is full");
  void *at = kl_arena + kl_arena_used;
  kl_arena_used += rounded;
  return at;
}

KL_UNUSED bool kl_same(kl_bytes a, kl_bytes b) {
  return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* ---- a growing text, for messages, paths and bodies ---- */

typedef struct {
  uint8_t *data;
  size_t size, room;
} kl_writer;

KL_UNUSED void kl_put(kl_writer *out, kl_bytes bytes) {
  if (bytes.size > out->room - out->size) {
    size_t room = (out->room + bytes.size) * 2 + 64;
    uint8_t *larger = kl_alloc(room);
    if (out->size > 0) memcpy(larger, out->data, out->size);
    out->data = larger;
    out->room = room;
  }
  if (bytes.size > 0) memcpy(out->data + out->size, bytes.data, bytes.size);
  out->size += bytes.size;
}
KL_UNUSED void kl_put_byte(kl_writer *out, uint8_t byte) { kl_put(out, (kl_bytes){&byte, 1}); }
KL_UNUSED kl_bytes kl_written(const kl_writer *out) { return (kl_bytes){out->data, out->size}; }

KL_UNUSED kl_bytes kl_join(kl_bytes a, kl_bytes b, kl_bytes c) {
  kl_writer out = {0};
  kl_put(&out, a);
  kl_put(&out, b);
  kl_put(&out, c);
  return kl_written(&out);
}

/* ---- protobuf (section 4) ---- */

typedef struct {
  kl_bytes in;
  size_t at;
  bool ok;
  uint32_t field;
  uint32_t type;
  uint64_t number; /* of a VARINT field */
  kl_bytes bytes;  /* of a LEN field */
} kl_reader;

KL_UNUSED bool kl_varint(kl_reader *r, uint64_t *value) {
  *value = 0;
  for (uint32_t shift = 0; shift < 70; shift += 7) {
    if (r->at >= r->in.size) return false;
    uint8_t byte = r->in.data[r->at++];
    if (shift == 63 && byte > 1) return false;
    *value |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) return true;
  }
  return false;
}

#define KL_MAX_GROUPS 32
KL_UNUSED bool kl_read_field(kl_reader *r, uint32_t depth);

/* Passes the fields up to the end of a group. */
KL_UNUSED bool kl_pass_group(kl_reader *r, uint32_t group, uint32_t depth) {
  if (depth == KL_MAX_GROUPS) return false;
  while (kl_read_field(r, depth + 1))
    if (r->type == 4) return r->field == group;
  return false;
}

KL_UNUSED bool kl_read_field(kl_reader *r, uint32_t depth) {
  uint64_t key, size = 0;
  if (!kl_varint(r, &key) || key >> 3 == 0 || key >> 32 != 0) return false;
  uint32_t field = r->field = (uint32_t)(key >> 3);
  uint32_t type = r->type = (uint32_t)(key & 7);
  r->bytes = KL_NONE;
  if (type == 4) return depth > 0;
  if (type == 3) {
    if (!kl_pass_group(r, field, depth)) return false;
    r->field = field;
    r->type = type;
    return true;
  }
  if (type == 0) return kl_varint(r, &r->number);
  if (type == 1) size = 8;
  else if (type == 5) size = 4;
  else if (type != 2 || !kl_varint(r, &size)) return false;
  if (size > r->in.size - r->at) return false;
  r->bytes = (kl_bytes){r->in.data + r->at, (size_t)size};
  r->at += (size_t)size;
  return true;
}

/* Reads the next field. False at the end, and with ok false in a malformed message. Unknown fields of each wire type pass by. */
KL_UNUSED bool kl_next(kl_reader *r) {
  if (r->at == r->in.size || !r->ok) return false;
  return r->ok = kl_read_field(r, 0);
}

/* A known field must have its wire type: 0 VARINT, 2 LEN. */
KL_UNUSED bool kl_is(kl_reader *r, uint32_t field, uint32_t type) {
  if (r->field != field) return false;
  if (r->type != type) r->ok = false;
  return r->ok;
}

KL_UNUSED void kl_put_varint(kl_writer *out, uint64_t value) {
  for (; value > 127; value >>= 7) kl_put_byte(out, (uint8_t)(value & 127) | 128);
  kl_put_byte(out, (uint8_t)value);
}
KL_UNUSED void kl_put_number(kl_writer *out, uint32_t field, uint64_t value) {
  if (value == 0) return;
  kl_put_varint(out, (uint64_t)field << 3);
  kl_put_varint(out, value);
}
KL_UNUSED void kl_put_bytes(kl_writer *out, uint32_t field, kl_bytes bytes) {
  if (bytes.size == 0) return;
  kl_put_varint(out, (uint64_t)field << 3 | 2);
  kl_put_varint(out, bytes.size);
  kl_put(out, bytes);
}

/* ---- blocks (section 3) ---- */

KL_UNUSED uint64_t kl_to_block(kl_bytes bytes) {
  if (bytes.size == 0) return 0;
  uint64_t block = kl_block_alloc(bytes.size);
  for (size_t i = 0; i < bytes.size; i++) kl_block_store_u8(block + i, bytes.data[i]);
  return block;
}

KL_UNUSED kl_bytes kl_from_block(uint64_t block) {
  size_t size = (size_t)kl_block_length(block);
  uint8_t *data = kl_alloc(size);
  for (size_t i = 0; i < size; i++) data[i] = (uint8_t)kl_block_load_u8(block + i);
  return (kl_bytes){data, size};
}

/* ---- host calls (section 5) ---- */

enum { KL_OK, KL_DENIED, KL_INVALID, KL_NOT_FOUND, KL_NOT_AUTHENTIC, KL_UNAVAILABLE, KL_LIMIT };

typedef struct {
  uint32_t code;
  kl_bytes message, body;
} kl_host_reply;

/* Reads a reply and frees both blocks. */
KL_UNUSED kl_host_reply kl_finish(uint64_t request, uint64_t block) {
  kl_host_reply reply = {0};
  kl_reader r = {.in = kl_from_block(block), .ok = true};
  if (request != 0) kl_block_free(request);
  kl_block_free(block);
  while (kl_next(&r)) {
    if (kl_is(&r, 1, 0)) reply.code = (uint32_t)r.number;
    else if (kl_is(&r, 2, 2)) reply.message = r.bytes;
    else if (kl_is(&r, 3, 2)) reply.body = r.bytes;
  }
  if (!r.ok) KL_ABORT("a malformed reply of the host");
  return reply;
}

#define KL_HOST_CALL(import, request)            \
  ({                                             \
    uint64_t kl_request_ = kl_to_block(request); \
    kl_finish(kl_request_, import(kl_request_)); \
  })

typedef struct {
  kl_host_reply host;
  uint32_t status; /* 0 if there was no response */
  kl_bytes body;
} kl_response;

/* One request to the granted origin. The body is JSON, or nothing. */
KL_UNUSED kl_response kl_http(kl_bytes method, kl_bytes path, kl_bytes body) {
  kl_writer header = {0}, out = {0};
  kl_put_bytes(&out, 1, method);
  kl_put_bytes(&out, 2, path);
  if (body.size > 0) {
    kl_put_bytes(&header, 1, KL_TEXT("content-type"));
    kl_put_bytes(&header, 2, KL_TEXT("application/json"));
    kl_put_bytes(&out, 3, kl_written(&header));
    kl_put_bytes(&out, 4, body);
  }
  kl_response response = {.host = KL_HOST_CALL(kl_net_request, kl_written(&out))};
  kl_reader r = {.in = response.host.body, .ok = response.host.code == KL_OK};
  while (kl_next(&r)) {
    if (kl_is(&r, 1, 0)) response.status = (uint32_t)r.number;
    else if (kl_is(&r, 3, 2)) response.body = r.bytes;
  }
  return response;
}

/* ---- base64 (RFC 4648, section 4): padded, no line breaks, no stray bits ---- */

KL_UNUSED kl_bytes kl_base64(kl_bytes in) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  uint8_t *out = kl_alloc((in.size + 2) / 3 * 4);
  size_t size = 0;
  for (size_t i = 0; i < in.size; i += 3) {
    size_t left = in.size - i;
    uint32_t bits = (uint32_t)in.data[i] << 16;
    if (left > 1) bits |= (uint32_t)in.data[i + 1] << 8;
    if (left > 2) bits |= in.data[i + 2];
    out[size++] = (uint8_t)letters[bits >> 18];
    out[size++] = (uint8_t)letters[bits >> 12 & 63];
    out[size++] = left > 1 ? (uint8_t)letters[bits >> 6 & 63] : '=';
    out[size++] = left > 2 ? (uint8_t)letters[bits & 63] : '=';
  }
  return (kl_bytes){out, size};
}

KL_UNUSED int kl_base64_value(uint8_t c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  return c == '+' ? 62 : c == '/' ? 63 : -1;
}

KL_UNUSED kl_bytes kl_unbase64(kl_bytes in) {
  if (in.data == NULL || in.size % 4 != 0) return KL_NONE;
  size_t end = in.size, padding = 0;
  for (; padding < 2 && end > 0 && in.data[end - 1] == '='; padding++) end--;
  uint8_t *out = kl_alloc(in.size);
  size_t size = 0;
  uint32_t bits = 0;
  for (size_t i = 0; i < end; i++) {
    int value = kl_base64_value(in.data[i]);
    if (value < 0) return KL_NONE;
    bits = bits << 6 | (uint32_t)value;
    if (i % 4 != 0) out[size++] = (uint8_t)(bits >> (6 - i % 4 * 2));
  }
  /* the bits behind the last byte */
  uint32_t stray = padding == 1 ? bits & 3 : padding == 2 ? bits & 15 : 0;
  return stray == 0 ? (kl_bytes){out, size} : KL_NONE;
}

/* ---- JSON (RFC 8259) ---- */

typedef struct {
  kl_bytes in;
  size_t at;
  uint32_t depth;
} kl_json_reader;

KL_UNUSED void kl_json_space(kl_json_reader *r) {
  for (; r->at < r->in.size; r->at++) {
    uint8_t c = r->in.data[r->at];
    if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
  }
}
KL_UNUSED bool kl_json_take(kl_json_reader *r, uint8_t c) {
  kl_json_space(r);
  if (r->at >= r->in.size || r->in.data[r->at] != c) return false;
  r->at++;
  return true;
}
KL_UNUSED bool kl_json_word(kl_json_reader *r, kl_bytes word) {
  if (word.size > r->in.size - r->at || memcmp(r->in.data + r->at, word.data, word.size) != 0) return false;
  r->at += word.size;
  return true;
}

/* Reads a string. \u escapes above ASCII are refused: versions, base64 and error names have none. */
KL_UNUSED bool kl_json_string(kl_json_reader *r, kl_bytes *value) {
  if (!kl_json_take(r, '"')) return false;
  uint8_t *out = kl_alloc(r->in.size - r->at);
  size_t size = 0;
  while (r->at < r->in.size) {
    uint8_t c = r->in.data[r->at++];
    if (c == '"') {
      *value = (kl_bytes){out, size};
      return true;
    }
    if (c < 0x20) return false;
    if (c == '\\') {
      if (r->at >= r->in.size) return false;
      c = r->in.data[r->at++];
      if (c == 'n') c = '\n';
      else if (c == 't') c = '\t';
      else if (c == 'r') c = '\r';
      else if (c == 'b') c = '\b';
      else if (c == 'f') c = '\f';
      else if (c == 'u') {
        uint32_t code = 0;
        for (int i = 0; i < 4; i++) {
          if (r->at >= r->in.size) return false;
          uint8_t h = r->in.data[r->at++];
          uint32_t digit = h >= '0' && h <= '9' ? h - '0' : h >= 'a' && h <= 'f' ? h - 'a' + 10 : h >= 'A' && h <= 'F' ? h - 'A' + 10 : 16;
          if (digit > 15) return false;
          code = code << 4 | digit;
        }
        if (code > 127) return false;
        c = (uint8_t)code;
      } else if (c != '"' && c != '\\' && c != '/') return false;
    }
    out[size++] = c;
  }
  return false;
}

/* Passes one value of any type. */
KL_UNUSED bool kl_json_skip(kl_json_reader *r) {
  kl_bytes text;
  kl_json_space(r);
  if (r->at >= r->in.size || r->depth > 32) return false;
  uint8_t c = r->in.data[r->at];
  if (c == '"') return kl_json_string(r, &text);
  if (c == '{' || c == '[') {
    uint8_t end = c == '{' ? '}' : ']';
    r->at++;
    r->depth++;
    if (kl_json_take(r, end)) return r->depth--, true;
    do {
      if (c == '{' && (!kl_json_string(r, &text) || !kl_json_take(r, ':'))) return false;
      if (!kl_json_skip(r)) return false;
    } while (kl_json_take(r, ','));
    r->depth--;
    return kl_json_take(r, end);
  }
  if (kl_json_word(r, KL_TEXT("true")) || kl_json_word(r, KL_TEXT("false")) || kl_json_word(r, KL_TEXT("null"))) return true;
  size_t from = r->at;
  for (; r->at < r->in.size; r->at++) {
    c = r->in.data[r->at];
    if (!(c >= '0' && c <= '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E') break;
  }
  return r->at > from;
}

/* The text of a member of the object that is the whole document. NULL if it is missing, twice there, no string, or this is no JSON. */
KL_UNUSED kl_bytes kl_json_text(kl_bytes document, kl_bytes name) {
  kl_json_reader r = {.in = document};
  kl_bytes found = KL_NONE, key;
  uint32_t times = 0;
  if (!kl_json_take(&r, '{')) return KL_NONE;
  if (!kl_json_take(&r, '}')) {
    do {
      kl_json_space(&r);
      if (!kl_json_string(&r, &key) || !kl_json_take(&r, ':')) return KL_NONE;
      kl_json_space(&r);
      bool wanted = kl_same(key, name);
      if (wanted) times++;
      if (wanted && r.at < r.in.size && r.in.data[r.at] == '"') {
        if (!kl_json_string(&r, &found)) return KL_NONE;
      } else if (!kl_json_skip(&r)) return KL_NONE;
    } while (kl_json_take(&r, ','));
    if (!kl_json_take(&r, '}')) return KL_NONE;
  }
  kl_json_space(&r);
  return r.at == document.size && times == 1 ? found : KL_NONE;
}

/* Adds a member to an object: kl_json_put(&body, "name", value), then kl_json_end(&body). */
KL_UNUSED void kl_json_put(kl_writer *out, kl_bytes name, kl_bytes value) {
  static const char hex[] = "0123456789abcdef";
  kl_put_byte(out, out->size == 0 ? '{' : ',');
  for (int part = 0; part < 2; part++) {
    kl_bytes text = part == 0 ? name : value;
    kl_put_byte(out, '"');
    for (size_t i = 0; i < text.size; i++) {
      uint8_t c = text.data[i];
      if (c == '"' || c == '\\') kl_put_byte(out, '\\');
      if (c >= 0x20) kl_put_byte(out, c);
      else {
        kl_put(out, KL_TEXT("\\u00"));
        kl_put_byte(out, (uint8_t)hex[c >> 4]);
        kl_put_byte(out, (uint8_t)hex[c & 15]);
      }
    }
    kl_put_byte(out, '"');
    if (part == 0) kl_put_byte(out, ':');
  }
}
KL_UNUSED kl_bytes kl_json_end(kl_writer *out) {
  if (out->size == 0) kl_put_byte(out, '{');
  kl_put_byte(out, '}');
  return kl_written(out);
}

/* ---- the RPCs (section 4) ---- */

/* The codes of a failure. */
enum { KL_NOT_OURS = 1, KL_KEY_UNUSABLE, KL_UNREACHABLE, KL_REFUSED, KL_FAULT };

#define KL_MAX_SETTINGS 16
typedef struct {
  kl_bytes key, version;
  kl_bytes input; /* the plaintext of Encrypt, the ciphertext of Decrypt */
  kl_bytes associated_data;
  bool has_annotations;
  bool is_foreign;
  size_t settings;
  kl_bytes setting_names[KL_MAX_SETTINGS], setting_values[KL_MAX_SETTINGS];
} kl_request;

typedef struct {
  uint32_t failure; /* 0 is success */
  kl_bytes message; /* of a failure: for the host's log; no plaintext, no key */
  kl_bytes output;  /* the version of Status, the ciphertext of Encrypt, the plaintext of Decrypt */
} kl_reply;

KL_UNUSED kl_reply kl_fail(uint32_t code, kl_bytes message) { return (kl_reply){code, message, KL_NONE}; }
KL_UNUSED kl_reply kl_success(kl_bytes output) { return (kl_reply){0, KL_NONE, output}; }

/* The failure for a host call that did not succeed. */
KL_UNUSED kl_reply kl_fail_from(kl_host_reply reply) {
  uint32_t code = reply.code == KL_UNAVAILABLE || reply.code == KL_LIMIT ? KL_UNREACHABLE
                  : reply.code == KL_NOT_AUTHENTIC                      ? KL_REFUSED
                                                                        : KL_FAULT;
  return kl_fail(code, reply.message);
}

/* The operator's setting for the key, or a default. */
KL_UNUSED kl_bytes kl_setting(const kl_request *request, kl_bytes name, kl_bytes otherwise) {
  for (size_t i = 0; i < request->settings; i++)
    if (kl_same(request->setting_names[i], name)) return request->setting_values[i];
  return otherwise;
}

KL_UNUSED void kl_read_setting(kl_request *request, kl_reader *outer) {
  kl_reader r = {.in = outer->bytes, .ok = true};
  if (request->settings == KL_MAX_SETTINGS) KL_ABORT("too many settings");
  size_t i = request->settings++;
  while (kl_next(&r)) {
    if (kl_is(&r, 1, 2)) request->setting_names[i] = r.bytes;
    else if (kl_is(&r, 2, 2)) request->setting_values[i] = r.bytes;
  }
  if (!r.ok) outer->ok = false;
}

enum { KL_STATUS, KL_ENCRYPT, KL_DECRYPT };

/* Reads the request of an RPC. A malformed one ends the call: the host wrote it. */
KL_UNUSED kl_request kl_read_request(int rpc) {
  static const uint32_t setting_field[] = {2, 5, 6}, foreign_field[] = {3, 0, 7};
  kl_request request = {0};
  size_t size = (size_t)kl_input_length();
  uint8_t *data = kl_alloc(size);
  for (size_t i = 0; i < size; i++) data[i] = (uint8_t)kl_input_load_u8(i);
  kl_reader r = {.in = {data, size}, .ok = true};
  while (kl_next(&r)) {
    if (kl_is(&r, 1, 2)) request.key = r.bytes;
    else if (kl_is(&r, setting_field[rpc], 2)) kl_read_setting(&request, &r);
    else if (foreign_field[rpc] != 0 && kl_is(&r, foreign_field[rpc], 2)) request.is_foreign = r.bytes.size > 0;
    else if (rpc == KL_STATUS) continue;
    else if (kl_is(&r, 2, 2)) request.version = r.bytes;
    else if (kl_is(&r, 3, 2)) request.input = r.bytes;
    else if (kl_is(&r, 4, 2)) request.associated_data = r.bytes;
    else if (rpc == KL_DECRYPT && kl_is(&r, 5, 2)) request.has_annotations = true;
  }
  if (!r.ok) KL_ABORT("a malformed request of the host");
  return request;
}

KL_UNUSED int32_t kl_write_reply(kl_reply reply) {
  kl_writer failure = {0}, out = {0};
  if (reply.failure != 0) {
    kl_put_number(&failure, 1, reply.failure);
    kl_put_bytes(&failure, 2, (kl_bytes){reply.message.data, reply.message.size > 512 ? 512 : reply.message.size});
    kl_put_bytes(&out, 1, kl_written(&failure));
  } else {
    kl_put_bytes(&out, 2, reply.output);
  }
  if (out.size > 0) kl_output_set(kl_to_block(kl_written(&out)), out.size);
  return 0;
}

#define KL_EXPORT(name, rpc, method)                     \
  __attribute__((export_name(name))) int32_t method##_(void) { \
    kl_request request = kl_read_request(rpc);           \
    return kl_write_reply(method(&request));             \
  }

/* Exports the provider. Each function is `kl_reply f(const kl_request *request)`. */
#define KL_PROVIDER(status, encrypt, decrypt)      \
  KL_EXPORT("kleidi_status", KL_STATUS, status)    \
  KL_EXPORT("kleidi_encrypt", KL_ENCRYPT, encrypt) \
  KL_EXPORT("kleidi_decrypt", KL_DECRYPT, decrypt)

#endif
