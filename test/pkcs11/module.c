/*
 * A PKCS #11 module that misbehaves in the way that the environment variable MODE names. It has one token, "kleidi", with one key, and
 * "encrypts" by copying. C_GetInfo reports in libraryDescription what its process can reach. The types are those of LP64.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef unsigned long CK_ULONG;
typedef unsigned long CK_RV;

static int encrypted;

static int is(const char *mode) {
  const char *set = getenv("MODE");
  return set != NULL && strcmp(set, mode) == 0;
}

static int reaches_file(const char *variable) {
  const char *path = getenv(variable);
  return path != NULL && open(path, O_RDONLY) >= 0;
}

static int reaches_network(void) {
  const char *port = getenv("PORT");
  struct sockaddr_in address = {.sin_family = AF_INET};
  int socket_fd = socket(AF_INET, SOCK_STREAM, 0);
  if (port == NULL || socket_fd < 0) return 0;
  address.sin_port = htons((unsigned short)atoi(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect(socket_fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static int reaches_process(void) {
  const char *pid = getenv("HOST_PID");
  return pid != NULL && kill(atoi(pid), 0) == 0;
}

CK_RV C_Initialize(void *arguments) {
  if (is("crash-at-start")) abort();
  if (is("hang-at-start"))
    for (;;) pause();
  return 0;
}

CK_RV C_GetInfo(unsigned char *info) {
  char report[33];
  memset(info, 0, 88);
  info[0] = 2;
  snprintf(report, sizeof report, "pin %d net %d kill %d env %d", reaches_file("PIN_FILE"), reaches_network(),
           reaches_process(), getenv("PATH") != NULL || getenv("HOME") != NULL);
  memset(info + 48, ' ', 32);
  memcpy(info + 48, report, strlen(report));
  return 0;
}

CK_RV C_GetSlotList(unsigned char present, CK_ULONG *slots, CK_ULONG *count) {
  *count = is("no-token") ? 0 : is("two-tokens") || is("bad-slot") ? 2 : 1;
  slots[0] = 7;
  slots[1] = 8;
  if (is("many-slots")) *count = 1UL << 40;
  return 0;
}

CK_RV C_GetTokenInfo(CK_ULONG slot, unsigned char *info) {
  CK_ULONG flags = 0x4 | (is("final-try") ? 0x20000 : 0) | (is("locked") ? 0x40000 : 0);
  if (is("login-counted")) flags |= 0x10000;
  if (is("bad-slot") && slot == 7) return 0xe1;
  memset(info, ' ', 96);
  memset(info + 96, 0, 112);
  memcpy(info, "kleidi", 6);
  memcpy(info + 96, &flags, sizeof flags);
  return 0;
}

CK_RV C_GetMechanismInfo(CK_ULONG slot, CK_ULONG mechanism, void *info) {
  return is("no-gcm") ? 0x70 : 0;
}

CK_RV C_OpenSession(CK_ULONG slot, CK_ULONG flags, void *application, void *notify, CK_ULONG *session) {
  *session = 1;
  return 0;
}

CK_RV C_Login(CK_ULONG session, CK_ULONG user, const char *pin, CK_ULONG length) {
  /* A login that must not be tried shows. */
  if (is("final-try") || is("locked")) abort();
  if (is("locked-unsaid")) return 0xa4;
  if (is("login-general") || is("login-counted")) return 0x5;
  if (is("login-crashes")) abort();
  if (is("prints-pin")) {
    fprintf(stderr, "login with %.*s failed\n", (int)length, pin);
    abort();
  }
  return length == 8 && memcmp(pin, "48151623", 8) == 0 ? 0 : 0xa0;
}

CK_RV C_FindObjectsInit(CK_ULONG session, void *template, CK_ULONG count) { return 0; }

CK_RV C_FindObjects(CK_ULONG session, CK_ULONG *objects, CK_ULONG most, CK_ULONG *count) {
  objects[0] = 1;
  objects[1] = 2;
  *count = is("two-keys") ? 2 : 1;
  return 0;
}

CK_RV C_FindObjectsFinal(CK_ULONG session) { return 0; }

CK_RV C_GetAttributeValue(CK_ULONG session, CK_ULONG object, CK_ULONG *template, CK_ULONG count) {
  if (template[0] == 0x4 && !is("unnamed")) {
    memcpy((void *)template[1], "unique", 6);
    template[2] = 6;
    return 0;
  }
  template[2] = is("long-attribute") ? 1UL << 40 : ~0UL;
  return is("long-attribute") ? 0 : 0x12;
}

CK_RV C_CreateObject(CK_ULONG session, CK_ULONG *template, CK_ULONG count, CK_ULONG *object) {
  *object = 9;
  return 0;
}

CK_RV C_DestroyObject(CK_ULONG session, CK_ULONG object) { return is("stays") ? 0x30 : 0; }

CK_RV C_WrapKey(CK_ULONG session, void *mechanism, CK_ULONG key, CK_ULONG object, char *out, CK_ULONG *length) {
  if (is("short-wrap")) *length = 8;
  if (is("long-output")) *length = 1UL << 40;
  return is("forbidden") ? 0x68 : 0;
}

CK_RV C_UnwrapKey(CK_ULONG session, void *mechanism, CK_ULONG key, const char *wrapped, CK_ULONG length,
                  CK_ULONG *template, CK_ULONG count, CK_ULONG *object) {
  *object = 9;
  return is("aead") ? 0x110 : 0;
}

CK_RV C_EncryptInit(CK_ULONG session, void *mechanism, CK_ULONG key) { return is("decrypts-only") ? 0x68 : 0; }

CK_RV C_Encrypt(CK_ULONG session, const char *data, CK_ULONG length, char *out, CK_ULONG *out_length) {
  encrypted += 1;
  if (is("crash")) abort();
  if (is("hang"))
    for (;;) pause();
  /* The session expired on the token's side: a new process has another one. */
  if (is("expire") && encrypted > 1) return 0x101;
  if (is("removed") && encrypted > 1) return 0x32;
  if (is("forbidden")) return 0x68;
  if (is("broken")) return 0x30;
  memcpy(out, data, length);
  memset(out + length, 0, 16);
  *out_length = is("long-output") ? 1UL << 40 : length + 16;
  return 0;
}

CK_RV C_DecryptInit(CK_ULONG session, void *mechanism, CK_ULONG key) { return 0; }

CK_RV C_Decrypt(CK_ULONG session, const char *data, CK_ULONG length, char *out, CK_ULONG *out_length) {
  if (is("aead")) return 0x42;
  if (is("decrypts-only")) return 0x5;
  memcpy(out, data, length - 16);
  *out_length = length - 16;
  return 0;
}
