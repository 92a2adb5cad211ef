import assert from "node:assert/strict";
import { constants, verify, X509Certificate } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { prepareEncoding } from "../../src/celery/encoding.ts";
import { signerOf } from "../../src/celery/signing.ts";
import { BeatError, UsageError } from "../../src/core/errors.ts";
import { silentLog } from "../../src/log.ts";
import { readSigner } from "../../src/message-signing.ts";
import { SimulatedClock } from "../../src/testing/simulated-clock.ts";
import { makeCa } from "../servers/certificates.ts";
import { assertSame, build, type Captured, golden } from "./captures.ts";

const folder = await mkdtemp(join(tmpdir(), "beat-signing-"));
after(() => rm(folder, { recursive: true, force: true }));
const ca = await makeCa(folder, "fleet");
const [beat, other] = await Promise.all([ca.sign("beat"), ca.sign("other")]);
const [key, certificate] = await Promise.all([readFile(beat.key), readFile(beat.certificate)]);
const { validUntil } = signerOf({ key, certificate });

const bytes = (text: string) => Buffer.from(text, "base64");

/** What stands between the separators. The signature of old messages may hold one. */
function fieldsOf(body: string, layout: "current" | "legacy", signatureBytes: number) {
  const content = bytes(body);
  const first = content.indexOf("\0\x01");
  const length = layout === "legacy" ? signatureBytes : content.indexOf("\0\x01", first + 2) - first - 2;
  const rest = content.subarray(first + 2 + length + 2).toString();
  const [contentType, encoding, ...json] = rest.split("\0\x01");
  const [signer, signature] = [content.subarray(0, first), content.subarray(first + 2, first + 2 + length)];
  const plain = (field: Buffer) => (layout === "legacy" ? field : bytes(field.toString()));
  return { signer: plain(signer).toString(), signature: plain(signature), rest: [contentType, encoding, ...json] };
}

suite("messages of a client with setup_security", () => {
  const cases = golden("auth-celery") as Record<string, Captured>;
  for (const [version, captured] of Object.entries(cases)) {
    test(`Celery ${version}`, () => {
      const layout = version < "5.4" ? "legacy" : "current";
      const made = golden("serializers")[version];
      assert.equal(made["auth captured"].msg[0].body_text, captured.body);
      assert.equal(made["auth new layout (b64 signer+sig)"].ran, layout === "current");
      assert.equal(made["auth old layout (raw)"].ran, layout === "legacy");
      assert.equal(made["auth new, sha512"].ran, false, "the digest has to be the workers', by default sha256");
      const signer = signerOf({ key, certificate, layout });
      const message = build(
        { args: [2, 3], options: { serializer: "auth" } },
        { defaultQueue: "hg_ser", signer, dueAt: 0 },
      );
      assertSame(message, { ...captured, body: message.body.toString() }, ["argsrepr", "ignore_result"]);
      const [own, theirs] = [message.body.toString(), captured.body].map((body) => fieldsOf(body, layout, 256));
      assert.deepEqual(own!.rest, theirs!.rest);
      assert.equal(own!.signature.length, theirs!.signature.length);
      const { publicKey, serialNumber } = new X509Certificate(certificate);
      assert.equal(theirs!.signer, "GB Hg Ltd hg issuer 401913622528264634779336861921666001655890722054");
      assert.equal(own!.signer, `fleet ${BigInt(`0x${serialNumber}`)}`);
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      assert.ok(verify("sha256", Buffer.from(own!.rest[2]!), { key: publicKey, padding }, own!.signature));
    });
  }
});

suite("refused", () => {
  test("without a key, when a message is built and not before", () => {
    const { encode } = prepareEncoding({ serializer: "auth" });
    assert.throws(
      () => encode([]),
      (error) => error instanceof BeatError && /no key to sign.*--security-key/.test(error.describe()),
    );
  });
  test("once the certificate is over", () => {
    const signer = signerOf({ key, certificate });
    const at = (dueAt: number) => build({ options: { serializer: "auth" } }, { signer, dueAt });
    assert.doesNotThrow(() => at(validUntil - 1));
    assert.throws(() => at(validUntil), /certificate that signs messages expired/);
    assert.doesNotThrow(() => build({}, { signer, dueAt: validUntil }));
  });
  test("a key of another certificate", async () => {
    assert.throws(() => signerOf({ key, certificate: "" }), /certificate that signs messages can't be read/);
    const foreign = await readFile(other.certificate);
    assert.throws(() => signerOf({ key, certificate: foreign }), /does not belong to the certificate/);
  });
  test("files that are not there, or over", async () => {
    const read = (files: typeof beat, now: number) =>
      readSigner(files, { clock: new SimulatedClock(now), log: silentLog });
    await assert.rejects(read({ ...beat, key: join(folder, "none") }, validUntil - 1), UsageError);
    await read(beat, validUntil - 1);
    await assert.rejects(read(beat, validUntil), /security: the certificate .* expired at/);
  });
});

test("a key that others can read is warned about", async () => {
  const warnings: string[] = [];
  const log = { ...silentLog, warn: (text: string) => void warnings.push(text) };
  const open = { ...beat, key: join(folder, "open.key") };
  await writeFile(open.key, key);
  for (const [mode, count] of [
    [0o600, 0],
    [0o644, 1],
  ] as const) {
    await chmod(open.key, mode);
    await readSigner(open, { clock: new SimulatedClock(validUntil - 1), log });
    assert.equal(warnings.length, count);
  }
  assert.match(warnings[0]!, /chmod 600 .*open\.key/);
});
