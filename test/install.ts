/**
 * Installs the emulators, oracles and engines that lanes install on first use, one after the other in the order of the
 * lanes: `.ci/run` has it done while a core is idle. What is there already is left as it is.
 */
import { emulatorEnvironment } from "./aws/emulators.ts";
import { icebergJar } from "./engines/spark-job.ts";
import { sparkEnvironment, sparkVersions, type SparkLine } from "./engines/spark.ts";
import { trinoJars } from "./engines/trino.ts";
import { oraclesEnvironment } from "./oracles/environment.ts";

for (const name of ["moto", "ministack"] as const) await emulatorEnvironment(name);
await trinoJars();
for (const line of Object.keys(sparkVersions) as SparkLine[]) {
  await sparkEnvironment(line);
  await icebergJar(line);
}
await oraclesEnvironment();
