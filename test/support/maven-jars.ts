/** Jars of pinned Maven artefacts with all that they need at run time, for engines that nobody here wrote. */
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { installOnce } from "./install-once.ts";

const run = promisify(execFile);
const COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

const project = (artefacts: readonly string[]): string => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>ebb</groupId><artifactId>jars</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
${artefacts
  .map((artefact) => artefact.split(":"))
  .map(
    ([group, name, version]) =>
      `    <dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`,
  )
  .join("\n")}
  </dependencies>
</project>
`;

/**
 * A folder of jars: the artefacts (`group:name:version`) and their runtime dependencies, copied there by Maven unless
 * they are there.
 *
 * @throws Error when Maven is missing or an artefact is
 */
export const mavenJars = async (name: string, artefacts: readonly string[], cost?: string): Promise<string> => {
  const build = async (folder: string): Promise<void> => {
    mkdirSync(folder, { recursive: true });
    const pom = path.join(folder, "pom.xml");
    writeFileSync(pom, project(artefacts));
    try {
      await run("mvn", ["-q", "-B", "-f", pom, COPY, "-DincludeScope=runtime", `-DoutputDirectory=${folder}/jars`]);
    } catch (error) {
      throw new Error(`${name} needs mvn with Java 17, and ${artefacts.join(" ")} from Maven Central.`, {
        cause: error,
      });
    }
  };
  return path.join(await installOnce({ name, packages: artefacts, registry: "Maven Central", cost, build }), "jars");
};
