/** What must hold of everything that `npm ci` installs: read from the lockfile alone, without the network. */

/** An entry of `packages` in a lockfile of version 3 (npm's own format). */
export interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly license?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}

export interface Lockfile {
  readonly lockfileVersion: number;
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/** `scripts/supply-chain.json`: each exception by the name of its package, with the reason for it. */
export interface Policy {
  /** SPDX identifiers. */
  readonly licences: readonly string[];
  readonly licenceExceptions: Readonly<Record<string, string>>;
  readonly installScripts: Readonly<Record<string, string>>;
  /** Advisories that do not concern this project, until a day (YYYY-MM-DD) on which somebody looks again. */
  readonly advisories: readonly { readonly id: string; readonly reason: string; readonly until: string }[];
}

const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);

/** `MIT`, `(MIT OR GPL-2.0)` (one of them suffices), `MIT AND ISC` (all of them are needed). */
function licenceAllowed(licence: string, allowed: readonly string[]): boolean {
  const terms = licence.replace(/^\((.*)\)$/, "$1");
  if (terms.includes(" OR ")) return terms.split(" OR ").some((term) => licenceAllowed(term, allowed));
  return terms.split(" AND ").every((term) => allowed.includes(term.trim()));
}

/** Sentences about what breaks the rules; none when all is well. An exception that nothing needs breaks them too. */
export function lockProblems(lock: Lockfile, policy: Policy): string[] {
  const installed = Object.entries(lock.packages)
    .filter(([path, entry]) => path.includes("node_modules/") && entry.link !== true)
    .map(([path, entry]) => ({ name: nameOf(path), path, entry }));
  const problems = lock.lockfileVersion === 3 ? [] : [`The lockfile has version ${lock.lockfileVersion}, not 3.`];
  const used = new Set<string>();

  for (const { name, path, entry } of installed) {
    if (entry.integrity?.startsWith("sha512-") !== true) problems.push(`${path} has no SHA-512 in the lockfile.`);
    if (entry.resolved !== undefined && !entry.resolved.startsWith("https://registry.npmjs.org/"))
      problems.push(`${path} does not come from the npm registry.`);
    if (!licenceAllowed(entry.license ?? "none stated", policy.licences)) {
      if (policy.licenceExceptions[name] === undefined)
        problems.push(`${path} has the licence "${entry.license ?? "none stated"}", which is not on the list.`);
      used.add(`licenceExceptions.${name}`);
    }
    if (entry.hasInstallScript === true) {
      if (policy.installScripts[name] === undefined) problems.push(`${path} would run a script when it is installed.`);
      used.add(`installScripts.${name}`);
    }
  }

  for (const list of ["licenceExceptions", "installScripts"] as const)
    for (const name of Object.keys(policy[list]))
      if (!used.has(`${list}.${name}`)) problems.push(`${list} names ${name}, which does not need it any more.`);
  return problems;
}

/** Sentences about dependencies of a `package.json` that are not one exact version. */
export function unpinned(
  file: string,
  manifest: Readonly<Record<"dependencies" | "devDependencies", Readonly<Record<string, string>> | undefined>>,
): string[] {
  return Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
    .filter(([name, version]) => !name.startsWith("@ebb/") && !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
    .map(([name, version]) => `${file} asks for ${name} ${version}, not for one version.`);
}

/** What `npm audit --json` prints (report version 2), as far as it is read here. */
export interface AuditReport {
  readonly vulnerabilities?: Readonly<
    Record<
      string,
      {
        readonly via: readonly (
          string | { readonly url?: string; readonly title?: string; readonly severity?: string }
        )[];
      }
    >
  >;
}

/**
 * Sentences about advisories without a valid exception; undefined when the report is not one, because the advisory
 * service did not answer.
 *
 * @param today - YYYY-MM-DD: an exception holds up to and with its day.
 */
export function auditProblems(report: AuditReport, policy: Policy, today: string): string[] | undefined {
  if (report.vulnerabilities === undefined) return undefined;
  const problems = new Set<string>();
  for (const [name, { via }] of Object.entries(report.vulnerabilities))
    for (const advisory of via) {
      if (typeof advisory === "string") continue; // The package that it names has an entry of its own.
      const id = advisory.url?.split("/").at(-1) ?? "an advisory without address";
      const exception = policy.advisories.find((known) => known.id === id);
      if (exception === undefined)
        problems.add(`${name}: ${id} (${advisory.severity ?? "severity unknown"}) ${advisory.title ?? ""}`.trim());
      else if (exception.until < today) problems.add(`${name}: the exception for ${id} ended on ${exception.until}.`);
    }
  return [...problems];
}
