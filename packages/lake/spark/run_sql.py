"""Runs one job document on Spark: rendered SQL in, Iceberg tables and Parquet exports out.

EMR Serverless starts it as the entry point of a job run; `spark-submit run_sql.py …` on one machine is the same program
with another catalogue. It decides nothing about the tables: names, columns, partitions and SQL are in the document,
which packages/ports/src/aws/job-document.ts renders.

A write is one Iceberg commit, whether it replaces partitions or merges by key, so readers see a table before or after
it, never between. A commit that replaces carries the job's token: a run that is started again with the same token passes
over what is already there. A merge, which carries none, leaves the same rows when it is made again.

The last thing written is the result document, which says what was written or why not. Exit codes: 0 done, 1 failed,
2 called wrongly.
"""

import argparse
import json
import re
import sys
import traceback

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

CATALOGUE = "lake"
TOKEN = "ebb-token"
NAME = re.compile(r"^[a-z_][a-z0-9_]*$")
# What may pass by itself when a job is started again, by the names that Spark, Iceberg and S3 give it.
PASSING = re.compile(
    r"ExecutorLost|FetchFailed|CommitFailedException|CommitStateUnknown|SdkClientException|S3Exception|SlowDown"
    r"|Throttl|ConnectException|SocketTimeout|UnknownHost|No space left|ExecutorDeadException"
)


NOTHING = {"rows": 0, "files": 0}


def counts_of(summary):
    """Rows and files that a commit added."""
    return {"rows": int(summary.get("added-records", 0)), "files": int(summary.get("added-data-files", 0))}


class Refused(Exception):
    """The document or the arguments are wrong: starting the job again cannot help."""


def arguments():
    parser = argparse.ArgumentParser(description="Runs a job document on Spark.")
    parser.add_argument("--job", required=True, help="URI of the job document")
    parser.add_argument("--result", required=True, help="URI that the result document is written to")
    parser.add_argument("--raw-events", required=True, help="location of raw_events, or its table in a catalogue")
    parser.add_argument("--database", required=True, help="database of the batch tables in the catalogue `lake`")
    parser.add_argument("--warehouse", required=True, help="location under which new tables are made")
    parser.add_argument("--cutoff", help="only the writes of this cutoff, YYYY-MM-DD")
    return parser.parse_args()


def named(name):
    """A name that may stand in SQL as it is."""
    if not NAME.match(name):
        raise Refused(f"{name!r} is no name of a table, column or database")
    return name


class Files:
    """Whole small files through Hadoop's file systems: `s3:` on EMR, `file:` on one machine."""

    def __init__(self, spark):
        self._jvm = spark._jvm
        self._conf = spark._jsc.hadoopConfiguration()

    def _open(self, uri):
        path = self._jvm.org.apache.hadoop.fs.Path(uri)
        return path.getFileSystem(self._conf), path

    def exists(self, uri):
        system, path = self._open(uri)
        return system.exists(path)

    def read(self, uri):
        system, path = self._open(uri)
        stream = system.open(path)
        try:
            return self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()

    def write(self, uri, text):
        system, path = self._open(uri)
        stream = system.create(path, True)
        try:
            stream.write(bytearray(text, "utf-8"))
        finally:
            stream.close()


    def replace_by_only(self, folder, uri):
        """Puts the one Parquet file of a folder over another file, and removes the folder."""
        system, path = self._open(folder)
        parts = [each.getPath() for each in system.listStatus(path) if each.getPath().getName().endswith(".parquet")]
        if len(parts) != 1:
            raise RuntimeError(f"{len(parts)} files were written where one was to be")
        target_system, target = self._open(uri)
        copied = self._jvm.org.apache.hadoop.fs.FileUtil.copy(
            system, parts[0], target_system, target, False, True, self._conf
        )
        if not copied:
            raise RuntimeError("a file was made anew and could not be put in its place")
        system.delete(path, True)


