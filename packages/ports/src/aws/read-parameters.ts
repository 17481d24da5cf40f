/** How EMR Serverless starts the read of a table: in one place for the stacks and for the proof on Spark. */
import { submitParameters } from "./spark-parameters.ts";

/** What Spark reads for loads, within the lake's bucket; a source's own prefix follows. */
export const READS_PREFIX = "sources/reads/";

/** Read by packages/lake/spark/read_table.py; Spark leaves out of its logs and pages what has such a name. */
export const PASSWORD_PROPERTY = "spark.ebb.password";

/** Of Maven Central, with the SHA-256 of the jar. */
export interface DriverJar {
  readonly artefact: `${string}:${string}:${string}`;
  readonly sha256: string;
}

export const driverJars: Readonly<Record<"postgres" | "mysql", DriverJar>> = {
  postgres: {
    artefact: "org.postgresql:postgresql:42.7.8",
    sha256: "2a32a9dcbc42d67a50ad3a0de5efd102c8d2be46720045f2cbd6689f160ab7c7",
  },
  // LGPL 2.1, and not MySQL's own under the GPL: it is fetched by whoever deploys, and speaks with both servers.
  mysql: {
    artefact: "org.mariadb.jdbc:mariadb-java-client:3.5.6",
    sha256: "a129703efd7b0f334564d46753de999f09b3a361489a2eb647e6020390981cc9",
  },
};

/** `org.postgresql:postgresql:42.7.8` → `org/postgresql/postgresql/42.7.8/postgresql-42.7.8.jar`. */
export const jarPath = ({ artefact }: DriverJar): string => {
  const [group, name, version] = artefact.split(":") as [string, string, string];
  return `${group.replaceAll(".", "/")}/${name}/${version}/${name}-${version}.jar`;
};

const CORES = 2;

export interface ReadParameters {
  /** URI of the driver's jar. */
  readonly jar: string;
  /** As many connections to the database at once. */
  readonly partitions: number;
  readonly settings?: Readonly<Record<string, string>>;
}

export const readParameters = ({ jar, partitions, settings = {} }: ReadParameters): string =>
  submitParameters({
    "spark.jars": jar,
    "spark.driver.cores": "1",
    "spark.driver.memory": "4g",
    "spark.executor.cores": String(CORES),
    "spark.executor.memory": "8g",
    "spark.dynamicAllocation.maxExecutors": String(Math.ceil(partitions / CORES)),
    // Workers tell each other the password: EMR Serverless gives each a certificate.
    "spark.ssl.internode.enabled": "true",
    // A partition that was read half is read anew whole, by another worker.
    "spark.task.maxFailures": "4",
    "spark.sql.session.timeZone": "UTC",
    ...settings,
  });
