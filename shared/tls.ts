/** Certificates: read from their files, checked before they are used, and the settings that name them. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { messageOf } from "./errors.ts";
import type { Logger } from "./log.ts";
import { ConfigError, type Setting } from "./settings.ts";

/** Where they are. */
export interface TlsFiles {
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
  readonly tlsClientCa: string | null;
}

/** What is in them, PEM. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
  /** Whose certificates a caller has to have one of; null where it needs none. */
  readonly clientCa: string | null;
}

const path = (variable: string, doc: string): Setting<string | null> => ({
  variable,
  fallback: null,
  doc,
  parse: (text) => text,
});

/** The settings of both programs. */
export const TLS_SETTINGS = {
  tlsCert: path("TLS_CERT", "File of the certificate to listen with (PEM): https instead of http; read anew on SIGHUP"),
  tlsKey: path("TLS_KEY", "File of its private key (PEM)"),
  tlsClientCa: path("TLS_CLIENT_CA", "File of the authority (PEM) whose certificate every caller has to show"),
};

/** Throws ConfigError where only a part of `files` is named. */
export function checkTlsFiles({ tlsCert, tlsKey, tlsClientCa }: TlsFiles): void {
  if ((tlsCert === null) !== (tlsKey === null)) {
    throw new ConfigError([
      `${tlsCert === null ? "TLS_KEY" : "TLS_CERT"} is set alone: a certificate and its key go together`,
    ]);
  }
  if (tlsClientCa !== null && tlsCert === null) {
    throw new ConfigError(["TLS_CLIENT_CA is set without TLS_CERT: without TLS nobody shows a certificate"]);
  }
}

/** Reads `files`; null where there is to be no TLS. Throws an Error that names the file and what is wrong with it. */
export function readTls({ tlsCert, tlsKey, tlsClientCa }: TlsFiles): Tls | null {
  if (tlsCert === null || tlsKey === null) return null;
  const cert = readCertificate("TLS_CERT", tlsCert);
  const key = read("TLS_KEY", tlsKey);
  let fits = false;
  try {
    fits = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    throw new Error(`TLS_KEY=${tlsKey} is no private key in PEM without a password`);
  }
  if (!fits) throw new Error(`TLS_KEY=${tlsKey} is not the key of the certificate in TLS_CERT=${tlsCert}`);
  const clientCa = tlsClientCa === null ? null : readCertificate("TLS_CLIENT_CA", tlsClientCa);
  try {
    // What the listener does with them, tried where a failure costs nothing: it sees more than the checks above.
    createSecureContext({ cert, key, ...(clientCa === null ? {} : { ca: clientCa }) });
  } catch (error) {
    throw new Error(`TLS_CERT=${tlsCert} cannot be used: ${messageOf(error)}`);
  }
  return { cert, key, clientCa };
}

/**
 * Null when the hub, which is given `cert` and nothing else, can check it: it is signed by itself, or everybody who signed
 * it comes behind it. Else a sentence that says what to do.
 */
export function whyNotVerifiable(cert: string): string | null {
  const [leaf, ...others] = (cert.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    (pem) => new X509Certificate(pem),
  );
  let last = leaf;
  // No chain is longer than there are certificates.
  for (let link = 0; last !== undefined && link <= others.length; link++) {
    const signed = last;
    if (isSignedBy(signed, signed)) return null;
    last = others.find((other) => isSignedBy(signed, other));
    if (last === undefined) {
      return (
        `the certificate in TLS_CERT is signed by "${signed.issuer.replaceAll("\n", ", ")}", whose own certificate is not in ` +
        "that file: the hub cannot check it and does not use this node; put the certificates of all its issuers, the " +
        "root's too, behind it, or use one that is signed by itself"
      );
    }
  }
  return null;
}

function isSignedBy(cert: X509Certificate, issuer: X509Certificate): boolean {
  return cert.checkIssued(issuer) && cert.verify(issuer.publicKey);
}

/** How to read `files` anew while they are in use: `use` gets what is in them, unless that cannot be used. */
export function renewalOf(files: TlsFiles, use: (tls: Tls) => void, log: Pick<Logger, "info" | "error">): () => void {
  return () => {
    try {
      const renewed = readTls(files);
      if (renewed === null) return;
      use(renewed);
      log.info("the certificate was read anew");
    } catch (error) {
      log.error({ err: error }, "the certificate stays as it was: the new one cannot be used");
    }
  };
}

const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----.*?-----END \1-----/gs;

/** The certificate in the file that `variable` names, and those after it that lead to its authority. Throws as above. */
export function readCertificate(variable: string, file: string): string {
  const text = read(variable, file);
  const [first, ...chain] = text.match(CERTIFICATE) ?? [];
  if (first === undefined || !isCertificate(first)) throw new Error(`${variable}=${file} is no certificate in PEM`);
  const broken = chain.findIndex((each) => !isCertificate(each));
  if (broken >= 0) throw new Error(`${variable}=${file}: certificate ${broken + 2} in it is broken`);
  return text;
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}

function read(variable: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new Error(`${variable}=${file} cannot be read: ${messageOf(error)}`);
  }
}
