/**
 * SHA-1 (FIPS 180-4, 6.1). OpenPGP's modification detection code requires it (RFC 4880, 5.14). The host's
 * contract has no SHA-1, so that no provider relies on it for protection; a provider that needs it for an old format brings its own.
 */

const BLOCK = 64;

/** 20 bytes. */
export function sha1(data: Uint8Array): Uint8Array {
  const h = new StaticArray<u32>(5);
  h[0] = 0x67452301;
  h[1] = 0xefcdab89;
  h[2] = 0x98badcfe;
  h[3] = 0x10325476;
  h[4] = 0xc3d2e1f0;
  const padded = pad(data);
  const w = new StaticArray<u32>(80);
  for (let at = 0; at < padded.length; at += BLOCK) compress(h, w, padded.dataStart + at);
  const digest = new Uint8Array(20);
  for (let i = 0; i < 5; i++) store<u32>(digest.dataStart + 4 * i, bswap<u32>(h[i]));
  return digest;
}

/** Pads the message (5.1.1): one bit, zeros, and the length in bits as the last eight bytes. */
function pad(data: Uint8Array): Uint8Array {
  const blocks = (data.length + 1 + 8 + BLOCK - 1) / BLOCK;
  const padded = new Uint8Array(blocks * BLOCK);
  padded.set(data);
  padded[data.length] = 0x80;
  store<u64>(padded.dataStart + padded.length - 8, bswap<u64>((data.length as u64) * 8));
  return padded;
}

/** 6.1.2. `w` is room for the message schedule. */
function compress(h: StaticArray<u32>, w: StaticArray<u32>, block: usize): void {
  for (let t = 0; t < 16; t++) w[t] = bswap<u32>(load<u32>(block + 4 * t));
  for (let t = 16; t < 80; t++) w[t] = rotl<u32>(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
  let a = h[0];
  let b = h[1];
  let c = h[2];
  let d = h[3];
  let e = h[4];
  for (let t = 0; t < 80; t++) {
    const next = rotl<u32>(a, 5) + mix(t, b, c, d) + e + w[t];
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = next;
  }
  h[0] += a;
  h[1] += b;
  h[2] += c;
  h[3] += d;
  h[4] += e;
}

/** 4.1.1 and 4.2.1: the function of a step and its constant. */
function mix(t: i32, b: u32, c: u32, d: u32): u32 {
  if (t < 20) return ((b & c) ^ (~b & d)) + 0x5a827999;
  if (t < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (t < 60) return ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}
