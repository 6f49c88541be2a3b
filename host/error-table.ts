/**
 * The error codes of the host, with every cause of each and its remedy. The messages and docs/errors.md come from this table. A code with
 * several causes is thrown with one of them, "code/cause", so that its hint is the remedy of that fault.
 */

/** The gRPC status codes that kleidi returns (grpc.io, "Status codes and their use in gRPC"). */
export const Grpc = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** Both are sentences: the situation, and the next step of the operator. */
export interface Cause {
  readonly cause: string;
  readonly remedy: string;
}

interface Shared {
  /** The gRPC status code of the RPC. Absent if only commands report this error. */
  readonly grpc?: number;
}

export type ErrorRow = Shared & (Cause | { readonly causes: Readonly<Record<string, Cause>> });

/** A cause that several codes have: its message ends with the path, its owner and mode, and the command. */
const PATH: Cause = {
  cause: "The system refuses the path: a permission, a missing folder, a read-only or full disk, a link.",
  remedy: "Run the command named above as root or as the owner of the path, then try again.",
};

export const ERRORS = {
  "request-invalid": {
    grpc: Grpc.INVALID_ARGUMENT,
    cause:
      "The request is malformed, its key_id is empty or too long, or its plaintext is empty. No API server sends such a request.",
    remedy: "Find out which other program uses the socket: ss -xp.",
  },
  "request-too-large": {
    grpc: Grpc.RESOURCE_EXHAUSTED,
    causes: {
      plaintext: {
        cause:
          "The plaintext is longer than the 512 bytes that kleidi encrypts. KMS v2 sends DEK seeds of 32 bytes.",
        remedy: "Find out which other program uses the socket: ss -xp.",
      },
      message: {
        cause: "The message for the provider is longer than limits.input of the provider.",
        remedy: "Raise limits.input of that provider: its default holds every message of an API server.",
      },
    },
  },
  "ciphertext-invalid": {
    grpc: Grpc.INVALID_ARGUMENT,
    causes: {
      length: {
        cause: "The stored ciphertext is empty or longer than any that kleidi returned.",
        remedy:
          "The stored object was changed in etcd. Compare with a backup of etcd; docs/recovery.md removes one damaged object.",
      },
      refused: {
        cause: "The provider did not make this ciphertext under this key, or it was changed.",
        remedy:
          "The stored object was encrypted with another key or under another provider name, or was changed in etcd. Check whether the provider was renamed, and compare with a backup of etcd.",
      },
      composed: {
        cause:
          "The stored object of a composed key, or a wrap of it, was changed. An object of an anyOf key is refused only if no wrap of it can be opened.",
        remedy:
          "The stored object or its annotations were changed in etcd. Compare both with a backup of etcd; docs/recovery.md removes one damaged object.",
      },
    },
  },
  "annotations-invalid": {
    grpc: Grpc.INVALID_ARGUMENT,
    cause: "The stored object's annotations differ from the ones that kleidi returned.",
    remedy:
      "The stored object was changed in etcd. Compare with a backup of etcd; docs/recovery.md removes one damaged object.",
  },
  "key-unknown": {
    grpc: Grpc.NOT_FOUND,
    cause: "No configured key has this key_id.",
    remedy:
      'If the key that encrypted the object is missing under "keys", add it with use: decrypt. If its name or its settings were changed, or its mount was moved in the KMS, change that back: the key_id follows from them. If it was deleted and created again in the KMS, restore it from a backup of the KMS. If another KMS plugin encrypted it, add a key with foreign (docs/foreign-formats.md).',
  },
  "key-not-ready": {
    grpc: Grpc.FAILED_PRECONDITION,
    causes: {
      starting: {
        cause: "The host has just started, and the first probe of the key has not ended.",
        remedy: "Wait a few seconds. If this continues, read the log lines of this key for the reason.",
      },
      unanswered: {
        cause: "No ready key has this key_id, and some keys have not answered since the start.",
        remedy: "Read the log lines of the keys named above for the reason; the host retries automatically.",
      },
      stale: {
        cause: "The last probe of the active key is too old: its provider does not end its calls.",
        remedy: "Read the log lines of this key's provider; the host retries automatically.",
      },
      pinned: {
        cause: "Another key than the pinned one has this name.",
        remedy:
          "Restore the key with the pinned version: objects were encrypted with it. Change the pin only if that key was never used.",
      },
      imported: {
        cause: "The imported bytes or the scheme are not those of the pinned or recorded key.",
        remedy: "Import the file that was written by --escrow for this key, with the scheme of its creation.",
      },
      unusable: {
        cause:
          "The KMS has, or had, the version of the key that encrypted the object, and does not decrypt with it now.",
        remedy:
          'The cause in the log has the reason and the next step, as have the warnings of kleidi doctor. If the object is of a key that is not configured, add that key with "use: decrypt".',
      },
      foreign: {
        cause:
          "The key is for the objects of another plugin, and its provider does not know the plugin's format.",
        remedy:
          'Use a provider that knows the format under "foreign" (docs/foreign-formats.md), and a build of its module that is as new as the host.',
      },
      found: {
        cause: "The files of the key that is to be staged exist and cannot be used.",
        remedy: "Nothing was changed. Fix the problem named above, or give another name with --as.",
      },
      remote: {
        cause: "The KMS does not serve the key that is to be staged.",
        remedy:
          "Nothing was changed. Create the key in the KMS first and allow the host's login to use it (Vault or OpenBao: vault write -f transit/keys/NAME, and the three paths of the policy; an HSM: its label in grants.pkcs11.keys), then run the command again.",
      },
      refused: {
        cause: "The provider reports that the key is missing, disabled or not usable.",
        remedy:
          "Read the log lines of this key: the provider's reason is their cause. The host retries automatically.",
      },
    },
  },
  "backend-unreachable": {
    grpc: Grpc.UNAVAILABLE,
    causes: {
      file: {
        cause: "The host cannot use a file that the connection needs: a credential, or a file of tls.",
        remedy:
          "The cause in the log names the file and its fault. Put a good file there: the host reads it again by itself.",
      },
      name: {
        cause: "The name of the KMS cannot be resolved, or has no address that the host may connect to.",
        remedy:
          "Compare grants.net.origin with the name, and look at /etc/resolv.conf and its DNS servers: getent hosts NAME. The host retries automatically.",
      },
      connection: {
        cause: "The KMS refuses or closes the connection, or does not accept it.",
        remedy:
          "Start the KMS, and look at its port in grants.net.origin, at routes and firewalls: kleidi doctor tries each step. The host retries automatically.",
      },
      tls: {
        cause:
          "The TLS connection fails: the certificate of the KMS is not trusted, or the two sides have nothing in common.",
        remedy:
          "The cause in the log names the fault of the certificate. Correct it on the server, or tls.ca, tls.crl, tls.certificate in the grant; docs/operate/vault.md tells what they want.",
      },
      time: {
        cause: "The KMS took the connection and did not answer in time.",
        remedy:
          "Look at the load and the storage of the KMS. If it is only slow, raise limits.timeout in the grant. The host retries automatically.",
      },
      answer: {
        cause:
          "The KMS answers that it cannot serve now (sealed, starting, overloaded), or its answer is not one of this kind of KMS.",
        remedy:
          "Look at the state of the KMS, for example with bao status, and at grants.net.origin: is it the right server? The host retries automatically.",
      },
      tpm: {
        cause: "The TPM's device or simulator cannot be opened, or does not answer.",
        remedy:
          "The cause in the log names the device. Look at its mode and at the programs that hold it: fuser --verbose /dev/tpmrm0. The host retries automatically.",
      },
      hsm: {
        cause: "The PKCS #11 module, its process or its token cannot be used.",
        remedy:
          "The cause in the log names the function of the module and its return value, or the token. Look at the HSM, at its client and at grants.pkcs11: kleidi doctor opens the token. The host retries automatically.",
      },
      turn: {
        cause: "The KMS is out of reach, and the calls before this one used up the time to try again.",
        remedy:
          "The errors of the provider's other calls name the step that fails, and so does kleidi doctor.",
      },
    },
  },
  "provider-unavailable": {
    grpc: Grpc.UNAVAILABLE,
    cause: "The provider's process exited, and a replacement is starting.",
    remedy: "Wait for the replacement. If this continues, read the log lines of that provider.",
  },
  "provider-quarantined": {
    grpc: Grpc.FAILED_PRECONDITION,
    causes: {
      exits: {
        cause: "The provider's process exits repeatedly.",
        remedy:
          "Read the provider's log lines: they tell how each process ended. It is tried again at the time named above, or after a restart of the host.",
      },
      "taken-over": {
        cause: "The provider's process did something that no guest can do: it was taken over.",
        remedy:
          "Treat the module as hostile: keep it and the log, replace it, rotate every key and credential that it was granted, and restart the host.",
      },
    },
  },
  "credential-refused": {
    grpc: Grpc.UNAUTHENTICATED,
    causes: {
      login: {
        cause: "The KMS rejected the host's login.",
        remedy:
          "Renew the credential; the host reads a new file by itself. For a KMS, kleidi doctor logs in with it and names what is refused. A PIN: correct its file first, because each kleidi doctor and each start tries it once, and the token locks after a few.",
      },
      policy: {
        cause: "The KMS refused the request: its policy does not allow it, or the token is no longer valid.",
        remedy:
          "Run kleidi doctor: it logs in, and prints the missing stanza of the policy or the fault of the token.",
      },
    },
  },
  "capability-denied": {
    grpc: Grpc.PERMISSION_DENIED,
    cause: "The provider's module requested an operation that is not granted; the whole call is void.",
    remedy:
      'With a module that worked until now, treat it as an attack. To allow the operation, add it under "grants".',
  },
  overloaded: {
    grpc: Grpc.RESOURCE_EXHAUSTED,
    causes: {
      full: {
        cause: "More calls are in flight and waiting than limits.concurrentCalls and limits.queue allow.",
        remedy: "Look for a caller that loops (ss -xp), or raise these limits of the provider.",
      },
      late: {
        cause: "Earlier calls kept the provider busy, and too little of this call's deadline was left.",
        remedy:
          "Look for a slow KMS (kleidi_host_call_duration_seconds) and for a caller that loops, or raise limits.concurrentCalls.",
      },
    },
  },
  deadline: {
    grpc: Grpc.DEADLINE_EXCEEDED,
    causes: {
      waiting: {
        cause: "The KMS or the TPM was too slow: the provider waited for a host call.",
        remedy:
          "Look at kleidi_host_call_duration_seconds, the KMS and the network. The API server waits 3 s; find the slow part before you raise limits.deadline.",
      },
      running: {
        cause: "The provider computed too long, and its process was stopped.",
        remedy:
          "Look at the load of the node's processors. If it is low, the module loops: report it to the provider's author.",
      },
      rpc: {
        cause: "The whole RPC took too long: waiting for the provider, its calls, and the audit record.",
        remedy: "Look at the load of the node, kleidi_provider_calls_waiting and the disk of the audit log.",
      },
    },
  },
  "provider-fault": {
    grpc: Grpc.INTERNAL,
    causes: {
      reply: {
        cause: "The provider's reply violates its contract.",
        remedy: "Report the message to the provider's author.",
      },
      failed: {
        cause: "The provider's guest failed (a trap), or reported an internal failure.",
        remedy: "Read its log lines for the details, and report them to the provider's author.",
      },
      reverted: {
        cause: "The provider reports a version of the key that a newer one had replaced.",
        remedy:
          "The KMS was restored from an older backup, or a standby lags. After a restore, restart the host; otherwise send requests to the active node.",
      },
      versions: {
        cause: "The provider has reported more versions of a key than a host keeps.",
        remedy: "Restart the host. If this returns, report it to the provider's author.",
      },
      wraps: {
        cause:
          "The wraps of a composed key's members, which are annotations of each object, are together larger than the API server allows.",
        remedy: "Compose the key of fewer members, or of members whose providers write shorter annotations.",
      },
    },
  },
  "read-back-failed": {
    grpc: Grpc.INTERNAL,
    cause: "The provider cannot decrypt its own new ciphertext, so nothing was stored.",
    remedy: "Do not use this provider until the reason is known.",
  },
  "host-fault": {
    grpc: Grpc.INTERNAL,
    cause: "This is a bug in kleidi.",
    remedy: "Report the log line.",
  },
  "audit-failed": {
    grpc: Grpc.UNAVAILABLE,
    causes: {
      sinks: {
        cause:
          "No sink of the audit log takes records: a full disk, a lost permission, a closed stdout, a slow disk.",
        remedy:
          "Fix the problem named above. The host performs no operation that it cannot record, and retries automatically.",
      },
      slow: {
        cause: "The record was not written in time: the disk of the audit log is slow or hangs.",
        remedy: "Look at that disk, and give the log a disk of its own. The host retries automatically.",
      },
      ended: {
        cause: "The log cannot continue after an error, or its sequence has reached its end.",
        remedy: "Follow the step named above, and restart the host.",
      },
    },
  },
  stopping: {
    grpc: Grpc.UNAVAILABLE,
    cause: "The host is stopping.",
    remedy: "Retry when it has restarted.",
  },
  "reload-refused": {
    causes: {
      "at-start": {
        cause: "A section of the configuration changed that takes effect at a start only.",
        remedy: "Restart the host, or undo that change and run kleidi reload.",
      },
      provider: {
        cause:
          "A key has another provider than in the running host. What it encrypted is bound to the name of its provider.",
        remedy: "Give the key its provider again. To change the provider, add a key with a new name.",
      },
      broken: {
        cause: "The configuration has faults, or a module, a file, a provider or a key of it does not work.",
        remedy:
          "The host continues to serve with the configuration that it had. Correct what the message names, then run kleidi reload; kleidi check lists every fault.",
      },
    },
  },
  "config-invalid": {
    causes: {
      faults: {
        cause: "The configuration has faults.",
        remedy: "Fix the lines named above, then run the command again.",
      },
      unreadable: {
        cause: "The configuration file cannot be read.",
        remedy: "Run the command again when the file can be read.",
      },
      key: {
        cause: "The configuration has no keystore, or grants no keystore key of this name.",
        remedy: "Correct the name, or add what is named above to the configuration.",
      },
      edit: {
        cause: "The keys stand in the file in a form that a command cannot edit.",
        remedy:
          "Edit the file by hand (docs/operate/rotate.md); the next command records the change in the history.",
      },
      changed: {
        cause: "Another program changed the file at the same time as a command.",
        remedy: "Nothing was changed. Run the command again.",
      },
      log: PATH,
      "log-file": {
        cause: "The path of log.file leads to a pipe, a folder or another special file.",
        remedy: "Give log.file the path of a regular file, or remove it to log to stderr.",
      },
    },
  },
  "module-invalid": {
    causes: {
      file: {
        cause: "The module's file cannot be read.",
        remedy: "Correct the file or its path as named above.",
      },
      contract: {
        cause: "The module is not WebAssembly, or does not fulfil the provider contract.",
        remedy: "Rebuild the provider, or download it again from its publisher.",
      },
      limits: {
        cause: "The module needs more memory or table entries than the limits of the provider.",
        remedy: "Raise the limit named above, or use another build of the module.",
      },
      slow: {
        cause: "The module was not ready in time: its start function loops, or the node is overloaded.",
        remedy: "Look at the load of the node. If it is low, report it to the provider's author.",
      },
      engine: {
        cause: "Node cannot compile or instantiate the module.",
        remedy: "Rebuild the provider, or download it again; the cause has the reason of the engine.",
      },
    },
  },
  "module-ungranted": {
    cause: "The module requests capabilities that the configuration does not grant.",
    remedy:
      "Read the module's reasons. To allow the requests, add the lines shown above; otherwise do not run the module.",
  },
  "wall-missing": {
    cause: "No wall of sandbox.wall works on this machine.",
    remedy:
      "Without a wall, code that escapes WebAssembly has all rights of the host's user. Follow the steps named above. `sandbox: { wall: none }` in the configuration runs without a wall; check, /state, metrics and the audit log report that.",
  },
  "digest-differs": {
    cause: "The module differs from the pinned one.",
    remedy: "Find the person or program that changed it before you change the pin.",
  },
  "module-untrusted": {
    causes: {
      signatures: {
        cause: "The module's signatures do not satisfy `trust` in the configuration.",
        remedy:
          "Download the module and its signatures from its publisher; do not weaken `trust` to start it.",
      },
      revoked: {
        cause: "The configuration revokes this module.",
        remedy: "Use another version of the module, and pin its digest. Keep the revocation.",
      },
    },
  },
  "audit-invalid": {
    causes: {
      path: PATH,
      exposed: {
        cause: "Other users could write the folder or the file of the log.",
        remedy: "Correct the mode as named above, and check the log with kleidi audit verify.",
      },
      type: {
        cause:
          "Something else than a log of this host is at the path: a link, a folder, a special file, another file.",
        remedy: "Examine it before you remove it, or name the file itself.",
      },
      "in-use": {
        cause: "Another host writes to the log, or holds its lock.",
        remedy: "Stop the other host, or give each host a log of its own.",
      },
      changed: {
        cause: "The log does not continue its chain: it was changed, cut or damaged.",
        remedy:
          'Keep its files, find the changed record with "kleidi audit verify", and move the files away; the host then starts a new chain.',
      },
      key: {
        cause:
          "The key of the log cannot be used: its file is missing, damaged, of another type or readable for others.",
        remedy:
          "Correct the file as named above. Create another key only for a new log: kleidi audit key FILE.",
      },
      "key-exists": {
        cause: "A file is at the path of the new audit key already.",
        remedy: "Use that key, or give another path. Nothing was written.",
      },
      lock: {
        cause: "The lock of the folder of the audit key cannot be taken.",
        remedy: "Fix the problem named above, then run the command again.",
      },
    },
  },
  "socket-refused": {
    causes: {
      passed: {
        cause: "The service manager passed another socket than the one of listen.socket, or several.",
        remedy: "Write one ListenStream= with the path of listen.socket into kleidi.socket, then restart it.",
      },
      held: {
        cause:
          "The setting listen.socket changed since kleidi hold was started, which holds the former socket.",
        remedy: "Restart kleidi hold (the pod, or the service).",
      },
      path: PATH,
      long: {
        cause: "The path of the socket is longer than the kernel allows.",
        remedy: "Choose a shorter path, such as /run/kleidi/kms.sock.",
      },
      occupied: {
        cause: "Something that is not this host's socket is at the path.",
        remedy: "Examine the file at that path before you remove anything.",
      },
      served: {
        cause: "Another host serves the socket.",
        remedy: "Two hosts cannot serve one socket. Find the other one (ss -xlp), and stop one of them.",
      },
      lock: {
        cause: "The lock of the socket cannot be taken: its file is not a lock of this user.",
        remedy: "Find the program that created it, then fix the problem named above.",
      },
      group: {
        cause: "The group of the socket does not exist, or the user that serves is not its member.",
        remedy: "Create the group or correct its name, and let the user that serves be a member of it.",
      },
    },
  },
  "admin-refused": {
    causes: {
      address: {
        cause:
          "The host cannot listen on the address of the admin listener: another program uses it, or it is not an address of this machine.",
        remedy:
          'Find the program that listens there (ss -ltnp), or choose another address under "admin". Keys are served meanwhile; the host retries until it can listen.',
      },
      "no-socket": {
        cause: "The configuration has no admin socket, over which alone a host takes actions.",
        remedy: "Write: admin: { listen: unix:/run/kleidi/admin.sock }, and restart the host.",
      },
      "not-running": {
        cause: "No host answers on the admin socket.",
        remedy: "Start the host. If it was started, its log has the reason why it ended.",
      },
      "not-permitted": {
        cause: "The user of the command may not open the admin socket.",
        remedy: "Run the command as root or as the user of the host.",
      },
      "read-only": {
        cause: "Users other than the owner may open the admin socket, so the host accepts no actions on it.",
        remedy: "Remove admin.mode and admin.group, and restart the host.",
      },
      stranger: {
        cause: "The process on the admin socket does not know the action.",
        remedy: "Find out which process listens there, and whether it is this version of kleidi.",
      },
    },
  },
  "key-file-invalid": {
    causes: {
      damaged: {
        cause: "The file is not the key of this name: it is damaged, cut short or another one.",
        remedy: "Restore it from its backup: a new key cannot decrypt the old key's ciphertexts.",
      },
      exposed: {
        cause: "Other users could read or replace the file.",
        remedy:
          "Correct owner and mode as named above. If another user may have read the key, rotate to a new one.",
      },
      unreadable: {
        cause: "The file cannot be read, or is not a regular file.",
        remedy: "Correct the file or its path as named above.",
      },
      folder: {
        cause: "The folder of the keys does not exist, or is not a folder.",
        remedy: "Mount the missing volume, or create the folder as named above.",
      },
      lock: {
        cause: "The lock of the folder cannot be taken: its file is not a lock of this user.",
        remedy: "Find the program that created it, then fix the problem named above.",
      },
      import: {
        cause: "The file of --import is missing, or is not a line of 64 hexadecimal digits.",
        remedy: "Give the path of the file that --escrow wrote.",
      },
      path: PATH,
    },
  },
  "key-not-made": {
    cause: "There is no key, and no record that it was created.",
    remedy:
      'If the key was created on another node, copy its .key and .json file here; otherwise run "kleidi key init".',
  },
  "key-exists": {
    causes: {
      file: {
        cause: "A key of this name exists.",
        remedy: "Nothing was written. To rotate, choose a new key name.",
      },
      record: {
        cause: "The provider has a record of a key of this name.",
        remedy:
          "Nothing was written. To rotate, choose a new key name; to restore this key, use --import with its escrowed bytes.",
      },
      version: {
        cause:
          "The key was created before, and its version is not known, so that the bytes cannot be compared.",
        remedy: "Nothing was written. Pin the version as named above, then run the command again.",
      },
      escrow: {
        cause: "A file is at the path of --escrow already.",
        remedy: "Nothing was written. Give another path: the file may be the only copy of another key.",
      },
    },
  },
  "key-locked": {
    cause: "Another kleidi process is creating a key there.",
    remedy: "Wait until it exits, then run the command again; the lock ends with its process.",
  },
  "key-missing": {
    causes: {
      file: {
        cause: "The key was created before, and its file is gone.",
        remedy: "Restore the key file from its backup. A new key cannot decrypt the old key's ciphertexts.",
      },
      record: {
        cause: "The key was created before by its provider, and its record is gone.",
        remedy:
          "Restore the record from its backup, or import the escrowed bytes: kleidi key init NAME --import FILE. A new key cannot decrypt the old key's ciphertexts.",
      },
    },
  },
  "state-invalid": {
    causes: {
      damaged: {
        cause: "The record is damaged, or is not the record of this name.",
        remedy: "Restore it from its backup: without it, data encrypted with its key may be lost.",
      },
      gone: {
        cause: "The record existed, and its file is gone.",
        remedy:
          "Restore it from its backup, or import the escrowed bytes: kleidi key init NAME --import FILE.",
      },
      exposed: {
        cause: "Other users could read or replace the record.",
        remedy: "Correct owner and mode as named above.",
      },
      unreadable: {
        cause: "The record cannot be read, or is not a regular file.",
        remedy: "Correct the file or its path as named above.",
      },
      folder: {
        cause: "The folder of the records does not exist, or is not a folder.",
        remedy: "Mount the missing volume, or create the folder as named above.",
      },
      lock: {
        cause: "The lock of the folder cannot be taken: its file is not a lock of this user.",
        remedy: "Find the program that created it, then fix the problem named above.",
      },
      unwritten: {
        cause: "The provider imported a key and wrote no record.",
        remedy: "Report it to the provider's author. Nothing was changed.",
      },
    },
  },
  "history-invalid": {
    causes: {
      lost: {
        cause:
          "The history of the keys is missing, cut, damaged, older than its marks, or that of another node.",
        remedy:
          'Restore the history from the backup of its folder. Without one, "kleidi key recover" continues from the configuration (docs/recovery.md).',
      },
      unreadable: {
        cause: "The file of the history, one of its marks or its lock cannot be used.",
        remedy:
          "Fix the problem named above, then run the command again. The host continues to serve meanwhile.",
      },
    },
  },
  "key-change-refused": {
    causes: {
      objections: {
        cause: "A condition of this step in the life of the key is not met.",
        remedy:
          "Nothing was changed. Wait, or fix the problem named above. --force overrides it, and the history records that.",
      },
      active: {
        cause: "The key is active, and a host needs an active key.",
        remedy: "Nothing was changed. Rotate to another key and promote that first.",
      },
      foreign: {
        cause: "The key is for the objects of another plugin, and can only decrypt them.",
        remedy: "Nothing was changed. Name a key of kleidí: kleidi key list.",
      },
      composed: {
        cause: "The key is composed of other keys, or is a member of one.",
        remedy:
          "Nothing was changed. Rotate a member in its KMS, and the key has a new version; or replace a member as docs/operate/two-kms.md shows.",
      },
      member: {
        cause: "The key is a member of a composed key, whose objects need it.",
        remedy:
          "Nothing was changed. Remove it from anyOf or allOf of that key, write use: decrypt at it, rewrite every object, then retire it.",
      },
      owner: {
        cause: "The command would change the owner of the configuration, because another user owns the file.",
        remedy: "Nothing was changed. Run the command as root, or as the owner of the configuration.",
      },
    },
  },
  "path-refused": {
    cause: PATH.cause,
    remedy: PATH.remedy,
  },
  "render-refused": {
    cause: "The form cannot work with this configuration.",
    remedy: "Nothing was written. Change the configuration as named above, or render another form.",
  },
  "provider-build": {
    causes: {
      compiler: {
        cause: "The compiler of the provider's language is not installed.",
        remedy:
          "Install it as named above. kleidi provider build also links a raw module that was compiled elsewhere.",
      },
      compile: {
        cause: "The compiler refused the source.",
        remedy: "Correct the source at the lines that the compiler names.",
      },
      link: {
        cause:
          "The raw module cannot become a provider: it is malformed, a program, or imports what a guest does not have.",
        remedy:
          "Remove what is named above from the source or the compiler's options (docs/ABI.md, section 1).",
      },
      manifest: {
        cause: "The file provider.json is missing, malformed, or not a manifest.",
        remedy: "Write provider.json as in docs/ABI.md, section 6; kleidi provider new writes one.",
      },
      rows: {
        cause: "The rows of provider.json are not the host calls that the code can reach.",
        remedy:
          "Nothing was written. If the code should make these host calls, run the command again with --fix.",
      },
      why: {
        cause: "A row of provider.json has no reason.",
        remedy: "No module was written. The operator reads the reason before granting the host call.",
      },
    },
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

type CausesOf<C extends ErrorCode> = (typeof ERRORS)[C] extends { readonly causes: infer T }
  ? `${C}/${keyof T & string}`
  : C;

/** A cause of a code: the code alone where it has one cause, otherwise "code/cause". */
export type FaultName = { [C in ErrorCode]: CausesOf<C> }[ErrorCode];

/** @returns the code of a fault */
export function codeOfFault(fault: FaultName): ErrorCode {
  return fault.split("/")[0] as ErrorCode;
}

/** @returns the causes of a code, by the name with which they are thrown */
export function causesOfCode(code: ErrorCode): ReadonlyMap<FaultName, Cause> {
  const row: ErrorRow = ERRORS[code];
  if (!("causes" in row)) return new Map([[code as FaultName, row]]);
  return new Map(Object.entries(row.causes).map(([name, cause]) => [`${code}/${name}` as FaultName, cause]));
}

/** @returns the next step of the operator for a fault: one or more sentences */
export function remedyOfFault(fault: FaultName): string {
  return causesOfCode(codeOfFault(fault)).get(fault)?.remedy ?? "";
}
