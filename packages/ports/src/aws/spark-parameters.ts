/** How EMR Serverless starts Spark: `sparkSubmitParameters`, in one place for the stacks and for the proof on Spark. */
import { sparkSettings } from "@ebb/lake/dialect";

/** Name of the Iceberg catalogue within Spark; run_sql.py knows it by this name. */
export const SPARK_CATALOGUE = "lake";

/** Where EMR 7 keeps Iceberg's runtime (EMR Serverless user guide, "Using Apache Iceberg with EMR Serverless"). */
export const EMR_ICEBERG_JAR = "/usr/share/aws/iceberg/lib/iceberg-spark3-runtime.jar";

/** The lake's tables, as the Glue catalogue names them and S3 holds them. */
export const glueCatalogue = (warehouse: string): Readonly<Record<string, string>> => ({
  type: "glue",
  warehouse,
  "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
});

export interface SparkParameters {
  readonly icebergJar: string;
  /** Properties of the catalogue `lake`. */
  readonly catalogue: Readonly<Record<string, string>>;
  /** Size of driver and executors, and the like. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** @throws TypeError for a value with a blank or a quote in it, which would come out as another argument */
export const sparkSubmitParameters = ({ icebergJar, catalogue, settings = {} }: SparkParameters): string =>
  submitParameters({
    "spark.jars": icebergJar,
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    [`spark.sql.catalog.${SPARK_CATALOGUE}`]: "org.apache.iceberg.spark.SparkCatalog",
    ...Object.fromEntries(
      Object.entries(catalogue).map(([name, value]) => [`spark.sql.catalog.${SPARK_CATALOGUE}.${name}`, value]),
    ),
    ...sparkSettings,
    ...settings,
  });

/** @throws TypeError as `sparkSubmitParameters` */
export const submitParameters = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([name, value]) => {
      if (/[\s"'\\]/.test(value)) throw new TypeError(`${name} may hold neither blanks nor quotes`);
      return `--conf ${name}=${value}`;
    })
    .join(" ");
