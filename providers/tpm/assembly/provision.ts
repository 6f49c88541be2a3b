/** kleidi_provision: creates or imports the KEK, proves that it works, and writes its state record. It never runs while serving. */
import {
  FailureCode,
  fail,
  HostCode,
  ProvisionReply,
  ProvisionRequest,
  same,
  state,
} from "../../../sdk/assemblyscript/assembly";
import { confirmedPolicy } from "./binding";
import { create } from "./create";
import { derive, idInput } from "./kek";
import { enter, Key } from "./lease";
import { loadWrapped, startSessions } from "./load";
import { openParent, readSettings } from "./parent";
import { nameOf } from "./primary";
import { hmac, random } from "./primitives";
import { Record } from "./record";
import { parseScheme, Scheme } from "./scheme";
import { hex } from "./text";
import { failed, trouble } from "./trouble";
import { isLabel } from "./use";

const SIZE = 32;

export function provision(request: ProvisionRequest): ProvisionReply {
  if (!isLabel(request.key)) return failed<ProvisionReply>();
  if (!readSettings(request.key, request.settings)) return failed<ProvisionReply>();
  const scheme = parseScheme(request.scheme);
  if (scheme === null) return refuse(request, `the scheme "${request.scheme}" is none of: ${SCHEMES}`);
  if (request.imported.length !== 0 && request.imported.length !== SIZE) {
    return refuse(request, "the key material to import is not 32 bytes long");
  }
  const found = state.get(request.key);
  if (found.ok) return refuse(request, "its state record exists already and is never overwritten");
  if (found.code !== HostCode.NOT_FOUND) {
    return refuse(request, `its state record cannot be read: "${found.message}"`);
  }
  const record = make(request, scheme);
  if (record === null) return failed<ProvisionReply>();
  const put = state.put(request.key, record.encode());
  if (!put.ok) return refuse(request, `its state record cannot be written: "${put.message}"`);
  return new ProvisionReply(hex(record.keyId));
}

const SCHEMES = '"hmac", "sealed", either with " pcr=sha256:0,7"';

/** Leaves nothing in the TPM: it flushes on success, and ends without `leave` on failure. */
function make(request: ProvisionRequest, scheme: Scheme): Record | null {
  const lease = enter();
  if (lease === null) return null;
  lease.drop();
  // The policy first, because its trial session counts against the quota of two.
  let policy: Uint8Array | null = new Uint8Array(0);
  if (scheme.hasPolicy) policy = confirmedPolicy(request.key, scheme);
  if (policy === null) return null;
  const primary = openParent();
  if (primary === null) return null;
  lease.primary = primary.handle;
  if (!startSessions(lease, primary, scheme.hasPolicy)) return null;
  const auth = random(SIZE);
  // A sealed KEK is created here, because a TPM only seals data that it gets.
  const material = scheme.sealed && request.imported.length === 0 ? random(SIZE) : request.imported;
  const wrapped = create(lease, primary, scheme, policy, auth, material);
  if (wrapped === null) return null;
  const key = new Key(request.key, 0, nameOf(wrapped.area), auth, new Uint8Array(0), scheme);
  if (!loadWrapped(lease, primary, key, wrapped)) return null;
  lease.flushPrimary();
  lease.add(key);
  const id = derive(lease, key, idInput(scheme));
  if (id === null) return null;
  if (material.length > 0 && !same(id, hmac(material, idInput(scheme)))) {
    trouble(FailureCode.FAULT, "Cannot create the key: the TPM uses other key material than it got");
    return null;
  }
  lease.drop();
  lease.leave();
  return new Record(scheme, id.slice(0, 16), primary.name, auth, wrapped);
}

function refuse(request: ProvisionRequest, why: string): ProvisionReply {
  return fail<ProvisionReply>(FailureCode.KEY_UNUSABLE, `Cannot create the key "${request.key}": ${why}`);
}
