"""Reads a relational table in partitions, side by side, over JDBC and TLS, and leaves its rows as lines of JSON.

EMR Serverless starts it as the entry point of a job run; `spark-submit read_table.py …` on one machine is the same program.
It decides nothing: the SELECT, whose cells the database renders as text, and the conditions that part its rows are in the
document, which packages/ports/src/source-readers/jdbc.ts renders. A line is an array of texts and nulls.

The password comes from the property `spark.ebb.password` and goes nowhere but to the driver of the database. What a driver
says may hold a value of a row: logs are off, and a reason names the kind of an error and its code alone.

The last thing written is the result document: the parts that are to be read, or why there are none. Exit codes: 0 done,
1 failed, 2 called wrongly.
"""

import argparse
import hashlib
import json
import os
import re
import sys

from py4j.java_gateway import is_instance_of
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

PASSWORD = "spark.ebb.password"
CA_FILE = "ebb-ca.pem"
KIND = re.compile(r"\b[A-Z]\w*(?:Exception|Error)\b")


class DriverUnknownError(Exception):
    """The jar is not the one whose SHA-256 is pinned."""


def arguments():
    parser = argparse.ArgumentParser(description="Reads a relational table in partitions.")
    parser.add_argument("--read", required=True, help="URI of the document that says what is read")
    parser.add_argument("--into", required=True, help="URI of the folder that the parts are written to")
    parser.add_argument("--result", required=True, help="URI that the result document is written to")
    parser.add_argument("--driver", required=True, help="URI of the jar of the database's driver")
    parser.add_argument("--driver-sha256", required=True, help="what the jar has to be: nothing of another one is run")
    return parser.parse_args()


class Files:
    """Small files through Hadoop's file systems: `s3:` on EMR, `file:` on one machine."""

    def __init__(self, spark):
        self._jvm = spark._jvm
        self._conf = spark._jsc.hadoopConfiguration()

    def _open(self, uri):
        path = self._jvm.org.apache.hadoop.fs.Path(uri)
        return path.getFileSystem(self._conf), path

    def read(self, uri):
        system, path = self._open(uri)
        stream = system.open(path)
        try:
            return self._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
        finally:
            stream.close()

    def sha256(self, uri):
        system, path = self._open(uri)
        stream = system.open(path)
        try:
            return hashlib.sha256(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream)).hexdigest()
        finally:
            stream.close()

    def write(self, uri, text):
        system, path = self._open(uri)
        stream = system.create(path, True)
        try:
            stream.write(bytearray(text, "utf-8"))
        finally:
            stream.close()

    def parts(self, uri):
        """Names of the parts that hold something, in their order."""
        system, path = self._open(uri)
        found = [(each.getPath().getName(), each.getLen()) for each in system.listStatus(path)]
        return sorted(name for name, size in found if name.startswith("part-") and size > 0)


class Read:
    def __init__(self, spark, document):
        self.spark = spark
        self.document = document
        self.properties = {"driver": document["driver"], "user": document["user"]}
        password = spark.conf.get(PASSWORD, None)
        if password is not None:
            self.properties["password"] = password

    def lay_down_authorities(self):
        """Beside the driver, and by Spark beside each worker: the URL names the file without a folder."""
        authorities = self.document.get("authorities")
        if authorities is None:
            return
        path = os.path.join(os.getcwd(), CA_FILE)
        with open(path, "w", encoding="ascii") as file:
            file.write(authorities)
        self.spark.sparkContext.addFile(path)

    def connect(self):
        """A connection of the program's own, which also tells at once whether there can be any."""
        jvm = self.spark._jvm
        loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
        driver = loader.loadClass(self.document["driver"]).newInstance()
        properties = jvm.java.util.Properties()
        for name in ("user", "password"):
            if name in self.properties:
                properties.setProperty(name, self.properties[name])
        return driver.connect(self.document["url"], properties)

    def shared_look(self, connection):
        """The name of a snapshot that all partitions read, where the database can share one. It is held till the end."""
        snapshot = self.document.get("snapshot")
        if snapshot is None:
            return ""
        statement = connection.createStatement()
        statement.execute(snapshot["begin"])
        rows = statement.executeQuery(snapshot["ask"])
        rows.next()
        return rows.getString(1)

    def run(self, into):
        self.lay_down_authorities()
        connection = self.connect()
        try:
            self.write(self.shared_look(connection), into)
        finally:
            connection.close()

    def write(self, snapshot, into):
        document = self.document
        frame = self.spark.read.jdbc(
            document["url"],
            f"({document['select']}) AS ebb_rows",
            predicates=document["partitions"],
            properties={
                **self.properties,
                "fetchsize": str(document["fetchSize"]),
                "sessionInitStatement": document["begin"].replace("{snapshot}", snapshot),
            },
        )
        cells = [F.col(f"c{at}").cast("string") for at in range(document["cells"])]
        lines = frame.select(F.to_json(F.array(*cells)).alias("value"))
        lines.write.mode("overwrite").option("compression", "gzip").text(into)


def reason_of(gateway, error):
    """Kinds of errors in the order in which they caused each other, and the database's code: no word of a message."""
    kinds = KIND.findall(str(error))
    state, code = None, None
    cause = error.java_exception if isinstance(error, Py4JJavaError) else None
    while cause is not None:
        kinds.append(cause.getClass().getSimpleName())
        if state is None and is_instance_of(gateway, cause, "java.sql.SQLException"):
            state, code = cause.getSQLState(), cause.getErrorCode()
        cause = cause.getCause()
    text = ", ".join(dict.fromkeys(kinds)) or type(error).__name__
    if state is not None:
        text += f" (SQLSTATE {state}, code {code})"
    return {"state": "failed", "reason": text[:500], "sqlState": state}


def main():
    args = arguments()
    spark = SparkSession.builder.appName("ebb-read").getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    files = Files(spark)
    try:
        if files.sha256(args.driver) != args.driver_sha256:
            raise DriverUnknownError
        Read(spark, json.loads(files.read(args.read))).run(args.into)
        result = {"state": "succeeded", "parts": files.parts(args.into)}
    except Exception as error:  # whatever it was, the load must be told
        result = reason_of(spark.sparkContext._gateway, error)
        print(result["reason"], file=sys.stderr)
    files.write(args.result, json.dumps(result))
    spark.stop()
    return 0 if result["state"] == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
