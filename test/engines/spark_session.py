"""A Spark session that obeys lines of JSON on stdin and answers each with a line of JSON on stdout.

{"load": table, "parquet": path}    a table of Parquet files
{"run": sql}                        a statement without rows
{"rows": sql}                       answers the schema, and rows as lines of JSON, every scalar as text
{"clear": [names]}                  forgets temporary views and what is cached
"""

import json
import os
import sys

from pyspark.sql import SparkSession
from pyspark.sql.types import ArrayType, DataType, StringType, StructField, StructType

# Spark's own prints must not get between the answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

builder = SparkSession.builder.master("local[2]")
for name, value in json.loads(sys.argv[1]).items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")


def as_text(kind: DataType) -> DataType:
    if isinstance(kind, ArrayType):
        return ArrayType(as_text(kind.elementType))
    if isinstance(kind, StructType):
        return StructType([StructField(field.name, as_text(field.dataType)) for field in kind.fields])
    return StringType()


def obey(request: dict) -> object:
    if "load" in request:
        spark.read.parquet(request["parquet"]).createOrReplaceTempView(request["load"])
    elif "run" in request:
        spark.sql(request["run"])
    elif "rows" in request:
        result = spark.sql(request["rows"])
        texts = [result[f"`{field.name}`"].cast(as_text(field.dataType)).alias(field.name) for field in result.schema]
        lines = result.select(*texts).selectExpr("to_json(struct(*), map('ignoreNullFields', 'false')) AS value")
        return {**json.loads(result.schema.json()), "lines": [line.value for line in lines.collect()]}
    elif "clear" in request:
        for name in request["clear"]:
            spark.catalog.dropTempView(name)
        spark.catalog.clearCache()
    return None


def answer(line: object) -> None:
    answers.write(json.dumps(line) + "\n")
    answers.flush()


answer({"version": spark.version})
for line in sys.stdin:
    try:
        answer({"answer": obey(json.loads(line))})
    except Exception as error:  # Whatever Spark raises is the answer.
        answer({"error": str(error).split("JVM stacktrace")[0][:4000]})
spark.stop()
