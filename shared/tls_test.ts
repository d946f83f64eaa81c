import { expect, test } from "bun:test";
import { AUTHORITY, LEAF, NODE_CERTIFICATE, OTHER_LEAF } from "./testing/certificates.ts";
import { whyNotVerifiable } from "./tls.ts";

test.each([
  ["signed by itself", NODE_CERTIFICATE.cert, true],
  ["with its authority behind it", LEAF.cert + AUTHORITY, true],
  ["with others in between", LEAF.cert + OTHER_LEAF.cert + AUTHORITY, true],
  ["of an authority, alone", LEAF.cert, false],
  ["of an authority that is not the one behind it", LEAF.cert + NODE_CERTIFICATE.cert, false],
])("a certificate %s can be checked by who has nothing else: %#", (_, cert, verifiable) => {
  const why = whyNotVerifiable(cert);
  if (verifiable) expect(why).toBeNull();
  else expect(why).toContain('signed by "CN=test authority"');
});
