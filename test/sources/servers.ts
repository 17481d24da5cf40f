/** A PostgreSQL and a MariaDB of Debian's packages, each in a folder of its own, with TLS by a certificate made here. */
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import mysql from "mysql2/promise";
import pg from "pg";

export interface Server {
  readonly kind: "postgres" | "mysql";
  readonly port: number;
  readonly password: string;
  /** Of the certificate authority. */
  readonly caFile: string;
  /** Files that the server writes lie here. */
  readonly folder: string;
  /** Runs statements as the owner of the database. */
  run(sql: string): Promise<void>;
  /** Rows of a SELECT as the server writes them, tab-separated, `\N` for null. */
  dump(select: string, file: string): Promise<void>;
  stop(): Promise<void>;
}

const isRoot = process.getuid?.() === 0;
/** Database servers refuse to run as root. */
const asUser = (command: string, args: readonly string[]): [string, string[]] =>
  isRoot
    ? ["setpriv", ["--reuid=nobody", "--regid=nogroup", "--clear-groups", command, ...args]]
    : [command, [...args]];

const quiet = (command: string, args: readonly string[]): void => {
  execFileSync(command, [...args], { stdio: ["ignore", "ignore", "pipe"] });
};

/** Installs packages of Debian's where a program is missing; `undefined` where that cannot be. */
const program = (pattern: string, ...packages: readonly string[]): string | undefined => {
  const find = (): string | undefined => globSync(pattern).sort().at(-1);
  if (find() === undefined && isRoot && existsSync("/usr/bin/apt-get"))
    try {
      process.stderr.write(`Installing ${packages.join(", ")} from Debian, once …\n`);
      quiet("apt-get", ["update", "-qq"]);
      quiet("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages]);
    } catch {
      return undefined;
    }
  return find();
};

export const postgresProgram = (): string | undefined => program("/usr/lib/postgresql/*/bin/postgres", "postgresql");
export const mariadbProgram = (): string | undefined => {
  const packages = ["mariadb-server-core", "mariadb-client-core"];
  // The installer of its first database needs a program of the client's package.
  return program("/usr/bin/my_print_defaults", ...packages) && program("/usr/sbin/mariadbd", ...packages);
};

const freePort = async (): Promise<number> =>
  await new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

/** A folder with a certificate for 127.0.0.1 and localhost that its own authority signed. */
const certified = (name: string): string => {
  const folder = mkdtempSync(path.join(tmpdir(), `ebb-${name}-`));
  chmodSync(folder, 0o755);
  const at = (file: string): string => path.join(folder, file);
  const openssl = (...args: string[]): void => quiet("openssl", args);
  writeFileSync(at("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n");
  openssl(
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=Test authority",
    "-keyout",
    at("ca.key"),
    "-out",
    at("ca.pem"),
  );
  openssl(
    "req",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-subj",
    "/CN=localhost",
    "-keyout",
    at("server.key"),
    "-out",
    at("server.csr"),
  );
  openssl(
    "x509",
    "-req",
    "-in",
    at("server.csr"),
    "-CA",
    at("ca.pem"),
    "-CAkey",
    at("ca.key"),
    "-CAcreateserial",
    "-days",
    "2",
    "-extfile",
    at("names"),
    "-out",
    at("server.pem"),
  );
  chmodSync(at("server.key"), 0o600);
  mkdirSync(at("data"));
  if (isRoot) quiet("chown", ["-R", "nobody:nogroup", folder]);
  return folder;
};

const started = async (what: string, logFile: string, attempt: () => Promise<unknown>): Promise<void> => {
  let cause: unknown;
  for (let tries = 0; tries < 300; tries++) {
    try {
      await attempt();
      return;
    } catch (error) {
      cause = error;
      await delay(200);
    }
  }
  throw new Error(`${what} did not start:\n${existsSync(logFile) ? readFileSync(logFile, "utf8").slice(-2000) : ""}`, {
    cause,
  });
};

export const startPostgres = async (bin: string): Promise<Server> => {
  const folder = certified("postgres");
  const port = await freePort();
  const password = "a password of the test";
  const at = (file: string): string => path.join(folder, file);
  writeFileSync(at("password"), password, { mode: 0o644 });
  quiet(
    ...asUser(path.join(path.dirname(bin), "initdb"), [
      "-D",
      at("data"),
      "-U",
      "owner",
      "-A",
      "scram-sha-256",
      `--pwfile=${at("password")}`,
      "-E",
      "UTF8",
      "--locale=C",
      "--no-sync",
    ]),
  );
  const settings = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: folder,
    ssl: "on",
    ssl_cert_file: at("server.pem"),
    ssl_key_file: at("server.key"),
    fsync: "off",
    timezone: "Europe/Berlin",
  };
  const child = spawn(
    ...asUser(bin, [
      "-D",
      at("data"),
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ]),
    { stdio: ["ignore", "ignore", "ignore"] },
  );
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const pool = new pg.Pool({ host: "127.0.0.1", port, user: "owner", password, database: "postgres", max: 4 });
  pool.on("error", () => undefined);
  await started("PostgreSQL", at("log"), () => pool.query("SELECT 1"));
  return {
    kind: "postgres",
    port,
    password,
    caFile: at("ca.pem"),
    folder,
    run: async (sql) => void (await pool.query(sql)),
    dump: async (select, file) => void (await pool.query(`SET TimeZone = 'UTC'; COPY (${select}) TO '${file}'`)),
    stop: async () => {
      await pool.end();
      child.kill("SIGINT");
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

export const startMariadb = async (bin: string): Promise<Server> => {
  const folder = certified("mariadb");
  const port = await freePort();
  const password = "a password of the test";
  const at = (file: string): string => path.join(folder, file);
  quiet(
    ...asUser("mariadb-install-db", [
      "--no-defaults",
      `--datadir=${at("data")}`,
      "--auth-root-authentication-method=normal",
      "--skip-test-db",
    ]),
  );
  const child = spawn(
    ...asUser(bin, [
      "--no-defaults",
      `--datadir=${at("data")}`,
      `--port=${port}`,
      "--bind-address=127.0.0.1",
      `--socket=${at("socket")}`,
      `--log-error=${at("log")}`,
      `--ssl-cert=${at("server.pem")}`,
      `--ssl-key=${at("server.key")}`,
      `--ssl-ca=${at("ca.pem")}`,
      "--innodb-flush-log-at-trx-commit=0",
      "--innodb-buffer-pool-size=256M",
      `--pid-file=${at("pid")}`,
      "--sql-mode=",
      "--local-infile=0",
    ]),
    { stdio: "ignore" },
  );
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const pool = mysql.createPool({
    socketPath: at("socket"),
    user: "root",
    multipleStatements: true,
    connectionLimit: 4,
  });
  await started("MariaDB", at("log.err"), () => pool.query("SELECT 1"));
  await pool.query("CREATE DATABASE shop CHARACTER SET utf8mb4");
  const shop = mysql.createPool({
    socketPath: at("socket"),
    user: "root",
    database: "shop",
    multipleStatements: true,
    connectionLimit: 4,
  });
  return {
    kind: "mysql",
    port,
    password,
    caFile: at("ca.pem"),
    folder,
    run: async (sql) => void (await shop.query(sql)),
    dump: async (select, file) =>
      void (await shop.query(`SET time_zone = '+00:00'; SELECT * FROM (${select}) AS d INTO OUTFILE '${file}'`)),
    stop: async () => {
      await Promise.all([pool.end(), shop.end()]);
      child.kill("SIGTERM");
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