class Job:
    def __init__(self, spark, args, document):
        self.spark = spark
        self.args = args
        self.document = document
        self.database = named(args.database)
        self.files = Files(spark)

    def table(self, name):
        return f"{CATALOGUE}.{self.database}.{named(name)}"

    # ── inputs ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def register_inputs(self):
        columns = self.document["rawEvents"]["columns"]
        schema = ", ".join(f"`{named(column['name'])}` {column['type']}" for column in columns)
        source = self.args.raw_events
        if re.search(r"[:/]", source):
            # Athena's computed partitions mean nothing to Spark: the folders themselves are read.
            found = self.files.exists(source)
            frame = self.spark.read.schema(schema).parquet(source) if found else self.spark.createDataFrame([], schema)
        else:
            frame = self.spark.table(source)
        frame.createOrReplaceTempView("raw_events")
        for default in self.document["defaults"]:
            self.spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {named(default['name'])} AS {default['sql']}")
        self.spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {CATALOGUE}.{self.database}")
        for row in self.spark.sql(f"SHOW TABLES IN {CATALOGUE}.{self.database}").collect():
            self.register_table(named(row["tableName"]))
        for each in self.document.get("imports", []):
            self.register_import(each)
        for view in self.document["views"]:
            self.spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {named(view['name'])} AS {view['sql']}")

    def register_import(self, given):
        """Objects of JSON Lines that the run has made, as a relation; a line that is no JSON fails the job."""
        schema = ", ".join(f"`{named(column['name'])}` {column['type']}" for column in given["columns"])
        if given["uris"]:
            frame = self.spark.read.schema(schema).option("mode", "FAILFAST").json(given["uris"])
        else:
            frame = self.spark.createDataFrame([], schema)
        frame.createOrReplaceTempView(named(given["name"]))

    def register_table(self, name):
        """A batch table under its plain name, its instants as Spark's SQL has them (session time zone UTC)."""
        columns = ", ".join(
            f"CAST(`{field.name}` AS timestamp) AS `{field.name}`"
            if field.dataType.typeName() == "timestamp_ntz"
            else f"`{field.name}`"
            for field in self.spark.table(self.table(name)).schema
        )
        # As text and not as a frame: it is resolved anew by each reader, who then sees what was written meanwhile.
        self.spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW {name} AS SELECT {columns} FROM {self.table(name)}")

    # ── writes ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, write, position):
        name, table, token = write["table"], self.table(write["table"]), f"{self.document['token']}/{position}"
        self.make_table(write)
        done = self.committed(table, token)
        if done is None:
            columns = ", ".join(
                f"CAST(`{named(column['name'])}` AS {column['type']}) AS `{column['name']}`"
                for column in write["columns"]
            )
            if write["mode"] == "merge":
                done = self.merge(write, table, f"SELECT {columns} FROM ({write['sql']})")
            else:
                # One task a partition writes one file; AQE joins the small tasks of a table without partitions.
                frame = self.spark.sql(f"SELECT /*+ REBALANCE */ {columns} FROM ({write['sql']})")
                self.replace(write, table, frame, token)
                done = self.committed(table, token)
        self.register_table(name)
        return done

    def make_table(self, write):
        """Creates the table, or adds the columns that it lacks."""
        table = self.table(write["table"])
        columns = [f"`{named(column['name'])}` {column['type']}" for column in write["columns"]]
        partition = write.get("partition")
        location = f"{self.args.warehouse.rstrip('/')}/{write['table']}"
        # A catalogue of folders finds tables by their place and takes no other.
        place = f" LOCATION '{location}'" if self.has_own_places() else ""
        self.spark.sql(
            f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)}) USING iceberg"
            + (f" PARTITIONED BY ({named(partition)})" if partition else "")
            + place
            + " TBLPROPERTIES ('format-version'='2', 'write.distribution-mode'='hash')"
        )
        there = {field.name for field in self.spark.table(table).schema}
        new = [column for column, text in zip(write["columns"], columns) if column["name"] not in there]
        if new:
            added = ", ".join(f"`{column['name']}` {column['type']}" for column in new)
            self.spark.sql(f"ALTER TABLE {table} ADD COLUMNS ({added})")

    def has_own_places(self):
        return self.spark.conf.get(f"spark.sql.catalog.{CATALOGUE}.type", "") != "hadoop"

    def replace(self, write, table, frame, token):
        partition, replaced = write.get("partition"), write.get("replace")
        condition = F.lit(True)
        if partition and replaced is not None:
            # Rows outside of what is replaced would stand there twice after a second run.
            condition = F.col(partition).isin(replaced)
            frame = frame.where(condition)
        frame.writeTo(table).option(f"snapshot-property.{TOKEN}", token).overwrite(condition)

    def merge(self, write, table, rows):
        """Rows by their key, in one commit. It carries no token, being SQL's own; made again, it leaves the same rows."""
        # The rows stand in the statement as text: Spark 4.1 plans no MERGE whose source is the view of a frame that
        # reads an Iceberg table ("No plan for TableReference", SPARK-54873, mended in 4.2).
        keys = " AND ".join(f"t.`{named(key)}` <=> s.`{key}`" for key in write["key"])
        before = self.newest(table)
        self.spark.sql(
            f"MERGE INTO {table} AS t USING ({rows}) AS s ON {keys} "
            "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
        )
        after = self.newest(table)
        return NOTHING if after is None or after == before else counts_of(after["summary"])

    def newest(self, table):
        return self.spark.sql(f"SELECT * FROM {table}.snapshots ORDER BY committed_at DESC").head()

    def committed(self, table, token):
        """Rows and files of the commit that carries the token; None where there is none."""
        found = self.spark.sql(
            f"SELECT summary FROM {table}.snapshots WHERE summary['{TOKEN}'] = '{token}' ORDER BY committed_at DESC"
        ).head(1)
        if not found:
            return None
        return counts_of(found[0]["summary"])

    # ── erasure, upkeep, exports ───────────────────────────────────────────────────────────────────────────────────

    def erase(self, erasure):
        """Deletes the rows of erased customers. Their bytes go when older snapshots expire (`keep_up`)."""
        table = self.table(erasure["table"])
        keys = self.spark.createDataFrame([(key,) for key in erasure["keys"]], "erased string")
        keys.createOrReplaceTempView("ebb_erased")
        column = named(erasure["column"])
        self.spark.sql(f"DELETE FROM {table} WHERE `{column}` IN (SELECT erased FROM ebb_erased)")

    def erase_raw(self, erasure):
        """Files of raw events that hold erased people are made anew: every row stays, and says of them only that it came.

        One file after the other, each written whole beside the lake and then over the old one: on S3 an object is
        replaced when its last byte is there, so a reader sees the old file or the new one. Safe to repeat.
        """
        source, scratch = self.args.raw_events, erasure["scratch"]
        if not re.search(r"[:/]", source) or not self.files.exists(source):
            return {"files": 0, "rows": 0}
        for name, keys in (("ebb_gone", erasure["keys"]), ("ebb_shared", erasure["shared"])):
            frame = self.spark.createDataFrame([(key,) for key in sorted(set(keys))], "erased string")
            frame.createOrReplaceTempView(name)
        columns = self.document["rawEvents"]["columns"]
        schema = ", ".join(f"`{named(column['name'])}` {column['type']}" for column in columns)
        people = self.spark.read.schema(schema).parquet(source).select(
            F.input_file_name().alias("file"), "customer_key", "anonymous_key"
        )
        people.createOrReplaceTempView("ebb_people")
        joined = self.joined("ebb_people")
        held = self.spark.sql(
            f"SELECT file, count(*) AS held FROM ({joined}) WHERE {erasure['holds']} GROUP BY file ORDER BY file"
        ).collect()
        for at, row in enumerate(held):
            self.rewrite_raw(row["file"], f"{scratch}/{at:06d}", erasure)
        return {"files": len(held), "rows": sum(row["held"] for row in held)}

    def joined(self, rows):
        """With whether a row's customer and visitor are erased, or the visitor was somebody else too."""
        return (
            "SELECT r.*, c.erased IS NOT NULL AS ebb_customer_gone, a.erased IS NOT NULL AS ebb_visitor_gone, "
            f"s.erased IS NOT NULL AS ebb_visitor_shared FROM {rows} AS r "
            "LEFT JOIN ebb_gone AS c ON r.customer_key = c.erased "
            "LEFT JOIN ebb_gone AS a ON r.anonymous_key = a.erased "
            "LEFT JOIN ebb_shared AS s ON r.anonymous_key = s.erased"
        )

    def rewrite_raw(self, file, scratch, erasure):
        # By its own schema: a file of an older release has fewer columns, and gets no others.
        frame = self.spark.read.parquet(file)
        frame.createOrReplaceTempView("ebb_file")
        instead = erasure["instead"]
        columns = ", ".join(
            f"{instead.get(field.name, instead['*']).replace('{column}', f'`{field.name}`')} AS `{field.name}`"
            for field in frame.schema
        )
        made = self.spark.sql(f"SELECT {columns} FROM ({self.joined('ebb_file')})")
        made.coalesce(1).write.mode("overwrite").option("compression", "snappy").parquet(scratch)
        self.files.replace_by_only(scratch, file)

    def keep_up(self, upkeep):
        """Joins small files, applies deletes, and forgets snapshots older than stated: what was deleted is then gone."""
        table = f"{self.database}.{named(upkeep['table'])}"
        system = f"{CATALOGUE}.system"
        rewritten = self.spark.sql(
            f"CALL {system}.rewrite_data_files(table => '{table}', "
            "options => map('rewrite-all', 'false', 'delete-file-threshold', '1', 'min-input-files', '2'))"
        ).head()
        self.spark.sql(
            f"CALL {system}.expire_snapshots(table => '{table}', "
            f"older_than => TIMESTAMP '{upkeep['expireBefore']}', retain_last => 1)"
        )
        return {"rewrittenFiles": int(rewritten["rewritten_data_files_count"])}

    def export(self, export):
        self.spark.sql(export["sql"]).write.mode("overwrite").option("compression", "snappy").parquet(export["uri"])

    # ── all of it ──────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self):
        written, kept_up = {}, {}
        self.register_inputs()
        for position, write in enumerate(self.document["writes"]):
            if self.args.cutoff and write.get("partition") == "cutoff" and write.get("replace") != [self.args.cutoff]:
                continue
            counts = self.write(write, position)
            so_far = written.get(write["table"], NOTHING)
            written[write["table"]] = {each: so_far[each] + counts[each] for each in counts}
        for erasure in self.document.get("erase", []):
            self.erase(erasure)
        if "eraseRaw" in self.document:
            erased_raw = self.erase_raw(self.document["eraseRaw"])
            written["raw_events"] = {"rows": erased_raw["rows"], "files": erased_raw["files"]}
        for upkeep in self.document.get("upkeep", []):
            kept_up[upkeep["table"]] = self.keep_up(upkeep)
        for export in self.document["exports"]:
            self.export(export)
        return {"state": "succeeded", "written": written, "upkeep": kept_up, "usage": self.usage()}

    def usage(self):
        """Spark's own sums over all executors."""
        executors = self.spark.sparkContext._jsc.sc().statusStore().executorList(False)
        sums = {"tasks": 0, "taskMs": 0, "inputBytes": 0, "shuffleWriteBytes": 0}
        for at in range(executors.size()):
            each = executors.apply(at)
            sums["tasks"] += each.totalTasks()
            sums["taskMs"] += each.totalDuration()
            sums["inputBytes"] += each.totalInputBytes()
            sums["shuffleWriteBytes"] += each.totalShuffleWrite()
        return sums


def failure(error):
    """The reason in one line, and whether the same job may succeed when it is started again."""
    text = str(error)
    # Py4J puts a line of its own before what Java said.
    lines = [line.strip() for line in text.splitlines() if line.strip() and "occurred while calling" not in line]
    first = lines[0].removeprefix(": ") if lines else type(error).__name__
    wrong = isinstance(error, (Refused, KeyError, ValueError))
    return {
        "state": "failed",
        "reason": f"{type(error).__name__}: {first}"[:1000],
        "mayRetry": not wrong and PASSING.search(text) is not None,
    }


def main():
    args = arguments()
    spark = SparkSession.builder.appName("ebb").getOrCreate()
    files = Files(spark)
    try:
        document = json.loads(files.read(args.job))
        result = Job(spark, args, document).run()
    except Exception as error:  # whatever it was, the poller must be told
        result = failure(error)
        traceback.print_exc()
    files.write(args.result, json.dumps(result))
    spark.stop()
    return 0 if result["state"] == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
