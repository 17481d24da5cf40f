/** Where a relational database is and how it is spoken to, with its password read already. */
export interface RelationalConnection {
  /** The source that is read, for messages. */
  readonly source: string;
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
  /** `off` is taken for this machine alone. A certificate authority where the system's do not know the server's. */
  readonly tls: { readonly mode: "verify"; readonly ca?: string | undefined } | { readonly mode: "off" };
}

/** A server that does not answer is given up after this. */
export const CONNECT_TIMEOUT_MS = 15_000;
/** Rows that are handed on together. */
export const BLOCK_ROWS = 2_000;

const LOCAL = /^(?:localhost|127(?:\.\d{1,3}){3}|::1)$/;
/** Whether nothing that is sent there leaves the machine. */
export const isLocal = (host: string): boolean => LOCAL.test(host);

/** System errors of a connection that cannot be made or was lost. */
export const networkCodes: ReadonlySet<string> = new Set([
  ...["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ENOTFOUND", "EAI_AGAIN"],
  ...["PROTOCOL_CONNECTION_LOST", "ECONNABORTED", "ENETDOWN"],
]);

/** Errors of OpenSSL and Node about a certificate that is not trusted. */
export const isCertificateError = (code: string, message: string): boolean =>
  /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|SSL/.test(code) ||
  /certificate|does not support SSL|secure connection/i.test(message);
