import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { assertLines, assertSentence } from "../../../test/support/thrown.ts";
import { addressFault, Networks } from "./addresses.ts";

const NOTHING = new Networks([]);

/** First and last address of every range. */
const SPECIAL: readonly (readonly [what: string, ...addresses: string[]])[] = [
  ["loopback", "127.0.0.0", "127.0.0.1", "127.255.255.255", "::1", "0:0:0:0:0:0:0:1", "0000::0001"],
  [
    "link-local",
    "169.254.0.0",
    "169.254.169.254",
    "169.254.255.255",
    "fe80::",
    "fe80::1",
    "febf:ffff::1",
    "FE80::1",
  ],
  [
    "private",
    ...["10.0.0.0", "10.255.255.255", "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255"],
    ...["fc00::", "fd00:ec2::254", "fdff::1", "fec0::", "feff::1"],
  ],
  ["shared with a carrier", "100.64.0.0", "100.100.100.200", "100.127.255.255"],
  [
    "reserved",
    ...[
      "192.0.0.0",
      "192.0.0.192",
      "192.0.2.1",
      "192.88.99.1",
      "198.18.0.0",
      "198.19.255.255",
      "198.51.100.1",
    ],
    ...[
      "203.0.113.1",
      "240.0.0.0",
      "255.255.255.254",
      "100::",
      "100:0:0:1::",
      "2001:db8::1",
      "3fff::1",
      "5f00::1",
    ],
  ],
  ["a cloud's own", "168.63.129.16"],
  [
    "translated to IPv4",
    ...["64:ff9b::7f00:1", "64:ff9b::169.254.169.254", "64:ff9b:1::1", "64:ff9b:1:ffff::1"],
    ...["2001::1", "2001:1ff::1", "2002:7f00:1::1", "2002:a9fe:a9fe::"],
  ],
];
for (const [what, ...addresses] of SPECIAL)
  for (const address of addresses)
    test(`${address} is refused unless granted`, () => {
      assert.ok(addressFault(address, NOTHING)?.startsWith(`${address} is ${what}, `));
    });
test("the fault of a special address names its kind and the grant that would allow it", (t) => {
  assertLines(
    t,
    SPECIAL.flatMap(([, ...all]) => all.map((address) => String(addressFault(address, NOTHING)))),
  );
});

const NEVER: readonly (readonly [address: string, what: string])[] = [
  ["0.0.0.0", "unspecified"],
  ["0.1.2.3", "unspecified"],
  ["::", "unspecified"],
  ["0:0:0:0:0:0:0:0", "unspecified"],
  ["224.0.0.1", "multicast"],
  ["239.255.255.255", "multicast"],
  ["ff02::1", "multicast"],
  ["255.255.255.255", "broadcast"],
  ...[
    // mapped, in every spelling
    ...[
      "::ffff:127.0.0.1",
      "::FFFF:127.0.0.1",
      "::ffff:7f00:1",
      "0:0:0:0:0:ffff:7f00:1",
      "0::ffff:127.0.0.1",
    ],
    ...[
      "0:0::ffff:7f00:1",
      "::0:ffff:127.0.0.1",
      "0000:0000:0000:0000:0000:ffff:7f00:0001",
      "::ffff:8.8.8.8",
    ],
    ...["0:0:0::0:ffff:7f00:1", "0:0:0:0:0:ffff:10.0.0.1", "::ffff:a9fe:a9fe"],
    // compatible and translated
    ...["::7f00:1", "::127.0.0.1", "::ffff", "::ffff:0:7f00:1", "::ffff:0:127.0.0.1"],
  ].map((address) => [address, "IPv4 in IPv6"] as const),
];
for (const [address, what] of NEVER)
  test(`${address} is refused, whatever is granted`, () => {
    assert.equal(addressFault(address, new Networks(["0.0.0.0/0", "::/0"])), `${address} is ${what}`);
  });

const PUBLIC = [
  ...[
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
  ],
  ...["169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"],
  ...[
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2001:200::1",
    "2003::1",
    "fe00::1",
  ],
  ...["64:ff9b:2::1", "1:0:0:0:0:ffff:7f00:1"],
];
for (const address of PUBLIC)
  test(`a connection to ${address} is allowed`, () => {
    assert.equal(addressFault(address, NOTHING), undefined);
  });

for (const [address, network] of [
  ["10.20.3.4", "10.20.0.0/16"],
  ["127.0.0.1", "127.0.0.1/32"],
  ["169.254.1.1", "169.254.0.0/16"],
  ["::1", "::1/128"],
  ["fd00::7", "fd00::/8"],
  ["fe80::1", "fe80::/64"],
  ["240.0.0.1", "240.0.0.0/4"],
  ["64:ff9b::a14:304", "64:ff9b::/96"],
  ["10.1.1.1", "0.0.0.0/0"],
] as const)
  test(`a connection to ${address} is allowed if ${network} is granted`, () => {
    assert.equal(addressFault(address, new Networks(["192.168.0.0/16", network])), undefined);
  });

for (const [address, network] of [
  ["10.21.0.0", "10.20.0.0/16"],
  ["127.0.0.2", "127.0.0.1/32"],
  ["::1", "127.0.0.0/8"],
  ["::1", "0.0.0.0/0"],
  ["10.0.0.1", "::/0"],

  ["64:ff9b::a14:1", "10.20.0.0/16"],
  ["2002:a14:1::1", "10.20.0.0/16"],
] as const)
  test(`a connection to ${address} is refused if only ${network} is granted`, (t) => {
    assertSentence(t, String(addressFault(address, new Networks([network]))));
  });

for (const address of ["fe80::1%eth0", "::1%lo", "2606:4700::1111%1", "::ffff:127.0.0.1%lo"])
  test(`a connection to ${address} is refused: a resolver must not choose a zone`, () => {
    assert.equal(addressFault(address, new Networks(["0.0.0.0/0", "::/0"])), `${address} has a zone`);
  });

for (const text of [
  "",
  "localhost",
  "127.1",
  "0x7f000001",
  "2130706433",
  "127.0.0.1 ",
  "[::1]",
  "::1\0",
  "1.1.1.1/0",
])
  test(`${JSON.stringify(text)} is not a valid address`, (t) => {
    assertSentence(t, String(addressFault(text, new Networks(["0.0.0.0/0", "::/0"]))));
  });

test("addressFault never throws, and returns one short line of printable characters", () => {
  const texts = fc.oneof(fc.string({ unit: "binary" }), fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(texts, (text) => {
      const fault = addressFault(text, NOTHING);
      if (fault === undefined) assert.notEqual(isIP(text), 0);
      else assert.match(fault, /^[\x20-\x7e]{1,400}$/);
    }),
  );
});

test("an IPv4 address in IPv6 notation is always refused", () => {
  const clothes = fc.constantFrom("::ffff:", "0:0:0:0:0:ffff:", "::", "64:ff9b::", "0::ffff:", "::0:0:ffff:");
  fc.assert(
    fc.property(clothes, fc.ipV4(), (front, address) => {
      assert.notEqual(addressFault(front + address, NOTHING), undefined);
    }),
  );
});

test("a fault quotes at most 60 characters of an invalid address", (t) => {
  for (const length of [60, 61]) assertSentence(t, String(addressFault("x".repeat(length), NOTHING)));
});
