/*
 * A provider for a KMS with three requests over HTTP:
 *
 *     GET  /v1/keys/KEY          -> {"version":"3"}
 *     POST /v1/keys/KEY/encrypt  {"version":"3","plaintext":BASE64,"associatedData":BASE64} -> {"ciphertext":BASE64}
 *     POST /v1/keys/KEY/decrypt  {"version":"3","ciphertext":BASE64,"associatedData":BASE64} -> {"plaintext":BASE64}
 *
 * KEY is the setting "key" of the configuration, or the key's name there. Replace the requests and the answers with those of your KMS.
 */
#include "kleidi.h"

enum { MAX_VERSION = 128, MAX_CIPHERTEXT = 1023, MAX_PLAINTEXT = 512 };

/* The path of a request; NULL if the key cannot be in one. */
static kl_bytes path_of(const kl_request *request, kl_bytes operation) {
  kl_bytes key = kl_setting(request, KL_TEXT("key"), request->key);
  for (size_t i = 0; i < key.size; i++) {
    uint8_t c = key.data[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && c != '-' && c != '_') return KL_NONE;
  }
  return key.size == 0 ? KL_NONE : kl_join(KL_TEXT("/v1/keys/"), key, operation);
}

/* The failure of a response that is no success. */
static kl_reply refusal(kl_response response) {
  uint32_t status = response.status;
  if (response.host.code != KL_OK) return kl_fail_from(response.host);
  if (status == 400) return kl_fail(KL_NOT_OURS, KL_TEXT("the KMS refused the ciphertext"));
  if (status == 404 || status == 409) return kl_fail(KL_KEY_UNUSABLE, KL_TEXT("the KMS does not have the key, or not this version"));
  if (status == 401 || status == 403) return kl_fail(KL_REFUSED, KL_TEXT("the KMS refused the credential"));
  if (status == 429 || status >= 500) return kl_fail(KL_UNREACHABLE, KL_TEXT("the KMS cannot answer now"));
  return kl_fail(KL_FAULT, KL_TEXT("the KMS sent an unknown status"));
}

static kl_reply bad_answer(void) {
  return kl_fail(KL_FAULT, KL_TEXT("the answer of the KMS is not as its interface says"));
}

/* Why a request is not for this provider. A setting that is not known is refused, for it was meant to have an effect. */
static kl_reply fault_of(const kl_request *request) {
  for (size_t i = 0; i < request->settings; i++)
    if (!kl_same(request->setting_names[i], KL_TEXT("key"))) return kl_fail(KL_KEY_UNUSABLE, KL_TEXT("the only setting is key"));
  if (request->is_foreign) return kl_fail(KL_KEY_UNUSABLE, KL_TEXT("objects of other plugins are not supported"));
  if (request->has_annotations) return kl_fail(KL_NOT_OURS, KL_TEXT("this provider writes no annotations"));
  if (path_of(request, KL_TEXT("")).data == NULL) return kl_fail(KL_KEY_UNUSABLE, KL_TEXT("the key's name is not letters, digits, - and _"));
  return kl_success(KL_NONE);
}

/* 1 to 128 printable characters without a space. */
static bool is_version(kl_bytes text) {
  for (size_t i = 0; i < text.size; i++)
    if (text.data[i] < 0x21 || text.data[i] > 0x7e) return false;
  return text.size > 0 && text.size <= MAX_VERSION;
}

static kl_reply status(const kl_request *request) {
  kl_reply fault = fault_of(request);
  if (fault.failure != 0) return fault;
  kl_response response = kl_http(KL_TEXT("GET"), path_of(request, KL_TEXT("")), KL_NONE);
  /* Status has no ciphertext that could be of somebody else */
  if (response.status == 400) return bad_answer();
  if (response.status != 200) return refusal(response);
  kl_bytes version = kl_json_text(response.body, KL_TEXT("version"));
  return is_version(version) ? kl_success(version) : bad_answer();
}

/* Encrypts or decrypts: `in` and `out` are the names of the members. */
static kl_reply use_key(const kl_request *request, kl_bytes operation, kl_bytes in, kl_bytes out, size_t most) {
  kl_writer body = {0};
  kl_json_put(&body, KL_TEXT("version"), request->version);
  kl_json_put(&body, in, kl_base64(request->input));
  kl_json_put(&body, KL_TEXT("associatedData"), kl_base64(request->associated_data));
  kl_response response = kl_http(KL_TEXT("POST"), path_of(request, operation), kl_json_end(&body));
  if (response.status != 200) return refusal(response);
  kl_bytes bytes = kl_unbase64(kl_json_text(response.body, out));
  return bytes.size > 0 && bytes.size <= most ? kl_success(bytes) : bad_answer();
}

static kl_reply encrypt(const kl_request *request) {
  kl_reply fault = fault_of(request);
  if (fault.failure != 0) return fault;
  if (!is_version(request->version)) return kl_fail(KL_KEY_UNUSABLE, KL_TEXT("the version is malformed"));
  kl_reply reply = use_key(request, KL_TEXT("/encrypt"), KL_TEXT("plaintext"), KL_TEXT("ciphertext"), MAX_CIPHERTEXT);
  /* nothing that Encrypt gets is a ciphertext of somebody else */
  if (reply.failure == KL_NOT_OURS) return bad_answer();
  return reply;
}

static kl_reply decrypt(const kl_request *request) {
  kl_reply fault = fault_of(request);
  if (fault.failure != 0) return fault;
  if (!is_version(request->version)) return kl_fail(KL_KEY_UNUSABLE, KL_TEXT("the version is malformed"));
  if (request->input.size == 0) return kl_fail(KL_NOT_OURS, KL_TEXT("the ciphertext is empty"));
  return use_key(request, KL_TEXT("/decrypt"), KL_TEXT("ciphertext"), KL_TEXT("plaintext"), MAX_PLAINTEXT);
}

KL_PROVIDER(status, encrypt, decrypt)
